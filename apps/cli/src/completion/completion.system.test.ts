import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createProgram } from "../program.ts";
import { runHere } from "../testing/run-cli.ts";
import { testWorld } from "../testing/world.ts";
import { completionPlan } from "./plan.ts";

const quiet = { out: () => {}, err: () => {} };
const plan = completionPlan(createProgram(testWorld(), quiet).root);
const installed = (shell: string) => spawnSync(shell, ["-c", "true"]).status === 0;

async function scriptFor(shell: string): Promise<string> {
  const { out, err, exitCode } = await runHere(["completion", shell]);
  expect([err, exitCode]).toEqual(["", 0]);
  return out;
}

/** What bash offers after these words; the last is the one being typed. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const script = await scriptFor("bash");
  const typed = ["lifeline", ...words].map((word) => `'${word}'`).join(" ");
  const program = `${script}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _lifeline; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", program], { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((line) => line !== "");
}

describe.each(["bash", "zsh", "fish"])("the completion for %s", (shell) => {
  it("holds every command and option of the tree", async () => {
    const script = await scriptFor(shell);
    const dash = shell === "fish" ? "-l " : "--";
    for (const { path, options } of plan) {
      expect(script).toContain(path);
      for (const { long } of options) expect(script).toContain(long.replace("--", dash));
    }
    expect(plan.map(({ path }) => path)).toContain("catalogue diff");
  });

  it.skipIf(!installed(shell))(`is valid ${shell} (skipped where ${shell} is not installed)`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "lifeline-completion-"));
    try {
      // A file, for fish reads no script from a socket, which is what Node gives a child for its input.
      const path = join(folder, `lifeline.${shell}`);
      writeFileSync(path, await scriptFor(shell));
      const { status, stderr } = spawnSync(shell, ["-n", path], { encoding: "utf8" });
      expect([status, stderr]).toEqual([0, ""]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("bash offers", () => {
  it.each<[string, string[], string[]]>([
    ["commands at the root", ["sta"], ["status"]],
    ["subcommands", ["catalogue", ""], ["list", "show", "diff", "--no-color", "--help"]],
    ["subcommands below a command with an argument", ["node", "re"], ["revoke", "readmit"]],
    ["options of a new command", ["token", "create", "--no"], ["--note", "--nodes", "--no-color"]],
    ["options of the command alone", ["catalogue", "diff", "--w"], []],
    ["options after options", ["status", "--json", "--wa"], ["--watch"]],
    ["the values of an option", ["status", "--output", "m"], ["markdown"]],
    ["the choices of an argument", ["completion", "f"], ["fish"]],
  ])("%s", async (_, words, expected) => {
    expect(await offered(...words)).toEqual(expected);
  });
});
