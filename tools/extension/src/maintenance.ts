/**
 * The variant for machines in maintenance mode. Such a machine has no configuration yet, so the image brings the
 * agent's, and a join token.
 *
 * 1. One image is for many machines: it holds no id, file or path of one of them.
 * 2. A configuration that the agent would refuse is refused before anything is built.
 * 3. The token is in the image alone. It is never printed (S1).
 */
import { parseConfig } from "@lifeline/agent";
import { ConfigError, documentOf, problem, readText } from "@lifeline/settings";
import type { ExtensionVariant } from "./extension.ts";
import { ExtensionError } from "./extension-error.ts";
import { CONFIG_FILE, JOIN_TOKEN_FILE, MAINTENANCE } from "./service.ts";
import { fileOf, treeOf } from "./tree.ts";

/** Keys of a configuration that may be the same on all machines. */
const FOR_ALL = ["collector", "enrol", "logLevel", "resolvers"];

/**
 * A join token as a collector issues it (admin.proto): id and secret, within the 512 characters that an agent reads.
 */
const JOIN_TOKEN = /^[0-9a-f]{8}\.[\x21-\x7e]{1,500}$/;

/**
 * The variant with the agent's configuration of `configFile` and the join token of `tokenFile`. Throws ExtensionError
 * `usage`, which names the flag, the file and what would be right.
 */
export function maintenanceVariant(configFile: string, tokenFile: string): ExtensionVariant {
  const files = treeOf({
    [CONFIG_FILE.slice(1)]: fileOf(underFlag("--maintenance", () => configText(configFile))),
    [JOIN_TOKEN_FILE.slice(1)]: fileOf(underFlag("--join-token", () => tokenText(tokenFile))),
  });
  return { service: MAINTENANCE, files };
}

function underFlag<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ExtensionError("usage", `${flag}: ${error.message}`);
  }
}

function tokenText(file: string): string {
  const token = readText(file).trim();
  if (JOIN_TOKEN.test(token)) return `${token}\n`;
  throw new ConfigError(problem("bad-value", file, undefined, "one join token, as lifeline token create prints it"));
}

function configText(file: string): string {
  const refuse = (key: string, got: string, want: string): never => {
    throw new ConfigError(problem("bad-value", `${file}: ${key}`, got, want));
  };
  const text = readText(file);
  const given = parseConfig(file, text);
  for (const key of Object.keys(documentOf(text, file) ?? {})) {
    if (!FOR_ALL.includes(key)) refuse(key, "it", `it left out: of all machines alike are only ${FOR_ALL.join(", ")}`);
  }
  if (given.collector === undefined)
    refuse("collector", "none", "host:port: without a collector its measurements reach no one");
  if (given.enrol === undefined) refuse("enrol", "none", "{caFingerprint}: each machine makes a key of its own");
  if (given.enrol?.tokenFile !== undefined) refuse("enrol.tokenFile", "it", "it left out: the image brings the token");
  return text;
}
