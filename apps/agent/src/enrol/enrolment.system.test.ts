/** The agent's side of enrolment, against a real listener with a real fleet CA. */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFleetCa, makeKeyPair, openFleetCa, readSigningRequest } from "@lifeline/identity";
import { type ManualClock, manualClock, systemClock } from "@lifeline/measure";
import {
  addService,
  admitAll,
  type CallContext,
  createRpcServer,
  listenSecurely,
  RpcError,
  RpcStatus,
  type RpcStatusCode,
  shutDown,
} from "@lifeline/rpc";
import { type enrolPb, enrolPb as messages } from "@lifeline/wire";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { obstruct, WAIT_MAX_MS } from "../testing/fixtures.ts";
import { Enrolment, type LastEnd, RENEW_CHECK_MS, RENEW_RETRY_MS } from "./enrolment.ts";
import type { JoinTokenRead } from "./join-token.ts";
import { factsOf, KeptCredentials } from "./kept-credentials.ts";

const HOUR_MS = 3_600_000;
const LIFE_MS = 24 * HOUR_MS;
const startMs = systemClock.wallMs();
const times = { nowMs: startMs, lifetimeMs: 1_000 * HOUR_MS };
const made = async () => {
  const pems = await createFleetCa({ commonName: "fleet", ...times, randomBytes });
  return openFleetCa(pems.certPem, pems.keyPem, randomBytes);
};
const fleet = await made();

let stateDir = "";
const closers: (() => unknown)[] = [];
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "lifeline-enrol-"));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(stateDir, { recursive: true });
});

interface EnrolCall {
  readonly method: "enrol" | "renew";
  readonly key: string;
  readonly joinToken: string;
  readonly certificate: CallContext["connection"];
}

/** A collector's listener that issues certificates, with faults that a test can change. */
async function collector(faults: { refuse?: RpcStatusCode; lose?: boolean } = {}, clock = manualClock(startMs)) {
  const calls: EnrolCall[] = [];
  const injected = { ...faults };
  const answer = async (
    method: EnrolCall["method"],
    { certificateRequestDer, joinToken = "" }: { certificateRequestDer: Uint8Array; joinToken?: string },
    { connection }: CallContext,
  ) => {
    const request = await readSigningRequest(certificateRequestDer);
    if (request.kind !== "ok") throw new RpcError(RpcStatus.INVALID_ARGUMENT, request.detail);
    calls.push({ method, key: request.keySha256, joinToken, certificate: connection });
    if (injected.lose === true) throw new RpcError(RpcStatus.UNAVAILABLE, "the answer is lost");
    if (injected.refuse !== undefined && method === "renew") throw new RpcError(injected.refuse, "refused");
    const nowMs = clock.wallMs();
    const { der, notAfterMs } = await fleet.issueNode({ ...request, nowMs, lifetimeMs: LIFE_MS });
    return { certificateChainDer: [der, fleet.certDer], notAfterUnixMs: BigInt(notAfterMs) };
  };
  const server = createRpcServer();
  const service = {
    getFleetCa: async () => ({ caCertificateDer: fleet.certDer }),
    enrol: (request: enrolPb.EnrolRequest, context: CallContext) => answer("enrol", request, context),
    renew: (request: enrolPb.RenewRequest, context: CallContext) => answer("renew", request, context),
  };
  addService(
    server,
    messages.EnrolService,
    service,
    (_, error) => {
      throw error;
    },
    admitAll,
  );
  const { publicKeyDer, privateKeyPem: keyPem } = makeKeyPair();
  const { pem: certPem } = await fleet.issueServer({ publicKeyDer, names: ["127.0.0.1"], ...times });
  const listener = await listenSecurely(
    { authenticated: server, unauthenticated: server },
    {
      host: "127.0.0.1",
      port: 0,
      certificates: { certPem, keyPem, clientCaPem: fleet.certPem },
      maxConnections: 100,
      clock: systemClock,
      onRefused() {},
    },
  );
  closers.push(() => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake)), listener.close);
  return { address: `127.0.0.1:${listener.port}`, calls, injected };
}

const SECRET = "5ec1e75e.the-secret-of-the-token";

function agentOf(
  address: string,
  clock: ManualClock = manualClock(startMs),
  more: { caFingerprint?: string; token?: () => JoinTokenRead; nodeId?: string } = {},
) {
  const logged: string[] = [];
  let renewals = 0;
  const enrolment = new Enrolment({
    collector: address,
    nodeId: more.nodeId ?? "n1",
    caFingerprint: more.caFingerprint ?? fleet.fingerprint,
    kept: new KeptCredentials(stateDir, (code) => logged.push(`disk ${code}`)),
    token: more.token ?? (() => ({ kind: "token", token: SECRET })),
    clock,
    random: () => 0.5,
    log: pino({}, { write: (line: string) => logged.push(line) }),
  });
  enrolment.keepRenewed(() => {
    renewals += 1;
  });
  closers.push(() => enrolment.stop());
  return {
    enrolment,
    logged,
    clock,
    renewals: () => renewals,
    dial: (end: LastEnd = "other") => enrolment.credentials(end),
  };
}

/** Makes writing the certificate fail until cleared. The next key can be written. */
function obstructedDraft() {
  const path = join(stateDir, "identity/credentials.json.tmp");
  mkdirSync(path, { recursive: true });
  return { clear: () => rmSync(path, { recursive: true }) };
}

const NO_TOKEN = (): JoinTokenRead => ({ kind: "none", problem: "got no join token" });

describe("an agent without a certificate", () => {
  it("enrols once with its token, and keeps the certificate over a restart, readable by its owner only", async () => {
    const { address, calls } = await collector();
    const first = agentOf(address);
    await first.dial();
    await first.dial();
    expect(calls).toMatchObject([{ method: "enrol", joinToken: SECRET, certificate: { certificate: undefined } }]);
    const again = agentOf(address, first.clock, { token: NO_TOKEN });
    await again.dial();
    expect(calls).toHaveLength(1);
    expect(again.enrolment.stats()).toMatchObject({ enrolled: 0, notAfterMs: expect.any(Number) });
    expect(statSync(join(stateDir, "identity/credentials.json")).mode & 0o777).toBe(0o600);
    expect(existsSync(join(stateDir, "identity/next.key"))).toBe(false);
  });

  it("enrols again with the same key when the answer is lost, over a restart too", async () => {
    const { address, calls, injected } = await collector({ lose: true });
    await expect(agentOf(address).dial()).rejects.toMatchObject({ code: RpcStatus.UNAVAILABLE });
    await expect(agentOf(address).dial()).rejects.toMatchObject({ code: RpcStatus.UNAVAILABLE });
    injected.lose = false;
    await agentOf(address).dial();
    expect(new Set(calls.map(({ key }) => key)).size).toBe(1);
    expect(calls).toHaveLength(3);
  });

  it("makes no call to a collector of another fleet CA", async () => {
    const { address, calls } = await collector();
    const other = await made();
    // Nor does it use the certificate of the former fleet CA.
    await agentOf(address).dial();
    calls.splice(0);
    await expect(
      agentOf(address, manualClock(startMs), { caFingerprint: other.fingerprint }).dial(),
    ).rejects.toMatchObject({
      code: "ca-mismatch",
    });
    expect(calls).toEqual([]);
  });

  it("reports that it has no token, and enrols once there is one", async () => {
    const { address } = await collector();
    let token = NO_TOKEN();
    const { dial } = agentOf(address, manualClock(startMs), { token: () => token });
    await expect(dial()).rejects.toMatchObject({ code: "no-token", message: "enrol: got no join token" });
    token = { kind: "token", token: SECRET };
    await dial();
  });

  it("enrols again for another node id, or when its file is damaged", async () => {
    const { address, calls } = await collector();
    await agentOf(address).dial();
    await agentOf(address, manualClock(startMs), { nodeId: "n2" }).dial();
    const path = join(stateDir, "identity/credentials.json");
    writeFileSync(path, readFileSync(path, "utf8").slice(0, 300));
    await agentOf(address, manualClock(startMs), { nodeId: "n2" }).dial();
    expect(calls.map(({ method }) => method)).toEqual(["enrol", "enrol", "enrol"]);
  });

  it.each(["credentials.json", "next.key"])(
    "does not enrol with another key while %s exists and cannot be read",
    async (name) => {
      const { address, calls, injected } = await collector({ lose: name === "next.key" });
      await agentOf(address)
        .dial()
        .catch(() => {});
      injected.lose = false;
      const path = join(stateDir, "identity", name);
      const clear = obstruct(path);
      const { dial } = agentOf(address);
      await expect(dial()).rejects.toMatchObject({ code: "unreadable", message: expect.stringContaining("EISDIR") });
      expect(calls).toHaveLength(1);
      clear();
      await dial();
      expect(new Set(calls.map(({ key }) => key)).size).toBe(1);
      expect(calls).toHaveLength(name === "next.key" ? 2 : 1);
    },
  );

  it("keeps its certificate while a left-over next key cannot be read", async () => {
    const { address, calls } = await collector();
    await agentOf(address).dial();
    const left = join(stateDir, "identity/next.key");
    // A link to itself: ELOOP, for root as well.
    symlinkSync(left, left);
    const again = agentOf(address);
    await again.dial();
    expect(again.enrolment.stats().notAfterMs).toBeGreaterThan(startMs);
    // When denied it would use a new key, and the file may hold one: it keeps the old key.
    await again.dial("permission-denied");
    expect(calls).toHaveLength(1);
  });

  it("uses memory when the disk cannot be written, with a warning", async () => {
    const { address, calls } = await collector();
    writeFileSync(join(stateDir, "identity"), "no directory");
    const { dial, logged } = agentOf(address);
    await dial();
    await dial();
    expect(calls).toHaveLength(1);
    expect(logged.filter((line) => line.startsWith("disk "))).not.toEqual([]);
  });

  it("enrols with its key after a restart when the disk took the key and not the certificate", async () => {
    const { address, calls } = await collector();
    obstructedDraft();
    await agentOf(address).dial();
    await agentOf(address).dial();
    expect(calls.map(({ method }) => method)).toEqual(["enrol", "enrol"]);
    expect(calls[1]?.key).toBe(calls[0]?.key);
  });

  it.each(["the next dial", "the next check of the certificate"])("writes a refused file again at %s", async (when) => {
    const { address, calls } = await collector();
    const draft = obstructedDraft();
    const { dial, clock } = agentOf(address);
    await dial();
    draft.clear();
    if (when === "the next dial") await dial();
    else clock.advance(RENEW_CHECK_MS);
    await vi.waitFor(() => expect(existsSync(join(stateDir, "identity/credentials.json"))).toBe(true), {
      timeout: WAIT_MAX_MS,
    });
    await vi.waitFor(() => expect(existsSync(join(stateDir, "identity/next.key"))).toBe(false), {
      timeout: WAIT_MAX_MS,
    });
    await agentOf(address, clock, { token: NO_TOKEN }).dial();
    expect(calls).toHaveLength(1);
  });

  it("tries a new key when the denied key's certificate is not on disk", async () => {
    const { address, calls } = await collector();
    obstructedDraft();
    const { dial } = agentOf(address);
    await dial();
    await dial("permission-denied");
    expect(new Set(calls.map(({ key }) => key)).size).toBe(2);
  });

  it("never logs the token, whatever fails", async () => {
    const { address, injected } = await collector({ lose: true });
    const { dial, logged } = agentOf(address);
    await dial().catch((error: unknown) => logged.push(String(error)));
    injected.lose = false;
    await dial();
    expect(logged.join("")).not.toContain("the-secret");
  });
});

/** A clock that counts how often the renewal loop has begun to wait. */
function renewalClock(wallMs: number): ManualClock & { readonly waits: () => number } {
  const clock = manualClock(wallMs);
  let waits = 0;
  const after: ManualClock["after"] = (delayMs, wake) => {
    if (delayMs === RENEW_CHECK_MS || delayMs === RENEW_RETRY_MS) waits += 1;
    return clock.after(delayMs, wake);
  };
  return { ...clock, after, waits: () => waits };
}

/** Lets `ms` pass, and waits until the renewal loop has done its work and waits again. */
async function pass(clock: ReturnType<typeof renewalClock>, ms: number): Promise<void> {
  const before = clock.waits();
  clock.advance(ms);
  await vi.waitFor(() => expect(clock.waits()).toBeGreaterThan(before), { timeout: WAIT_MAX_MS });
}

describe("a certificate", () => {
  it("is renewed at two thirds of its life with the same key, and the agent dials again", async () => {
    const clock = renewalClock(startMs);
    const { address, calls } = await collector({}, clock);
    const { dial, renewals } = agentOf(address, clock);
    await dial();
    // Half of the tenth by which it may be earlier.
    const dueMs = (LIFE_MS + 5 * 60_000) * (2 / 3 - 0.05);
    await pass(clock, dueMs - 2 * RENEW_CHECK_MS);
    expect(calls).toHaveLength(1);
    for (let checks = 0; checks < 4; checks += 1) await pass(clock, RENEW_CHECK_MS);
    expect(renewals()).toBe(1);
    expect(calls.map(({ method }) => method)).toEqual(["enrol", "renew"]);
    expect(calls[1]?.key).toBe(calls[0]?.key);
    const kept = new KeptCredentials(stateDir, () => {}).load();
    expect(kept && factsOf(kept).notAfterMs).toBeGreaterThan(startMs + LIFE_MS);
  });

  it.each([
    ["ahead", 2],
    ["behind", -2],
  ])("is renewed by its age when the wall clock is two days %s", async (_, days) => {
    const { address, calls } = await collector();
    const clock = renewalClock(startMs + days * LIFE_MS);
    const { dial } = agentOf(address, clock);
    await dial();
    for (let checks = 0; checks < 3; checks += 1) await pass(clock, RENEW_CHECK_MS);
    await dial();
    expect(calls.map(({ method }) => method)).toEqual(["enrol"]);
    await pass(clock, LIFE_MS * (2 / 3));
    expect(calls.map(({ method }) => method)).toEqual(["enrol", "renew"]);
    await pass(clock, RENEW_CHECK_MS);
    await dial();
    expect(calls).toHaveLength(2);
  });

  it("that has ended is renewed before the next connection, without a token", async () => {
    const clock = manualClock(startMs);
    const { address, calls } = await collector({}, clock);
    const before = agentOf(address, clock);
    await before.dial();
    await before.enrolment.stop();
    clock.advance(3 * LIFE_MS);
    await agentOf(address, clock, { token: NO_TOKEN }).dial();
    expect(calls.map(({ method }) => method)).toEqual(["enrol", "renew"]);
  });

  it.each([
    ["has lapsed", RpcStatus.UNAUTHENTICATED, "the same key"],
    ["is denied", RpcStatus.PERMISSION_DENIED, "a new key"],
  ] as const)("that %s is replaced by enrolling with %3$s", async (_, refuse, which) => {
    const { address, calls } = await collector({ refuse });
    const { dial } = agentOf(address);
    await dial();
    await dial(refuse === RpcStatus.UNAUTHENTICATED ? "unauthenticated" : "permission-denied");
    const [first] = calls;
    const last = calls.at(-1);
    expect(last?.method).toBe("enrol");
    expect(last?.key === first?.key ? "the same key" : "a new key").toBe(which);
  });

  it("that is denied stays in use without a token", async () => {
    const { address, calls } = await collector({ refuse: RpcStatus.PERMISSION_DENIED });
    await agentOf(address).dial();
    await agentOf(address, manualClock(startMs), { token: NO_TOKEN }).dial("permission-denied");
    expect(calls).toHaveLength(1);
  });
});
