/** The agent's state directory, held at the start to have been filled by nobody else: what is in it names the node, proves it, and is sent. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { wrongOwnerOf } from "@lifeline/identity";
import { ConfigError, problem } from "@lifeline/settings";
import { IDENTITY_DIRECTORY } from "../enrol/kept-credentials.ts";
import { planCachePath } from "../plan/plan-cache.ts";
import { NODE_ID_NAME } from "./node-identity.ts";

/** Directory of the spool, in the state directory. */
export const SPOOL_DIRECTORY = "spool";

/**
 * Refuses a state directory in which another user has put something where the agent keeps its own.
 *
 * @param runAsUid whom the agent is about to become; what is in the directory may be that user's from an earlier start.
 * @throws ConfigError `bad-value`
 */
export function refusePlanted(stateDir: string, runAsUid: number | undefined, source: string): void {
  const directories = [SPOOL_DIRECTORY, IDENTITY_DIRECTORY].map((name) => join(stateDir, name));
  const files = [join(stateDir, NODE_ID_NAME), planCachePath(stateDir)];
  const within = directories.flatMap((path) => namesIn(path).map((name) => join(path, name)));
  for (const path of [stateDir, ...files, ...directories, ...within]) {
    const planted = wrongOwnerOf(path, runAsUid === undefined ? [] : [runAsUid]);
    if (planted === undefined) continue;
    const { got, want } = planted;
    throw new ConfigError(problem("bad-value", source, got, `${want}, or to the user of runAsUid`));
  }
}

/** What cannot be listed is told by whoever needs it. */
function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
