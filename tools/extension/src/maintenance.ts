/**
 * What an image for machines in maintenance mode brings along, for such a machine has no configuration yet: the agent's, and a join token.
 *
 * 1. One image is for many machines: it holds no id, no file and no place of one of them.
 * 2. What it holds is what the agent would accept there; what it would refuse is refused before anything is made.
 * 3. The token is in the image, and nowhere else: not in what is printed (S1).
 */
import { ConfigError, environmentOverrides, parseConfig, readDocument, readJoinToken, readText } from "@lifeline/agent";
import { ExtensionError } from "./extension-error.ts";
import { CONFIG_FILE, environmentOf, JOIN_TOKEN_FILE, MAINTENANCE } from "./service.ts";
import { fileOf, type Tree, treeOf } from "./tree.ts";

/** Keys of a configuration that may be the same on all machines. */
const FOR_ALL = ["collector", "enrol", "logLevel", "resolvers"];

/** Reads a configuration of the agent and a file with a join token. Throws ExtensionError `usage`, which names the file and what would be right. */
export function readMaintenance(configFile: string, tokenFile: string): Tree {
  try {
    checkConfig(configFile);
    const read = readJoinToken(tokenFile, {});
    if (read.kind === "none") throw new ExtensionError("usage", `--join-token: ${read.problem}`);
    return treeOf({
      [CONFIG_FILE.slice(1)]: fileOf(readText(configFile)),
      [JOIN_TOKEN_FILE.slice(1)]: fileOf(`${read.token}\n`),
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ExtensionError("usage", `--maintenance: ${error.message}`);
  }
}

/** Throws a ConfigError or an ExtensionError. */
function checkConfig(file: string): void {
  const refuse = (key: string, got: string, want: string): never => {
    throw new ExtensionError("usage", `--maintenance: ${file}: ${key}: got ${got}, want ${want}`);
  };
  const document = readDocument(file);
  // By itself first: then an error is of the file, and not of what the image adds.
  const given = parseConfig(document, file, []);
  for (const key of Object.keys(document ?? {})) {
    if (!FOR_ALL.includes(key)) refuse(key, "it", `it left out: of all machines alike are only ${FOR_ALL.join(", ")}`);
  }
  if (given.collector === undefined) refuse("collector", "none", "host:port: nobody could read what it measures");
  if (given.enrol === undefined) refuse("enrol", "none", "{authority}: each machine makes a key of its own");
  if (given.enrol?.tokenFile !== undefined) refuse("enrol.tokenFile", "it", "it left out: the image brings the token");
  parseConfig(document, file, environmentOverrides(imageEnvironment()));
}

function imageEnvironment(): Readonly<Record<string, string>> {
  return Object.fromEntries(environmentOf(MAINTENANCE).map((line) => line.split(/=(.*)/s, 2) as [string, string]));
}
