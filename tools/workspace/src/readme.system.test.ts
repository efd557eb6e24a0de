/** What the documentation tells people to type is typed here. A command this test does not know how to run fails it. */
import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const root = join(import.meta.dirname, "../../..");
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "ARCHITECTURE.md",
  "BUDGETS.md",
  ...globSync("docs/*.md", { cwd: root }),
];
const textOf = (document: string) => readFileSync(join(root, document), "utf8");
const blocks = (document: string, language: string) =>
  [...textOf(document).matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map((match) => match[1] ?? "");

/** Commands that are run in another form, and why; undefined: this very run is the proof. */
const INSTEAD: Record<string, string | undefined> = {
  // Runs until Ctrl-C and looks up public names; the lab's rows alone, for a second, go the same way.
  "npm start": "npm start -- --once --seconds 1 --only machine-api --json",
  "npm test": undefined,
};

/** Exit codes beside 0, and why. */
const MAY_EXIT: Record<string, readonly number[]> = {
  // 1: a row is not met. In one second a busy machine measures nothing, and no data is no pass (M4).
  "npm start": [0, 1],
};

/** For a command that hangs, ms. A busy machine installs and builds in it. */
const COMMAND_MAX_MS = 300_000;

/** Runs a command to its end. Rejects when it cannot be started or is ended by a signal. */
async function run(program: string, args: readonly string[]): Promise<{ stdout: string; code: number }> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd: root, maxBuffer: 16 * 1024 * 1024 });
    return { stdout, code: 0 };
  } catch (error) {
    const { stdout, code } = error as { stdout?: string; code?: unknown };
    if (stdout === undefined || typeof code !== "number") throw error;
    return { stdout, code };
  }
}

const commands = documents.flatMap((document) =>
  blocks(document, "sh")
    .flatMap((block) => block.split("\n"))
    .filter((line) => line.trim() !== "")
    .map((command) => ({ document, command })),
);

describe("documented commands", () => {
  it("are found", () => {
    expect(commands.map(({ command }) => command)).toContain("npm start");
    expect(commands.length).toBeGreaterThanOrEqual(6);
  });

  it.each(commands)(
    "$document: $command",
    async ({ command }) => {
      const line = command in INSTEAD ? INSTEAD[command] : command;
      if (line === undefined) return;
      const [program = "", ...args] = line.split(" ");
      expect(program).toBe("npm");
      const { stdout, code } = await run(program, args);
      expect(MAY_EXIT[command] ?? [0]).toContain(code);
      expect(stdout).not.toBe("");
    },
    COMMAND_MAX_MS,
  );

  it.each(documents.flatMap((document) => blocks(document, "yaml").map((yaml) => ({ document, yaml }))))(
    "$document: its YAML is read as it stands",
    ({ yaml }) => {
      expect(parse(yaml)).toBeTypeOf("object");
    },
  );

  it.each(documents)("%s links only to files that are there", (document) => {
    const links = [...textOf(document).matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1] ?? "");
    const folder = join(document, "..");
    const missing = links.filter((link) => globSync(join(folder, link), { cwd: root }).length === 0);
    expect(missing).toEqual([]);
  });
});
