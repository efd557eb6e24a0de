import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { restore } from "./backup.ts";
import { type Database, openDatabase } from "./database.ts";
import type { IdentityOperations } from "./identity-record.ts";
import { JOIN_TOKENS_MAX } from "./join-token-rows.ts";

let directory = "";
let database: Database;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-identities-"));
  database = openDatabase(join(directory, "collector.db"));
});
afterEach(() => {
  database.close();
  rmSync(directory, { recursive: true });
});

function run<K extends keyof IdentityOperations>(name: K, input: IdentityOperations[K]["input"]) {
  const [output] = database.run([{ name, input } as never]);
  return output as IdentityOperations[K]["output"];
}

const DAY_MS = 86_400_000;
const NOW_MS = 1_000 * DAY_MS;
const SECRET = new Uint8Array(32).fill(7);
const key = (of: number) => new Uint8Array(32).fill(of);

const TOKEN = { createdAtMs: NOW_MS, lifetimeMs: DAY_MS, usesMax: 1, isEphemeral: false };

function makeToken(id: string, more: Partial<typeof TOKEN> = {}) {
  const { createdAtMs, lifetimeMs, usesMax, isEphemeral } = { ...TOKEN, ...more };
  const times = { createdAtMs, expiresAtMs: createdAtMs + lifetimeMs, revokedAtMs: undefined };
  const token = { id, note: "", nodePattern: "", usesMax, uses: 0, isEphemeral, ...times };
  return run("createJoinToken", { token, secretSha256: SECRET });
}
const ids = () => run("listJoinTokens", { limit: 2 * JOIN_TOKENS_MAX }).map(({ id }) => id);

const SILENT_MS = 30_000;
const enrol = (tokenId: string, nodeId: string, of: number, nowMs = NOW_MS, isIdSilent = true) =>
  run("enrol", {
    tokenId,
    secretSha256: SECRET,
    nodeId,
    key: key(of),
    nowMs,
    notAfterMs: nowMs + DAY_MS,
    from: "127.0.0.1",
    isIdSilent,
    silentSinceMs: nowMs - SILENT_MS,
  });
const renew = (nodeId: string, of: number, issuedAtMs: number, nowMs = NOW_MS) =>
  run("renew", {
    nodeId,
    key: key(of),
    nowMs,
    notAfterMs: nowMs + DAY_MS,
    issuedAtMs,
    endsAtMs: issuedAtMs + DAY_MS,
    lapsedBeforeMs: nowMs - 30 * DAY_MS,
  });
const adopt = (nodeId: string, of: number, issuedAtMs: number) =>
  run("adopt", {
    nodeId,
    key: key(of),
    nowMs: NOW_MS,
    issuedAtMs,
    notAfterMs: issuedAtMs + DAY_MS,
    follows: false,
  });

/** What was stored before was stored by then. */
function closeHour(endedMs: number) {
  database.run([{ name: "closeHour", input: { endedMs, keepFromMs: 0 } }]);
}

describe("join tokens", () => {
  it("are bounded by live ones: a new one replaces the one that ended longest ago", () => {
    for (let at = 0; at < JOIN_TOKENS_MAX; at += 1) {
      expect(makeToken(`t${at}`, { createdAtMs: NOW_MS + at, lifetimeMs: 3_600_000 })).toBe("created");
    }
    expect(makeToken("more", { createdAtMs: NOW_MS + JOIN_TOKENS_MAX })).toBe("too-many");
    run("revokeJoinToken", { id: "t500", nowMs: NOW_MS + 2_000 });
    expect(makeToken("more", { createdAtMs: NOW_MS + 3_000 })).toBe("created");
    expect(ids()).not.toContain("t500");
    expect(makeToken("yet another", { createdAtMs: NOW_MS + 3_000 })).toBe("too-many");
    enrol("t7", "n1", 1, NOW_MS + 3_000);
    const laterMs = NOW_MS + 3_600_002;
    expect(makeToken("later", { createdAtMs: laterMs })).toBe("created");
    expect(ids()).toHaveLength(JOIN_TOKENS_MAX);
    expect([ids().includes("t0"), ids().includes("t7")]).toEqual([false, true]);
  });
});

describe("join tokens that have ended", () => {
  it("are pruned by when they expired or were revoked, whichever came first", () => {
    makeToken("expires");
    makeToken("revoked", { lifetimeMs: 9 * DAY_MS });
    makeToken("good", { lifetimeMs: 9 * DAY_MS });
    run("revokeJoinToken", { id: "revoked", nowMs: NOW_MS + 2 * DAY_MS });
    const prune = (endedBeforeMs: number) => run("pruneJoinTokens", { endedBeforeMs });
    expect(prune(NOW_MS + 99 * DAY_MS)).toBe(0);
    closeHour(NOW_MS);
    expect([prune(NOW_MS + DAY_MS), prune(NOW_MS + DAY_MS + 1), prune(NOW_MS + 2 * DAY_MS + 1)]).toEqual([0, 1, 1]);
    expect(ids()).toEqual(["good"]);
    // Revoked by a clock that was behind: it counts from this hour, not before.
    run("revokeJoinToken", { id: "good", nowMs: NOW_MS - 400 * DAY_MS });
    expect(prune(NOW_MS + 9 * DAY_MS)).toBe(0);
    closeHour(NOW_MS + 9 * DAY_MS);
    makeToken("of a clock that was behind", { createdAtMs: NOW_MS - 400 * DAY_MS });
    expect(prune(NOW_MS + 9 * DAY_MS)).toBe(1);
    expect(ids()).toEqual(["of a clock that was behind"]);
    expect(makeToken("later", { createdAtMs: NOW_MS + 99 * DAY_MS })).toBe("created");
    expect(ids()).toEqual(["later", "of a clock that was behind"]);
  });
});

describe("enrolments", () => {
  it("are pruned long after their last certificate expired, and never when revoked", () => {
    makeToken("a", { usesMax: 9 });
    for (const of of [1, 2, 3]) enrol("a", `n${of}`, of);
    run("revokeNode", { nodeId: "n1", nowMs: NOW_MS, keys: [] });
    renew("n2", 2, NOW_MS, NOW_MS + 10 * DAY_MS);
    const prune = (nowMs: number) => run("pruneEnrolments", { endedBeforeMs: nowMs - 30 * DAY_MS, limit: 10 });
    expect(prune(NOW_MS + 99 * DAY_MS)).toEqual([]);
    closeHour(NOW_MS);
    expect(prune(NOW_MS + 31 * DAY_MS)).toEqual([]);
    expect(prune(NOW_MS + 31 * DAY_MS + 1)).toEqual(["n3"]);
    expect(prune(NOW_MS + 99 * DAY_MS)).toEqual(["n2"]);
    expect(run("listEnrolments", { nodeId: "", after: "", limit: 9 }).map(({ nodeId }) => nodeId)).toEqual(["n1"]);
  });

  it.each<[string, () => unknown]>([
    ["enrols", () => enrol("a", "n1", 1, NOW_MS - 40 * DAY_MS)],
    ["renews", () => renew("n1", 1, NOW_MS - 40 * DAY_MS, NOW_MS - 40 * DAY_MS)],
    ["is adopted", () => adopt("n1", 1, NOW_MS - 40 * DAY_MS)],
  ])("are kept for a while from when a node %s, though the clock is behind that dates it", (_, prove) => {
    makeToken("a", { usesMax: 9 });
    enrol("a", "n1", 1, NOW_MS - 40 * DAY_MS);
    closeHour(NOW_MS - 2 * DAY_MS);
    prove();
    closeHour(NOW_MS);
    const prune = (nowMs: number) => run("pruneEnrolments", { endedBeforeMs: nowMs - 30 * DAY_MS, limit: 10 });
    expect([prune(NOW_MS), prune(NOW_MS + 30 * DAY_MS - 1), prune(NOW_MS + 30 * DAY_MS)]).toEqual([[], [], ["n1"]]);
  });

  it("are not kept by claims that are refused", () => {
    makeToken("a");
    enrol("a", "n1", 1);
    closeHour(NOW_MS);
    expect(renew("n1", 1, NOW_MS, NOW_MS + 90 * DAY_MS)).toMatchObject({ why: "lapsed" });
    expect(enrol("a", "n1", 2)).toMatchObject({ kind: "refused" });
    expect(run("pruneEnrolments", { endedBeforeMs: NOW_MS + 9 * DAY_MS, limit: 9 })).toEqual(["n1"]);
  });

  it("that were replaced leave their key behind, which is refused for good", () => {
    makeToken("a", { usesMax: 9 });
    enrol("a", "n1", 1);
    run("readmitNode", { nodeId: "n1" });
    expect(enrol("a", "n1", 2)).toMatchObject({ kind: "enrolled", replacedKey: key(1) });
    expect(run("listRevokedKeys", { limit: 9 })).toEqual([key(1)]);
  });
});

describe("a key that enrolled with an ephemeral token", () => {
  const inUse = { kind: "refused", why: "id-in-use" };
  const LATER_MS = NOW_MS + SILENT_MS;
  beforeEach(() => {
    makeToken("ephemeral", { usesMax: 4, isEphemeral: true });
    makeToken("lasting", { usesMax: 2 });
    expect(enrol("ephemeral", "n1", 1)).toMatchObject({ kind: "enrolled", enrolment: { isEphemeral: true } });
  });

  it("gives way to the next key, which spends a use, and leaves nothing behind", () => {
    expect(enrol("ephemeral", "n1", 2, LATER_MS)).toMatchObject({ gaveWay: true, replacedKey: undefined });
    expect(run("listRevokedKeys", { limit: 9 })).toEqual([]);
    expect(run("listJoinTokens", { limit: 9 }).map(({ uses }) => uses)).toEqual([2, 0]);
    expect(renew("n1", 1, NOW_MS, LATER_MS)).toEqual({ kind: "refused", why: "another-key" });
  });

  it("keeps its id while a stream is open or about to open: two machines of one id are still detected", () => {
    expect(enrol("ephemeral", "n1", 2, LATER_MS, false)).toEqual(inUse);
    expect(enrol("lasting", "n1", 3, LATER_MS, false)).toEqual(inUse);
    expect(enrol("ephemeral", "n1", 2, LATER_MS - 1)).toEqual(inUse);
    expect(run("listEnrolments", { nodeId: "n1", after: "", limit: 1 })).toMatchObject([{ refusedClaims: 3 }]);
    // The enrolment is dated by a clock that was set back since.
    expect(enrol("ephemeral", "n1", 2, NOW_MS - 1)).toMatchObject({ kind: "enrolled" });
  });

  it("gives way to a lasting key, which an ephemeral token cannot displace", () => {
    const another = { kind: "refused", why: "another-key" };
    expect(enrol("lasting", "n1", 2, LATER_MS)).toMatchObject({ kind: "enrolled", enrolment: { isEphemeral: false } });
    expect(enrol("ephemeral", "n1", 3, LATER_MS + SILENT_MS)).toEqual(another);
    expect(enrol("lasting", "n1", 3, LATER_MS + SILENT_MS)).toEqual(another);
  });

  it("becomes lasting when a lasting token admits it, and not the reverse", () => {
    expect(enrol("lasting", "n1", 1)).toMatchObject({ enrolment: { isEphemeral: false } });
    expect(enrol("ephemeral", "n1", 1)).toMatchObject({ enrolment: { isEphemeral: false } });
  });

  it("also gives way after a renewal or a readmission", () => {
    renew("n1", 1, NOW_MS);
    expect(enrol("ephemeral", "n1", 2, LATER_MS)).toMatchObject({ kind: "enrolled" });
    run("revokeNode", { nodeId: "n1", nowMs: NOW_MS, keys: [] });
    const atMs = LATER_MS + SILENT_MS;
    expect(enrol("ephemeral", "n1", 3, atMs)).toEqual({ kind: "refused", why: "node-revoked" });
    run("readmitNode", { nodeId: "n1" });
    expect(enrol("ephemeral", "n1", 3, atMs)).toMatchObject({ gaveWay: false, replacedKey: key(2) });
    expect(enrol("ephemeral", "n1", 4, atMs + SILENT_MS)).toMatchObject({ gaveWay: true });
    expect(enrol("ephemeral", "n1", 5, atMs + 2 * SILENT_MS)).toEqual({ kind: "refused", why: "token-used-up" });
  });
});

describe("a restored database", () => {
  /** Restores a backup of now a day later; the tests continue with it. */
  function restoreBackup(): void {
    database.close();
    const dataDir = join(directory, "back");
    restore(join(directory, "collector.db"), dataDir, NOW_MS + DAY_MS);
    database = openDatabase(join(dataDir, "collector.db"));
  }

  it("refuses a token that may have been used since", () => {
    makeToken("a", { lifetimeMs: 9 * DAY_MS });
    restoreBackup();
    expect(enrol("a", "n1", 1, NOW_MS + 2 * DAY_MS)).toEqual({ kind: "refused", why: "token-revoked" });
  });

  it("keeps the id of an ephemeral key for the key that the fleet CA has certified since, whichever connects first", () => {
    makeToken("a", { isEphemeral: true });
    enrol("a", "n1", 1);
    restoreBackup();
    const lateMs = NOW_MS + 2 * DAY_MS;
    makeToken("b", { createdAtMs: lateMs, usesMax: 9, isEphemeral: true });
    const another = { kind: "refused", why: "another-key" };
    expect(enrol("b", "n1", 3, lateMs)).toEqual(another);
    expect(adopt("n1", 2, NOW_MS + 1)).toMatchObject({ enrolment: { key: key(2), isEphemeral: false } });
    expect(enrol("b", "n1", 3, lateMs)).toEqual(another);
    // The restored database does not know whether an unknown key was ephemeral.
    expect(adopt("n9", 9, NOW_MS + 1)).toMatchObject({ enrolment: { isEphemeral: false } });
  });

  it("gives an id to the key that the fleet CA certified last, whichever connects first", () => {
    makeToken("a", { usesMax: 9 });
    enrol("a", "n1", 1);
    restoreBackup();
    const lateMs = NOW_MS + 2 * DAY_MS;
    expect(renew("n1", 1, NOW_MS, lateMs)).toMatchObject({ kind: "renewed", adopted: undefined });
    // A certificate older than the known enrolment holds no id.
    expect(renew("n1", 9, NOW_MS - 1, lateMs)).toEqual({ kind: "refused", why: "another-key" });
    expect(adopt("n1", 2, NOW_MS + 1)).toMatchObject({ enrolment: { key: key(2) }, replacedKey: key(1) });
    expect(renew("n1", 1, NOW_MS, lateMs)).toEqual({ kind: "refused", why: "key-revoked" });
    expect(renew("n1", 3, NOW_MS + 5, lateMs)).toMatchObject({ kind: "renewed", adopted: { replacedKey: key(2) } });
    expect(adopt("n1", 4, NOW_MS + 5)).toMatchObject({ enrolment: { key: key(3) }, replacedKey: undefined });
  });

  it("renews a node that was enrolled since, unless its certificate ended too long ago", () => {
    restoreBackup();
    const lateMs = NOW_MS + 20 * DAY_MS;
    expect(renew("n1", 1, NOW_MS, lateMs)).toMatchObject({ kind: "renewed", adopted: { enrolment: { nodeId: "n1" } } });
    expect(renew("n2", 2, NOW_MS - 20 * DAY_MS, lateMs)).toEqual({ kind: "refused", why: "lapsed" });
    expect(run("listEnrolments", { nodeId: "n1", after: "", limit: 1 })).toMatchObject([
      { notAfterMs: lateMs + DAY_MS, renewals: 1 },
    ]);
  });

  it("keeps revocations, and an id that was readmitted needs an administrator again", () => {
    makeToken("a", { usesMax: 9 });
    for (const of of [1, 2]) enrol("a", `n${of}`, of);
    run("revokeNode", { nodeId: "n1", nowMs: NOW_MS, keys: [] });
    run("readmitNode", { nodeId: "n2" });
    restoreBackup();
    const lateMs = NOW_MS + DAY_MS;
    expect(renew("n1", 5, NOW_MS + 1, lateMs)).toEqual({ kind: "refused", why: "node-revoked" });
    makeToken("b", { createdAtMs: lateMs, usesMax: 9 });
    expect(enrol("b", "n2", 6, lateMs)).toEqual({ kind: "refused", why: "another-key" });
  });

  it("is the only case in which a certificate takes an id from an enrolled key", () => {
    makeToken("a");
    enrol("a", "n1", 1);
    expect(renew("n1", 2, NOW_MS + 1)).toEqual({ kind: "refused", why: "another-key" });
    expect(adopt("n1", 2, NOW_MS + 1)).toMatchObject({ enrolment: { key: key(1) }, replacedKey: undefined });
  });
});
