/** Files that flags name. */
import { readFileSync } from "node:fs";
import { ConfigError, errorCode, problem } from "@lifeline/settings";

/** The file's bytes. Throws a ConfigError `unreadable` that names `flag`. */
export function readFlagFile(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const got = `${JSON.stringify(path)} (${errorCode(error)})`;
    throw new ConfigError(problem("unreadable", `--${flag}`, got, "a file that can be read"));
  }
}
