/**
 * Refuses a state directory with files of another user. Its files give the node its id and its certificate, and are
 * sent as reports.
 */
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
 * Refuses a state directory in which a file of the agent belongs to another user.
 *
 * @param runAsUid the user that the agent is about to become: files of an earlier start may belong to that user.
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

/** Names in a directory. None when it cannot be listed: its user reports that. */
function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
