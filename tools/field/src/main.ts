/** `npm run field`. Exit codes: 0 all right, 1 one is wrong, 2 wrong arguments, 126 the cases cannot run here. */
import { matchesPattern } from "@lifeline/catalogue";
import { runTool } from "@lifeline/harness";
import { canRunFleet } from "@lifeline/lab";
import { systemClock } from "@lifeline/measure";
import { ConfigError, problem, shownValue } from "@lifeline/settings";
import { type Arguments, readArguments } from "./arguments.ts";
import { FIELD_CASES } from "./field-cases.ts";
import { type FieldResult, runField } from "./field-run.ts";

/** The shell's code for a command that exists and cannot run. */
const EXIT_CANNOT_RUN = 126;

async function run({ only = "*", list, json }: Arguments): Promise<number> {
  const cases = FIELD_CASES.filter(({ name }) => matchesPattern(only, name));
  if (cases.length === 0) {
    throw new ConfigError(problem("bad-value", "--only", shownValue(only), "the name of a case; --list shows them"));
  }
  if (list) {
    for (const { name, what } of cases) process.stdout.write(`${name}: ${what}\n`);
    return 0;
  }
  const able = await canRunFleet();
  if (able !== true) {
    process.stderr.write(`npm run field: the cases cannot run here: ${able}\n`);
    return EXIT_CANNOT_RUN;
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupt.abort());
  const results = await runField(cases, systemClock, interrupt.signal, ({ case: name, right }) => {
    process.stderr.write(`field: ${name}: ${right ? "right" : "wrong"}\n`);
  });
  process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : fieldText(results));
  return results.length === cases.length && results.every(({ right }) => right) ? 0 : 1;
}

/** A line for each case, and what was expected and reported in each that is wrong. */
function fieldText(results: readonly FieldResult[]): string {
  const width = Math.max(...results.map(({ case: name }) => name.length));
  const lines = results.flatMap(({ case: name, right, expected, reported }) => {
    const said = (what: string, texts: readonly string[]) => texts.map((text) => `    ${what}: ${text}`);
    const more = [...said("expected", expected), ...said("check", reported.check), ...said("agent", reported.agent)];
    return [`${name.padEnd(width)}  ${right ? "right" : "WRONG"}`, ...(right ? [] : more)];
  });
  const rightCount = results.filter(({ right }) => right).length;
  return `${[...lines, "", `${rightCount} of ${results.length} cases right`].join("\n")}\n`;
}

process.exitCode = await runTool(
  { name: "npm run field", read: readArguments, run, exitCodeOf: () => undefined },
  process.argv.slice(2),
);
