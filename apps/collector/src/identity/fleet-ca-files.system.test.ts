/** The files of the fleet CA, and what the collector makes of what stands beside them. */
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

let house: CollectorFixture;
let aheadMs = 0;
const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + aheadMs };
beforeEach(() => {
  aheadMs = 0;
  house = openCollectorFixture(clock);
});
afterEach(() => house.close());

const DAY_MS = 24 * 3_600_000;
const ISSUING = { identity: { names: ["127.0.0.1"], ca: undefined, nodeCertificateHours: 24 } };
const data = (name = "") => join(house.directory, "data", name);

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
    await (await house.start(ISSUING)).stop();
    await (await house.start(ISSUING)).stop();
    expect(house.logged.filter((line) => line.includes("made a CA"))).toHaveLength(1);
  });

  it("is not made beside enrolments of another one, which is then lost", async () => {
    enrolledDatabase();
    await expect(house.start(ISSUING)).rejects.toMatchObject({
      code: "bad-value",
      message: expect.stringMatching(/dataDir: got .*, which has enrolments and no CA, want .*identity/),
    });
    expect(existsSync(data("identity"))).toBe(false);
  });

  it("is not made over a key that has lost its certificate", async () => {
    await (await house.start(ISSUING)).stop();
    rmSync(data("identity/ca.pem"));
    const key = readFileSync(data("identity/ca.key"), "utf8");
    await expect(house.start(ISSUING)).rejects.toMatchObject({
      code: "bad-value",
      message: expect.stringContaining('ca.key", a key without its certificate'),
    });
    expect(readFileSync(data("identity/ca.key"), "utf8")).toBe(key);
  });
});

describe("the end of the fleet CA", () => {
  async function supplied(lifetimeMs: number) {
    const files = { certFile: join(house.directory, "own.pem"), keyFile: join(house.directory, "own.key") };
    const pems = await createFleetCa({ commonName: "own", nowMs: systemClock.wallMs(), lifetimeMs, randomBytes });
    writeFileSync(files.certFile, pems.certPem);
    writeFileSync(files.keyFile, pems.keyPem);
    return { identity: { ...ISSUING.identity, ca: files } };
  }

  it("is warned of below ninety days, and is a metric always", async () => {
    const early = await house.start(await supplied(91 * DAY_MS));
    const expiryS = await metricOf(early, "lifeline_collector_ca_expiry_timestamp_seconds");
    const daysLeft = (expiryS * 1_000 - systemClock.wallMs()) / DAY_MS;
    expect(daysLeft).toBeGreaterThan(90.9);
    expect(daysLeft).toBeLessThanOrEqual(91);
    expect(house.logged.join("")).not.toContain("the fleet CA ends");
    await early.stop();
    await (await house.start(await supplied(89 * DAY_MS))).stop();
    expect(house.logged.join("")).toContain("the fleet CA ends");
  });

  it("is refused at the start when it has come", async () => {
    const config = await supplied(DAY_MS);
    aheadMs = DAY_MS;
    await expect(house.start(config)).rejects.toMatchObject({
      code: "bad-value",
      message: expect.stringMatching(/own\.pem" \(ended at .*Z\), want a CA that has not ended/),
    });
  });

  it("is not a number where there is no CA", async () => {
    expect(await house.metrics(await house.start())).toContain("lifeline_collector_ca_expiry_timestamp_seconds Nan");
  });
});

describe("the files of a collector", () => {
  it("are for its owner alone, also in a directory that was there before, of which it warns", async () => {
    mkdirSync(data(), { mode: 0o755 });
    chmodSync(data(), 0o755);
    await (await house.start(ISSUING)).stop();
    // A database of before, whose files anybody may read.
    chmodSync(data("collector.db"), 0o644);
    const collector = await house.start(ISSUING);
    const modes = readdirSync(data()).filter((name) => name.startsWith("collector.db"));
    expect(modes).toContain("collector.db-wal");
    expect(modes.map((name) => [name, statSync(data(name)).mode & 0o777])).toEqual(modes.map((name) => [name, 0o600]));
    expect(house.logged.join("")).toContain("set mode 700");
    await collector.stop();
    renameSync(data(), join(house.directory, "away"));
    house.logged.length = 0;
    await house.start(ISSUING);
    expect(house.logged.join("")).not.toContain("set mode 700");
  });
});
