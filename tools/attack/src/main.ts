/** `npm run attack`. Exit codes: 0 every attack came to nothing, 1 one did not, 2 wrong arguments. */
import { parseArgs } from "node:util";
import { systemClock } from "@lifeline/measure";
import { ATTACKS } from "./attacks.ts";
import { openStage } from "./stage.ts";

const USAGE = `npm run attack -- [--only NAME] [--json]

Plays the attacks of docs/security.md on the shipped collector and agent, over real sockets on loopback.

  --only NAME   one of ${ATTACKS.map(({ name }) => name).join(", ")}
  --json        one JSON array: name, standing, tries, held, observed
`;

// grpc-js names a collector by its address within TLS too (DEP0123).
process.noDeprecation = true;

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { only: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean" } },
    }).values;
  } catch (error) {
    // Node's own words name the argument.
    return error instanceof Error ? error.message : String(error);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const values = parsed(args);
  const only = typeof values === "string" ? undefined : values.only;
  const chosen = ATTACKS.filter(({ name }) => only === undefined || name === only);
  const wrong = typeof values === "string" ? values : chosen.length === 0 ? `--only: got '${only}'` : undefined;
  if (wrong !== undefined || typeof values === "string") {
    process.stderr.write(`npm run attack: ${wrong}\n${USAGE}`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const stage = await openStage(systemClock);
  const results = [];
  try {
    for (const { name, standing, tries, run } of chosen) {
      const { held, observed } = await run(stage);
      results.push({ name, standing, tries, held, observed });
      if (values.json !== true) process.stdout.write(`${held ? "held " : "BROKE"}  ${name.padEnd(20)} ${observed}\n`);
    }
  } finally {
    await stage.close();
  }
  if (values.json === true) process.stdout.write(`${JSON.stringify(results)}\n`);
  return results.every(({ held }) => held) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
