/**
 * The key of authenticated STAMP, from a file that may be replaced while the agent runs. It is never logged or sent
 * (S1).
 */
import { watchFile } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { ConfigError, readStampKey } from "@lifeline/settings";
import type { Logger } from "pino";

/** The setting that names the file. */
const FIELD = "stampKeyFile";

/** The key as it is now. When the file turns bad the last good key stays in use, with one warning. */
export interface StampKey {
  current(): Uint8Array;
}

/** Opens the key file. Throws a ConfigError that names the setting and the fault. */
export function openStampKey(path: string, clock: Clock, log: Logger): StampKey {
  const first = readStampKey(FIELD, path);
  if (first.kind === "refused") throw new ConfigError(first.problem);
  return watchFile({
    path,
    first: first.value,
    read(changed) {
      const again = readStampKey(FIELD, changed);
      return again.kind === "read" ? again : { kind: "bad", problem: again.problem.line };
    },
    clock,
    onReread: () => log.info({ field: FIELD, path }, "read the STAMP key again"),
    onProblem: (problem) => log.warn(`${problem}; the agent keeps the key that it read before`),
  });
}
