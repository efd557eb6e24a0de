import { RpcError, RpcStatus } from "@lifeline/rpc";
import { describe, expect, it } from "vitest";
import { type Admin, NOW_MS } from "./testing/collector.ts";
import { runAgainst } from "./testing/run-cli.ts";

const generatedUnixMs = BigInt(NOW_MS);
const HOUR_MS = 3_600_000;
const options = { env: { NO_COLOR: "1" }, terminal: { columns: 140, rows: 40 } };
const FINGERPRINT = `sha256:${"ab".repeat(32)}`;
const JOIN_TOKEN = "1f2e3d4c.c2VjcmV0LWpvaW4tdG9rZW4";

const TOKEN = {
  id: "1f2e3d4c",
  createdUnixMs: BigInt(NOW_MS - HOUR_MS),
  expiresUnixMs: BigInt(NOW_MS + 23 * HOUR_MS),
  usesMax: 1,
  uses: 0,
};

describe("lifeline token create", () => {
  const created: Admin["createJoinToken"] = async () => ({
    token: TOKEN,
    joinToken: JOIN_TOKEN,
    caFingerprint: FINGERPRINT,
  });

  it("prints the token alone on stdout, and what to do with it on stderr", async () => {
    const { out, err, exitCode } = await runAgainst(["token", "create"], { createJoinToken: created });
    expect(out).toBe(`${JOIN_TOKEN}\n`);
    expect(err).toBe(`\
Join token 1f2e3d4c, shown only now: enrols 1 node (any node) until 2026-03-02T11:00:00.000Z.
In the agent's configuration file:
  enrol: { tokenFile: join-token, caFingerprint: "${FINGERPRINT}" }
or in its environment:
  LIFELINE_JOIN_TOKEN=… or LIFELINE_JOIN_TOKEN_FILE=join-token, and LIFELINE_CA_FINGERPRINT=${FINGERPRINT}
To revoke it: lifeline token revoke 1f2e3d4c
`);
    expect(exitCode).toBe(0);
  });

  it("prints an object for a script, and nothing else", async () => {
    const { out, err } = await runAgainst(["token", "create", "--json"], { createJoinToken: created });
    expect(JSON.parse(out)).toEqual({
      token: JOIN_TOKEN,
      id: "1f2e3d4c",
      expires: "2026-03-02T11:00:00.000Z",
      usesMax: 1,
      nodes: null,
      note: null,
      ephemeral: false,
      caFingerprint: FINGERPRINT,
    });
    expect(err).toBe("");
  });

  it.each([
    [
      "nothing: the collector's defaults",
      [],
      { note: "", lifetimeSeconds: 0, usesMax: 0, nodePattern: "", ephemeral: false },
    ],
    [
      "everything",
      ["--note", "rack 3", "--uses", "40", "--for", "7d", "--nodes", "rack-3-*", "--ephemeral"],
      { note: "rack 3", lifetimeSeconds: 604_800, usesMax: 40, nodePattern: "rack-3-*", ephemeral: true },
    ],
  ])("asks for %s", async (_, flags, expected) => {
    let asked: unknown;
    const createJoinToken: Admin["createJoinToken"] = async (request, context) => {
      const { note, lifetimeSeconds, usesMax, nodePattern, ephemeral } = request;
      asked = { note, lifetimeSeconds, usesMax, nodePattern, ephemeral };
      return created(request, context);
    };
    await runAgainst(["token", "create", ...flags], { createJoinToken });
    expect(asked).toEqual(expected);
  });

  it("says that the keys of an ephemeral one are replaced", async () => {
    const createJoinToken: Admin["createJoinToken"] = async () => ({
      token: { ...TOKEN, usesMax: 200, ephemeral: true },
      joinToken: JOIN_TOKEN,
    });
    const { err } = await runAgainst(["token", "create", "--ephemeral", "--uses", "200"], { createJoinToken });
    const [first, second] = err.split("\n");
    expect(first).toContain("enrols 200 keys (any node) until");
    expect(second).toBe(
      "Ephemeral, for machines in maintenance mode: each start of an agent makes a new key, which replaces the node's last one and is one use.",
    );
  });

  it.each([
    ["none", ""],
    ["one that a terminal would obey", "id.\u001b[2Jsecret"],
  ])("says so when it was answered with %s", async (_, joinToken) => {
    const createJoinToken: Admin["createJoinToken"] = async () => ({ token: TOKEN, joinToken });
    const { out, err, exitCode } = await runAgainst(["token", "create"], { createJoinToken });
    expect(err).toBe("error: the collector returned no usable join token; see its log, and 'lifeline token list'\n");
    expect([out, exitCode]).toEqual(["", 3]);
  });
});

describe("lifeline token list", () => {
  const tokens = [
    { ...TOKEN, uses: 3, usesMax: 40, nodePattern: "rack-3-*", note: "rack 3" },
    { ...TOKEN, id: "00000002", uses: 1 },
    { ...TOKEN, id: "00000003", expiresUnixMs: BigInt(NOW_MS) },
    { ...TOKEN, id: "00000004", revokedUnixMs: BigInt(NOW_MS - 1_000) },
  ];
  const listJoinTokens: Admin["listJoinTokens"] = async () => ({ generatedUnixMs, tokens });

  it("shows what each may still do", async () => {
    const { out, exitCode } = await runAgainst(["token", "list"], { listJoinTokens }, options);
    expect(out).toBe(`\
ID        STATE         USED  NODES     CREATED               UNTIL                 LEFT  NOTE
1f2e3d4c  ✓ good     3 of 40  rack-3-*  2026-03-01T11:00:00Z  2026-03-02T11:00:00Z  23 h  rack 3
00000002  · used up   1 of 1  any       2026-03-01T11:00:00Z  2026-03-02T11:00:00Z     —  —
00000003  · expired   0 of 1  any       2026-03-01T11:00:00Z  2026-03-01T12:00:00Z     —  —
00000004  ✗ revoked   0 of 1  any       2026-03-01T11:00:00Z  2026-03-02T11:00:00Z     —  —
`);
    expect(exitCode).toBe(0);
  });

  it("prints the same as JSON, CSV and Markdown", async () => {
    const { out } = await runAgainst(["token", "list", "--json"], { listJoinTokens });
    expect(JSON.parse(out).tokens.map(({ state }: { state: string }) => state)).toEqual([
      "good",
      "used-up",
      "expired",
      "revoked",
    ]);
    const csv = await runAgainst(["token", "list", "--output", "csv"], { listJoinTokens });
    expect(csv.out.split("\r\n")[1]).toBe(
      "1f2e3d4c,good,3,40,rack-3-*,2026-03-01T11:00:00.000Z,2026-03-02T11:00:00.000Z,,rack 3,false",
    );
    const markdown = await runAgainst(["token", "list", "--output", "markdown"], { listJoinTokens });
    expect(markdown.out).toContain("| `00000004` | ✗ revoked |");
  });

  it("says how to make one when there is none", async () => {
    const { out } = await runAgainst(["token", "list"], {
      listJoinTokens: async () => ({ generatedUnixMs, tokens: [] }),
    });
    expect(out).toBe("No join tokens: 'lifeline token create' makes one.\n");
  });
});

describe("lifeline token revoke", () => {
  it("shows the token as it is now, and what it does not end", async () => {
    const revokeJoinToken: Admin["revokeJoinToken"] = async ({ id }) => ({
      token: { ...TOKEN, id, uses: 1, usesMax: 2, revokedUnixMs: generatedUnixMs },
    });
    const { out, exitCode } = await runAgainst(["token", "revoke", "1f2e3d4c"], { revokeJoinToken }, options);
    expect(out).toBe(`\
ID        STATE        USED  NODES  CREATED               UNTIL                 LEFT  NOTE
1f2e3d4c  ✗ revoked  1 of 2  any    2026-03-01T11:00:00Z  2026-03-02T11:00:00Z     —  —

Join token 1f2e3d4c is revoked. Nodes that enrolled with it stay enrolled: 'lifeline enrolments' lists them, 'lifeline node revoke ID'
revokes one.
`);
    expect(exitCode).toBe(0);
  });

  it("says where the ids are when it is not known", async () => {
    const revokeJoinToken = async () => {
      throw new RpcError(RpcStatus.NOT_FOUND, "no such token");
    };
    const { err, exitCode } = await runAgainst(["token", "revoke", "00000000"], { revokeJoinToken });
    expect(err).toBe("error: the collector has no join token 00000000; 'lifeline token list' shows those it has\n");
    expect(exitCode).toBe(2);
  });
});

const ENROLMENT = {
  nodeId: "worker-1",
  keySha256: "cd".repeat(32),
  joinTokenId: "1f2e3d4c",
  enrolledUnixMs: BigInt(NOW_MS - 48 * HOUR_MS),
  notAfterUnixMs: BigInt(NOW_MS + 24 * HOUR_MS),
  renewals: 2,
};
const TWICE = {
  ...ENROLMENT,
  nodeId: "worker-9",
  refusedClaims: 3,
  lastRefusedClaimUnixMs: BigInt(NOW_MS - 300_000),
  lastRefusedClaimFrom: "10.0.0.9",
};
const ENROLMENTS = [
  ENROLMENT,
  { ...ENROLMENT, nodeId: "worker-2", notAfterUnixMs: generatedUnixMs },
  { ...TWICE, nodeId: "worker-3", revokedUnixMs: BigInt(NOW_MS - 1_000) },
  TWICE,
];

describe("lifeline enrolments", () => {
  const listEnrolments: Admin["listEnrolments"] = async () => ({ generatedUnixMs, enrolments: ENROLMENTS });

  it("puts an id that two keys claim first, and says what it may be", async () => {
    const { out, exitCode } = await runAgainst(["enrolments"], { listEnrolments }, options);
    expect(out).toBe(`\
NODE      STATE            SINCE                 UNTIL                 RENEWALS  OTHER KEYS REFUSED
worker-9  ! claimed twice  2026-02-27T12:00:00Z  2026-03-02T12:00:00Z         2  3, last 5 min ago from 10.0.0.9
worker-1  ✓ good           2026-02-27T12:00:00Z  2026-03-02T12:00:00Z         2  —
worker-2  ? ended          2026-02-27T12:00:00Z  2026-03-01T12:00:00Z         2  —
worker-3  ✗ revoked        2026-02-27T12:00:00Z  2026-03-02T12:00:00Z         2  3, last 5 min ago from 10.0.0.9

! another key claimed worker-9: two machines have one id, or one was reinstalled.
Two machines: give one of them another id. Reinstalled: 'lifeline node revoke ID', then 'lifeline node readmit ID'.
`);
    expect(exitCode).toBe(0);
  });

  it("is no wider than the terminal, and free of control characters", async () => {
    const evil = async () => ({ generatedUnixMs, enrolments: [{ ...TWICE, nodeId: "n\u001b[2J" }] });
    const narrow = { env: { NO_COLOR: "1" }, terminal: { columns: 60, rows: 40 } };
    const { out } = await runAgainst(["enrolments"], { listEnrolments: evil }, narrow);
    for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(60);
    expect(out).not.toContain("\u001b");
  });

  it("prints the same as JSON, CSV and wide", async () => {
    const { out } = await runAgainst(["enrolments", "--json"], { listEnrolments });
    const { generatedAt, enrolments } = JSON.parse(out);
    expect(generatedAt).toBe("2026-03-01T12:00:00.000Z");
    expect(enrolments[0]).toEqual({
      node: "worker-9",
      state: "claimed-twice",
      enrolled: "2026-02-27T12:00:00.000Z",
      notAfter: "2026-03-02T12:00:00.000Z",
      renewals: 2,
      revoked: null,
      refusedClaims: 3,
      lastRefusedClaim: "2026-03-01T11:55:00.000Z",
      lastRefusedClaimFrom: "10.0.0.9",
      joinToken: "1f2e3d4c",
      keySha256: "cd".repeat(32),
      ephemeral: false,
    });
    const csv = await runAgainst(["enrolments", "--output", "csv"], { listEnrolments });
    expect(csv.out.split("\r\n")[0]).toBe(
      "node,enrolled,notAfter,renewals,revoked,refusedClaims,lastRefusedClaim,lastRefusedClaimFrom,joinToken,keySha256,ephemeral,state",
    );
    const wide = await runAgainst(["enrolments", "--output", "wide"], { listEnrolments });
    expect(wide.out).toContain(`  1f2e3d4c    ${"cd".repeat(32)}`);
  });

  it("fetches every page, of the node that was asked for", async () => {
    const asked: string[] = [];
    const paged: Admin["listEnrolments"] = async ({ nodeId, pageToken }) => {
      asked.push(`${nodeId} ${pageToken}`);
      const isFirst = pageToken === "";
      return { generatedUnixMs, enrolments: [isFirst ? ENROLMENT : TWICE], nextPageToken: isFirst ? "next" : "" };
    };
    const { out } = await runAgainst(["enrolments", "--node", "worker-1", "--json"], { listEnrolments: paged });
    expect(JSON.parse(out).enrolments).toHaveLength(2);
    expect(asked).toEqual(["worker-1 ", "worker-1 next"]);
  });

  it("says that an ephemeral one that is claimed is admitted again by itself", async () => {
    const enrolments = [{ ...TWICE, ephemeral: true }];
    const { out } = await runAgainst(["enrolments"], { listEnrolments: async () => ({ generatedUnixMs, enrolments }) });
    expect(out).toContain("is admitted again by itself, at most two minutes after the other was switched off.\n");
  });

  it("names no more than a few of many below the table", async () => {
    const many = Array.from({ length: 7 }, (_, at) => ({ ...TWICE, nodeId: `n${at}` }));
    const { out } = await runAgainst(["enrolments"], {
      listEnrolments: async () => ({ generatedUnixMs, enrolments: many }),
    });
    expect(out).toContain("! another key claimed n0, n1, n2, n3, n4 and 2 more: ");
  });

  it("says when there is none", async () => {
    const none = async () => ({ generatedUnixMs, enrolments: [] });
    const { out, exitCode } = await runAgainst(["enrolments"], { listEnrolments: none });
    expect([out, exitCode]).toEqual(["No enrolments: no node has a certificate.\n", 0]);
  });
});

describe("lifeline node revoke and readmit", () => {
  const revokeNode: Admin["revokeNode"] = async ({ nodeId }) => ({
    enrolment: { ...ENROLMENT, nodeId, revokedUnixMs: generatedUnixMs },
    endedStreams: 1,
  });

  it("says how many streams ended, and what to do next", async () => {
    const { out, exitCode } = await runAgainst(["node", "revoke", "worker-1"], { revokeNode });
    expect(out).toBe(`\
worker-1 is revoked: the collector ended 1 stream, and refuses all its certificates.
next: stop its agent. To allow the id again, with a new key: lifeline node readmit worker-1
`);
    expect(exitCode).toBe(0);
    const { out: json } = await runAgainst(["node", "revoke", "worker-1", "--json"], { revokeNode });
    expect(JSON.parse(json)).toMatchObject({
      enrolment: { node: "worker-1", revoked: "2026-03-01T12:00:00.000Z" },
      endedStreams: 1,
    });
  });

  it("says when the id was not known, because it may be a typing mistake", async () => {
    const ofNothing: Admin["revokeNode"] = async ({ nodeId }) => ({
      enrolment: { ...ENROLMENT, nodeId, keySha256: "", revokedUnixMs: generatedUnixMs },
      endedStreams: 0,
    });
    const { out } = await runAgainst(["node", "revoke", "workr-1"], { revokeNode: ofNothing });
    expect(out).toContain("\nThe collector knows no certificate of workr-1: check the id.\n");
  });

  it("allows a new key for the id, and says what to do next", async () => {
    const readmitNode: Admin["readmitNode"] = async ({ nodeId }) => ({ enrolment: { ...ENROLMENT, nodeId } });
    const { out, exitCode } = await runAgainst(["node", "readmit", "worker-1"], { readmitNode });
    expect(out).toBe(`\
worker-1 may enrol again with one new key; revoked keys stay refused.
next: lifeline token create --nodes worker-1, and start its agent with that join token and without its old key
`);
    expect(exitCode).toBe(0);
  });

  it.each(["revoke", "readmit"])("names the ids close to one that is not enrolled: %s", async (verb) => {
    const unknown = async () => {
      throw new RpcError(RpcStatus.NOT_FOUND, "no such node");
    };
    const listEnrolments = async () => ({ generatedUnixMs, enrolments: [ENROLMENT] });
    const answers = { revokeNode: unknown, readmitNode: unknown, listEnrolments };
    const { err, exitCode } = await runAgainst(["node", verb, "worker-7"], answers);
    expect(err).toBe("error: the collector has enrolled no node 'worker-7'; the closest: worker-1\n");
    expect(exitCode).toBe(2);
  });

  it("leaves 'lifeline node ID' as it was", async () => {
    const getNode = async () => ({ generatedUnixMs, node: { nodeId: "worker-1", hostname: "w1" } });
    const { out } = await runAgainst(["node", "worker-1"], { getNode });
    expect(out).toMatch(/^worker-1 \(w1\): not connected/);
  });
});
