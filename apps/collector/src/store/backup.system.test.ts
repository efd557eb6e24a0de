import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "@lifeline/measure";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backUp, restore } from "./backup.ts";
import { runBackup } from "./backup-command.ts";
import { openDatabase } from "./database.ts";
import { openStore } from "./store.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-backup-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const events = { onCommit() {}, onFailure() {}, onOverflow() {}, onStoreCrash() {} };
const node = {
  nodeId: "n1",
  hostname: "h",
  agentVersion: "v",
  factsJson: "{}",
  seenAtMs: 1,
  clockOffsetMs: undefined,
  seenFromJson: undefined,
};
const report = (sequence: number) => ({
  nodeId: "n1",
  bootId: new Uint8Array(16),
  sequence,
  receivedAtMs: sequence,
  sealedAtMs: sequence,
  clockOffsetMs: undefined,
  payload: new Uint8Array([sequence & 255, sequence >> 8]),
  windowCount: 0,
  windows: [],
});

/** A data directory with the first `count` reports of a node. */
function filled(name: string, count: number): string {
  const dataDir = join(directory, name);
  mkdirSync(dataDir);
  const database = openDatabase(join(dataDir, "collector.db"));
  database.run([{ name: "saveNode", input: node }]);
  database.run(Array.from({ length: count }, (_, at) => ({ name: "saveReport" as const, input: report(at) })));
  database.close();
  return dataDir;
}

function sequences(dataDir: string): number[] {
  const database = new DatabaseSync(join(dataDir, "collector.db"), { readOnly: true });
  const rows = database.prepare("SELECT sequence FROM reports ORDER BY sequence").all();
  database.close();
  return rows.map(({ sequence }) => Number(sequence));
}

describe("a backup", () => {
  it("brings back what was backed up, for its owner alone", () => {
    const to = join(directory, "copy.db");
    expect(backUp(filled("data", 20), to)).toMatchObject({ nodes: 1, reports: 20 });
    expect(statSync(to).mode & 0o777).toBe(0o600);
    expect(restore(to, join(directory, "new"), 0)).toMatchObject({ nodes: 1, reports: 20 });
    expect(sequences(join(directory, "new"))).toEqual(Array.from({ length: 20 }, (_, at) => at));
  });

  it("of a collector that writes holds all that was acknowledged before it began", async () => {
    const dataDir = filled("data", 1);
    const store = await openStore(join(dataDir, "collector.db"), systemClock, events);
    let acknowledged = 0;
    let writing = true;
    const writer = (async () => {
      for (let sequence = 1; writing; sequence += 1) {
        await store.submit("saveReport", report(sequence));
        acknowledged = sequence;
      }
    })();
    while (acknowledged < 50) await new Promise((settle) => setImmediate(settle));
    const before = acknowledged;
    const to = join(directory, "copy.db");
    backUp(dataDir, to);
    writing = false;
    await writer;
    await store.close();
    restore(to, join(directory, "new"), 0);
    const held = sequences(join(directory, "new"));
    expect(held.slice(0, before + 1)).toEqual(Array.from({ length: before + 1 }, (_, at) => at));
    // A moment of it, without a hole.
    expect(held.at(-1)).toBe(held.length - 1);
  });

  it.each([
    ["backup over a file that is there", () => backUp(filled("data", 1), write("taken", "mine")), "exists"],
    ["backup of what is no collector's", () => backUp(directory, join(directory, "copy.db")), "missing"],
    ["backup to where nothing can be", () => backUp(filled("data", 1), "/proc/copy.db"), "ENOENT"],
    ["restore over a database", () => restore(backedUp(), filled("other", 1), 0), "exists"],
    ["restore of nothing", () => restore(join(directory, "none"), join(directory, "new"), 0), "missing"],
    [
      "restore of something else",
      () => restore(write("else", "no database at all"), join(directory, "new"), 0),
      "damaged",
    ],
    ["restore of a damaged copy", () => restore(damaged(), join(directory, "new"), 0), "damaged"],
    ["restore of a later collector's", () => restore(later(), join(directory, "new"), 0), "newer-schema"],
  ])("%s is refused, and nothing is left half made", (_, act, code) => {
    expect(act).toThrow(expect.objectContaining({ name: "BackupError", code }));
    expect(existsSync(join(directory, "copy.db.unfinished"))).toBe(false);
    expect(existsSync(join(directory, "new", "collector.db"))).toBe(false);
    if (existsSync(join(directory, "taken"))) expect(readFileSync(join(directory, "taken"), "utf8")).toBe("mine");
  });

  function write(name: string, text: string | Uint8Array): string {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  }

  function backedUp(): string {
    const to = join(directory, "first.db");
    backUp(filled("data", 400), to);
    return to;
  }

  function damaged(): string {
    const bytes = readFileSync(backedUp());
    bytes.fill(0xff, bytes.length >> 1, (bytes.length >> 1) + 4_096);
    return write("damaged.db", bytes);
  }

  function later(): string {
    const to = backedUp();
    const database = new DatabaseSync(to);
    database.exec("INSERT INTO schema_version VALUES (99)");
    database.close();
    return to;
  }
});

describe("the commands", () => {
  const said: string[] = [];
  const run = (...args: string[]) => runBackup(args, systemClock, (text) => said.push(text));
  afterEach(() => said.splice(0));

  it("say what they did, and leave other arguments alone", () => {
    const data = filled("data", 3);
    const to = join(directory, "copy.db");
    expect(run("backup", "--data-dir", data, "--to", to)).toBe(0);
    expect(run("restore", "--from", to, "--data-dir", join(directory, "new"))).toBe(0);
    expect(said.join("")).toMatch(
      /^backed up to .*copy\.db: 1 nodes, 3 reports, schema \d; the fleet CA is not in it: .*\nrestored to .*collector\.db: 1 nodes/,
    );
    expect(run("--listen", "127.0.0.1:0")).toBeUndefined();
  });

  it.each([
    [["backup"], "want --data-dir DIR and --to FILE"],
    [["restore", "--data-dir", "x"], "want --data-dir DIR and --from FILE"],
    [["backup", "--data-dir", "x", "--into", "y"], "--into"],
    [["backup", "--data-dir", "/nowhere", "--to", "y"], 'got "/nowhere"'],
  ])("%j is refused with what would be right", (args, why) => {
    expect(run(...args)).toBe(2);
    expect(said.join("")).toContain(why);
  });
});
