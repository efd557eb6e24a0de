/** The fleet CA's files, and the other files of the data directory. */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createFleetCa } from "@lifeline/identity";
import { systemClock } from "@lifeline/measure";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../store/database.ts";
import { type CollectorFixture, metricOf, openCollectorFixture } from "../testing/collector-fixture.ts";

let fixture: CollectorFixture;
let aheadMs = 0;
const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + aheadMs };
beforeEach(() => {
  aheadMs = 0;
  fixture = openCollectorFixture(clock);
});
afterEach(() => fixture.close());

const DAY_MS = 24 * 3_600_000;
const ISSUING = { identity: { names: ["127.0.0.1"], ca: undefined, nodeCertificateHours: 24 } };
const data = (name = "") => join(fixture.directory, "data", name);

/** The database of a collector that has enrolled a node. */
function enrolledDatabase(): void {
  mkdirSync(data(), { recursive: true, mode: 0o700 });
  const database = openDatabase(data("collector.db"));
  const secretSha256 = new Uint8Array(32);
  const times = { createdAtMs: 0, expiresAtMs: 10, revokedAtMs: undefined };
  const token = { id: "a", note: "", nodePattern: "", usesMax: 1, uses: 0, isEphemeral: false, ...times };
  const claim = {
    tokenId: "a",
    secretSha256,
    nodeId: "n1",
    key: new Uint8Array(32),
    nowMs: 1,
    notAfterMs: 9,
    from: "",
    isIdSilent: true,
    silentSinceMs: 0,
  };
  database.run([
    { name: "createJoinToken", input: { token, secretSha256 } },
    { name: "enrol", input: claim },
  ]);
  database.close();
}

describe("a CA of the collector's own", () => {
  it("is made once, and that is logged", async () => {
    await (await fixture.start(ISSUING)).stop();
    await (await fixture.start(ISSUING)).stop();
    expect(fixture.logged.filter((line) => line.includes("made a CA"))).toHaveLength(1);
  });

  it("is not made when enrolments of a lost CA exist", async () => {
    enrolledDatabase();
    await expect(fixture.start(ISSUING)).rejects.toMatchObject({
      code: "bad-value",
      message: expect.stringMatching(/dataDir: got .*, which has enrolments and no CA, want .*identity/),
    });
    expect(existsSync(data("identity"))).toBe(false);
  });

  it("is not made when a key exists without its certificate", async () => {
    await (await fixture.start(ISSUING)).stop();
    rmSync(data("identity/ca.pem"));
    const key = readFileSync(data("identity/ca.key"), "utf8");
    await expect(fixture.start(ISSUING)).rejects.toMatchObject({
      code: "bad-value",
      message: expect.stringContaining('ca.key", a key without its certificate'),
    });
    expect(readFileSync(data("identity/ca.key"), "utf8")).toBe(key);
  });
});

describe("the end of the fleet CA", () => {
  async function supplied(lifetimeMs: number) {
    const files = { certFile: join(fixture.directory, "own.pem"), keyFile: join(fixture.directory, "own.key") };
    const pems = await createFleetCa({ commonName: "own", nowMs: systemClock.wallMs(), lifetimeMs, randomBytes });
    writeFileSync(files.certFile, pems.certPem);
    writeFileSync(files.keyFile, pems.keyPem);
    return { identity: { ...ISSUING.identity, ca: files } };
  }

  it("is logged as a warning from 90 days before it, and is always a metric", async () => {
    const early = await fixture.start(await supplied(91 * DAY_MS));
    const expiryS = await metricOf(early, "lifeline_collector_ca_expiry_timestamp_seconds");
    const daysLeft = (expiryS * 1_000 - systemClock.wallMs()) / DAY_MS;
    expect(daysLeft).toBeGreaterThan(90.9);
    expect(daysLeft).toBeLessThanOrEqual(91);
    expect(fixture.logged.join("")).not.toContain("the fleet CA ends");
    await early.stop();
    await (await fixture.start(await supplied(89 * DAY_MS))).stop();
    expect(fixture.logged.join("")).toContain("the fleet CA ends");
  });

  it("makes the start fail once it has passed", async () => {
    const config = await supplied(DAY_MS);
    aheadMs = DAY_MS;
    await expect(fixture.start(config)).rejects.toMatchObject({
      code: "bad-value",
      message: expect.stringMatching(/own\.pem" \(ended at .*Z\), want a CA that has not ended/),
    });
  });

  it("is NaN without a CA", async () => {
    expect(await fixture.metrics(await fixture.start())).toContain(
      "lifeline_collector_ca_expiry_timestamp_seconds Nan",
    );
  });
});

describe("the files of a collector", () => {
  it("are readable by the owner only, also in a directory that existed before, which is logged", async () => {
    mkdirSync(data(), { mode: 0o755 });
    chmodSync(data(), 0o755);
    await (await fixture.start(ISSUING)).stop();
    // A database of an earlier version, whose files every user may read.
    chmodSync(data("collector.db"), 0o644);
    const collector = await fixture.start(ISSUING);
    const modes = readdirSync(data()).filter((name) => name.startsWith("collector.db"));
    expect(modes).toContain("collector.db-wal");
    expect(modes.map((name) => [name, statSync(data(name)).mode & 0o777])).toEqual(modes.map((name) => [name, 0o600]));
    expect(fixture.logged.join("")).toContain("set mode 700");
    await collector.stop();
    renameSync(data(), join(fixture.directory, "away"));
    fixture.logged.length = 0;
    await fixture.start(ISSUING);
    expect(fixture.logged.join("")).not.toContain("set mode 700");
  });
});
