/**
 * docs/settings.md is generated from the programs' declarations. After a change, write it again:
 *
 *     vitest run -u tools/deploy/src/settings-guide.test.ts
 */
import { AGENT_PROGRAM } from "@lifeline/agent";
import { COLLECTOR_PROGRAM } from "@lifeline/collector";
import { REFLECTOR_PROGRAM } from "@lifeline/reflector";
import { namesOf, PROGRAM_VARIABLES, type Program, type Setting, shownDefault, variablesOf } from "@lifeline/settings";
import { expect, it } from "vitest";
import { quotedIn, tableOf } from "./markdown.ts";
import { ROOT, textOf } from "./repository.ts";

const INTRODUCTION = `# Settings

The agent and the collector read a YAML file, the environment and flags. A flag overrides its environment variable, which
overrides its key in the file. The reflector has flags only. A dot in a key stands for a nested mapping. A path in the file is
relative to the file. In a variable, a comma separates the entries of a list, and a colon those of a list of files; a flag is
given once for each entry. An empty variable counts as not set.

\`--config FILE\` or \`LIFELINE_CONFIG\` names the file. The agent reads \`${AGENT_PROGRAM.file?.path}\` where neither does
and that file exists.

A program refuses an unknown key, an unknown flag, a variable \`LIFELINE_…\` that no Lifeline program knows, a wrong value
and a contradiction. It ignores the variables that only other programs know. A variable that several programs know, such as
\`LIFELINE_CONFIG\`, counts for each of them. An empty nested mapping in which nothing is required counts as not set.

A program prints a line for each problem, which names the source, the key, the value and what would be right, and ends with
exit code 2. The line has a stable \`code\`. No line repeats a secret.
`;

const code = (text: string | undefined) => (text === undefined ? "" : `\`${text.replaceAll("|", "\\|")}\``);

function row(program: Program, key: string, setting: Setting): string {
  const { flag: name, variable } = namesOf(program, key);
  const flag = name && `--${name} ${setting.type.placeholder}`.trimEnd();
  const names = program.file === undefined ? [code(flag)] : [code(key), code(variable), code(flag)];
  const value = setting.required === true ? "required" : code(shownDefault(setting));
  return `| ${[...names, value, setting.help].join(" | ")} |`;
}

function table(program: Program): string {
  const columns = [...(program.file === undefined ? ["Flag"] : ["Key", "Variable", "Flag"]), "Default", "Meaning"];
  const rows = Object.entries(program.settings).map(([key, setting]) => row(program, key, setting));
  const others = Object.entries(program.otherVariables ?? {}).map(([name, help]) => `- \`${name}\`: ${help}\n`);
  const lines = [`| ${columns.join(" | ")} |`, `|${"---|".repeat(columns.length)}`, ...rows, ""];
  const variables = others.length === 0 ? "" : `\nOther variables, whose values are no settings:\n\n${others.join("")}`;
  return `${lines.join("\n")}${variables}`;
}

const PROGRAMS = [
  ["The agent", AGENT_PROGRAM],
  ["The collector", COLLECTOR_PROGRAM],
  ["The reflector", REFLECTOR_PROGRAM],
] as const;

it("the guide has every setting", async () => {
  const parts = PROGRAMS.map(([title, program]) => `\n## ${title}\n\n${table(program)}`);
  await expect(`${INTRODUCTION}${parts.join("")}`).toMatchFileSnapshot(`${ROOT}/docs/settings.md`);
});

it("the variables that every program ignores are those of all programs", () => {
  const variables = PROGRAMS.flatMap(([, program]) => variablesOf(program));
  expect(PROGRAM_VARIABLES).toEqual([...new Set(variables)].sort());
});

it("the guide's table of retention has the defaults", () => {
  const settings = Object.entries<Setting>(COLLECTOR_PROGRAM.settings);
  const rows = tableOf(textOf("docs/running.md"), "Data");
  expect(rows.length).toBe(3);
  for (const [, days, flag = ""] of rows) {
    const found = settings.find(([key]) => `--${namesOf(COLLECTOR_PROGRAM, key).flag}` === quotedIn(flag)[0]);
    expect(days).toBe(`${String(found?.[1].default)} days`);
  }
});
