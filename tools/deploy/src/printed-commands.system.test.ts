/**
 * The commands that documents print exist, with their flags. Fenced shell blocks are typed by
 * tools/workspace/src/readme.system.test.ts.
 */
import { describe, expect, it } from "vitest";
import { commandsOf, inlineCommandsOf } from "./markdown.ts";
import { ownProblem } from "./own-command.ts";
import { filesOf, textOf } from "./repository.ts";

const OWN = ["lifeline", "npm", "node"];

/** Read from sources, or from the Talos guide, whose commands have a test of their own. */
const documents = filesOf("{*.md,docs/*.md}").filter((path) => path !== "docs/install-talos.md");

const commands = documents.flatMap((document) =>
  [...commandsOf(textOf(document)), ...inlineCommandsOf(textOf(document), OWN)]
    .filter(([program = "", first = ""]) => OWN.includes(program) && (program !== "node" || first.startsWith("apps/")))
    .map((words) => ({ document, command: words.join(" "), words })),
);

describe("printed commands", () => {
  it("are found in the documents that print most", () => {
    const found = new Set(commands.map(({ document }) => document));
    const expected = ["README.md", "CONTRIBUTING.md", "BUDGETS.md", "docs/running.md", "docs/siderolink.md"];
    expect(expected.filter((document) => !found.has(document))).toEqual([]);
  });

  it.each([
    ["lifeline nosuch", "lifeline: no such command"],
    ["lifeline status --nosuch", "lifeline: has no --nosuch"],
    ["npm run nosuch", "npm: no such command"],
    ["npm run crash -- --nosuch 1", "npm: has no --nosuch"],
    ["node apps/agent/dist/main.js --nosuch", "node: has no --nosuch"],
  ])("%s is refused", (command, problem) => {
    expect(ownProblem(command.split(" "))).toBe(problem);
  });

  it.each(commands)("$document: $command", ({ words }) => {
    expect(ownProblem(words)).toBeUndefined();
  });
});
