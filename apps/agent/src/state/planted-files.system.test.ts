import { lchownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { startAgentProcess } from "../testing/agent-process.ts";
import { scratch } from "../testing/fixtures.ts";
import { refusePlanted } from "./planted-files.ts";

/** Unused user ids: another user, and the one that the agent becomes. */
const OTHER_UID = 4_711;
const AGENT = 4_712;

let place = scratch();
const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
  place.remove();
  place = scratch();
});
const state = (name = "") => join(place.path, "state", name);
const give = (path: string, uid: number) => lchownSync(path, uid, uid);

it("one's own state directory is accepted, and so is a missing one", () => {
  refusePlanted(state(), undefined, "stateDir");
  mkdirSync(state("spool"), { recursive: true });
  writeFileSync(state("node-id"), "");
  refusePlanted(state(), undefined, "stateDir");
});

// Files can be given to another user by root alone.
const canGive = process.getuid?.() === 0 || process.env["CI"] === "true";

describe.skipIf(!canGive)("a state directory with a file of another user", () => {
  const names = [
    "node-id",
    "plan.json",
    "identity/credentials.json",
    "identity/next.key",
    "spool/segment-000000000001.spool",
  ];
  it.each(names)("is refused: %s", (name) => {
    mkdirSync(dirname(state(name)), { recursive: true });
    writeFileSync(state(name), "");
    give(state(name), OTHER_UID);
    expect(() => refusePlanted(state(), undefined, "stateDir")).toThrow(
      `stateDir: got ${JSON.stringify(state(name))}, which belongs to uid ${OTHER_UID}, want one that belongs to root, or to the user of runAsUid`,
    );
  });

  it("is refused when it belongs to another user than the one that the agent becomes", () => {
    mkdirSync(state());
    give(state(), AGENT);
    refusePlanted(state(), AGENT, "stateDir");
    expect(() => refusePlanted(state(), undefined, "stateDir")).toThrow(`which belongs to uid ${AGENT}`);
  });

  it("does not make root write through a link of the agent's user", async () => {
    const victim = join(place.path, "victim");
    writeFileSync(victim, "theirs");
    mkdirSync(state());
    symlinkSync(victim, state("node-id"));
    for (const path of [state(), state("node-id")]) give(path, AGENT);
    const { exit, output, child } = startAgentProcess([], {
      LIFELINE_STATE_DIR: state(),
      LIFELINE_RUN_AS_UID: String(AGENT),
    });
    closers.push(() => child.kill("SIGKILL"));
    expect(await exit()).toBe(2);
    expect(JSON.parse(output())).toMatchObject({
      level: "fatal",
      msg: `stateDir: got ${JSON.stringify(state("node-id"))}, a link that belongs to uid ${AGENT}, want one that belongs to root, or to the user of runAsUid`,
    });
    expect(readFileSync(victim, "utf8")).toBe("theirs");
  });
});
