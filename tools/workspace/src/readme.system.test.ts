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
      const { stdout } = await promisify(execFile)(program, args, { cwd: root, maxBuffer: 16 * 1024 * 1024 });
      expect(stdout).not.toBe("");
    },
    60_000,
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
