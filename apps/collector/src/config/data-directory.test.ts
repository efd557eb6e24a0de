import {
  chmodSync,
  lchownSync,
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
import { systemClock } from "@lifeline/measure";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startCollector } from "../collector.ts";
import { testConfig } from "../testing/config.ts";
import { openDataDirectory } from "./data-directory.ts";

/** The id of a user that does not exist. */
const OTHER_UID = 4_711;

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-data-"));
});
afterEach(() => rmSync(directory, { recursive: true }));
const data = (name = "") => join(directory, "data", name);

describe("the data directory", () => {
  it("is made for its owner alone, and may be a link of the owner's", () => {
    expect(openDataDirectory(data())).toBe(data("collector.db"));
    expect((statSync(data()).mode & 0o777).toString(8)).toBe("700");
    symlinkSync(data(), join(directory, "link"));
    expect(openDataDirectory(join(directory, "link"))).toBe(join(directory, "link", "collector.db"));
  });

  it("is refused when it cannot be made", () => {
    writeFileSync(data(), "");
    expect(() => openDataDirectory(data("below"))).toThrow(/^dataDir: got ".*" \(ENOTDIR\), want a directory/);
  });
});

// Links can be given to another user by root alone.
const canGive = process.getuid?.() === 0 || process.env["CI"] === "true";

describe.skipIf(!canGive)("a data directory in which another user has put something", () => {
  const names = ["collector.db", "collector.db-wal", "collector.db-shm", "identity/ca.pem", "identity/ca.key"];
  it.each(names)("is refused, and what a link leads to stays as it was: %s", async (name) => {
    const victim = join(directory, "victim");
    writeFileSync(victim, "theirs");
    chmodSync(victim, 0o644);
    mkdirSync(data("identity"), { recursive: true });
    symlinkSync(victim, data(name));
    lchownSync(data(name), OTHER_UID, OTHER_UID);
    writeFileSync(
      join(directory, "deployment.yaml"),
      "version: 1\nname: t\nkind: on-prem\nomni: { api: https://omni.example }\n",
    );
    const { catalogue: _, ...config } = testConfig(directory);
    const world = { clock: systemClock, log: pino({ level: "silent" }), onStoreCrash: () => {} };
    await expect(startCollector({ ...config, catalogue: undefined }, world)).rejects.toMatchObject({
      message: `dataDir: got ${JSON.stringify(data(name))}, a link that belongs to uid ${OTHER_UID}, want one that belongs to root`,
    });
    expect([readFileSync(victim, "utf8"), (statSync(victim).mode & 0o777).toString(8)]).toEqual(["theirs", "644"]);
  });

  it("is refused where it is another user's itself", () => {
    mkdirSync(data());
    lchownSync(data(), OTHER_UID, OTHER_UID);
    expect(() => openDataDirectory(data())).toThrow(
      `dataDir: got ${JSON.stringify(data())}, which belongs to uid ${OTHER_UID}, want one that belongs to root`,
    );
  });
});
