import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ManualClock, manualClock } from "@lifeline/measure";
import type { ClientCertificate } from "@lifeline/rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { restore } from "../store/backup.ts";
import { type Database, openDatabase } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import type { Operation } from "../store/store-operations.ts";
import type { ClaimCount } from "./refused-claims.ts";
import { openRegistry } from "./registry.ts";

let directory = "";
let database: Database;
let clock: ManualClock;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-registry-"));
  database = openDatabase(join(directory, "collector.db"));
  clock = manualClock(1_000_000);
});
afterEach(() => {
  database.close();
  rmSync(directory, { recursive: true });
});

/** A store on the database that holds its answers until a test releases them. */
function heldStore() {
  let release: () => void = () => {};
  let gate = Promise.resolve();
  const submit = (async (name: Operation["name"], input: never) => {
    const [output] = database.run([{ name, input } as Operation]);
    await gate;
    return output;
  }) as Store["submit"];
  return {
    store: { submit },
    hold() {
      gate = new Promise((settle) => {
        release = settle;
      });
    },
    letGo: () => release(),
  };
}

const certificate = (keySha256: string): ClientCertificate => ({
  commonName: "n1",
  organisations: [],
  keySha256,
  der: new Uint8Array(),
  notBeforeMs: 0,
  notAfterMs: 90_000_000,
  problem: undefined,
});
const KEY = "aa".repeat(32);
const OTHER = "bb".repeat(32);

function opened(more: { readonly pinsKeys?: boolean } = {}) {
  const held = heldStore();
  const claimCounts: ClaimCount[] = [];
  const registry = openRegistry({
    store: held.store,
    clock,
    pinsKeys: true,
    onRefusedClaim() {},
    onClaims: (claims) => claimCounts.push(claims),
    ...more,
  });
  return { ...held, registry, claimCounts };
}

describe("the status of a certificate", () => {
  it("is decided again after the write: a node that was revoked meanwhile is refused", async () => {
    const { registry: opening, hold, letGo } = opened();
    const registry = await opening;
    hold();
    const status = registry.statusOf(certificate(KEY), "127.0.0.1:1");
    const revoking = registry.revoke("n1");
    letGo();
    await revoking;
    expect(await status).toBe("revoked");
    expect(registry.statusNow("n1", KEY)).toBe("revoked");
  });

  it("is good for one of two keys that claim a free id at the same moment", async () => {
    const { registry: opening, hold, letGo } = opened();
    const registry = await opening;
    hold();
    const both = [KEY, OTHER].map((key) => registry.statusOf(certificate(key), "127.0.0.1:1"));
    letGo();
    expect(await Promise.all(both)).toEqual(["good", "another-key"]);
  });
});

describe("a registry of a restored database", () => {
  it("admits the key with the newest certificate, and refuses the one before", async () => {
    const held = heldStore();
    const secretSha256 = new Uint8Array(32);
    const times = { createdAtMs: 0, expiresAtMs: 9_000_000, revokedAtMs: undefined };
    const token = { id: "a", note: "", nodePattern: "", usesMax: 1, uses: 0, isEphemeral: false, ...times };
    await held.store.submit("createJoinToken", { token, secretSha256 });
    const key = Buffer.from(KEY, "hex");
    const request = {
      nodeId: "n1",
      key,
      nowMs: 500_000,
      notAfterMs: 90_000_000,
      from: "",
      isIdSilent: true,
      silentSinceMs: 0,
    };
    const claim = { tokenId: "a", secretSha256, ...request };
    await held.store.submit("enrol", claim);
    database.close();
    restore(join(directory, "collector.db"), join(directory, "back"), 600_000);
    database = openDatabase(join(directory, "back/collector.db"));
    const registry = await opened().registry;
    // Certificates begin five minutes before they were issued.
    const issued = (keySha256: string, atMs: number) => ({ ...certificate(keySha256), notBeforeMs: atMs - 300_000 });
    expect(await registry.statusOf(issued(KEY, 500_000), "127.0.0.1:1")).toBe("good");
    expect(await registry.statusOf(issued(OTHER, 500_000), "127.0.0.1:1")).toBe("another-key");
    expect(await registry.statusOf(issued(OTHER, 500_001), "127.0.0.1:1")).toBe("good");
    expect(await registry.statusOf(issued(KEY, 500_000), "127.0.0.1:1")).toBe("revoked");
    expect(registry.statusNow("n1", OTHER)).toBe("good");
  });
});

describe("claims of another key", () => {
  it("are reported and written at intervals, with their count", async () => {
    const { registry: opening, claimCounts } = opened();
    const registry = await opening;
    await registry.statusOf(certificate(KEY), "127.0.0.1:1");
    for (let at = 0; at < 500; at += 1) await registry.statusOf(certificate(OTHER), "127.0.0.2:1");
    expect(claimCounts).toEqual([]);
    clock.advance(10_000);
    expect(claimCounts).toEqual([{ nodeId: "n1", from: "127.0.0.2", claims: 500, holder: "lasting" }]);
    await registry.stop();
    const [rows] = database.run([{ name: "listEnrolments", input: { nodeId: "n1", after: "", limit: 1 } }]);
    expect(rows).toMatchObject([{ refusedClaims: 500 }]);
  });
});
