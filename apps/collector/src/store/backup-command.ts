/** `backup` and `restore` of the collector's program. */
import { parseArgs } from "node:util";
import type { Clock } from "@lifeline/measure";
import { BackupError, backUp, type Copied, restore } from "./backup.ts";

/** Lines of the usage. */
export const BACKUP_USAGE = `
lifeline-collector backup --data-dir DIR --to FILE
  copies the database, also of a collector that runs; overwrites nothing
lifeline-collector restore --from FILE --data-dir DIR
  restores a copy where there is no database yet; start the collector afterwards. The join tokens in it are revoked
`;

/**
 * Runs the command that `args` begin with; undefined: they begin with none. The exit code otherwise: 0, 1 a failure, 2
 * wrong arguments.
 */
export function runBackup(args: readonly string[], clock: Clock, print: (text: string) => void): number | undefined {
  const [command, ...rest] = args;
  if (command !== "backup" && command !== "restore") return undefined;
  const other = command === "backup" ? "to" : "from";
  try {
    const given = parsed(command, rest, other);
    if (typeof given === "string") {
      print(`${given}\n`);
      return 2;
    }
    const { dataDir, file } = given;
    const done = command === "backup" ? backUp(dataDir, file) : restore(file, dataDir, Math.round(clock.wallMs()));
    print(sentence(command, done));
    return 0;
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    print(`lifeline-collector ${command}: ${error.message}\n`);
    return error.code === "exists" || error.code === "missing" ? 2 : 1;
  }
}

function parsed(command: string, args: readonly string[], other: "to" | "from") {
  const wanted = `lifeline-collector ${command}: want --data-dir DIR and --${other} FILE`;
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { "data-dir": text, [other]: text } });
    const { "data-dir": dataDir, [other]: file } = values as Record<string, string | undefined>;
    return dataDir === undefined || dataDir === "" || file === undefined || file === "" ? wanted : { dataDir, file };
  } catch (error) {
    // Node's message names the argument.
    return `${wanted}; ${error instanceof Error ? error.message : String(error)}`;
  }
}

function sentence(command: "backup" | "restore", { path, schema, nodes, reports }: Copied): string {
  const what = command === "backup" ? "backed up to" : "restored to";
  // Anyone who has the CA's key can pose as any node, so no backup holds it.
  const note =
    command === "backup"
      ? "; the fleet CA is not in it: keep a copy of identity/ in a safe place"
      : "; its join tokens are revoked, because they may have been used since; revoke again what was revoked since";
  return `${what} ${path}: ${nodes} nodes, ${reports} reports, schema ${schema}${note}\n`;
}
