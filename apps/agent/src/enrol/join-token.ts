/** The join token: from a variable, or from a file that is read when it is needed. It is never kept or logged (S1). */
import { readFileSync } from "node:fs";

/** The variable that may hold the token itself. */
export const JOIN_TOKEN_VARIABLE = "LIFELINE_JOIN_TOKEN";

/** Longest token that is read, characters: a collector's has 52. */
const TOKEN_MAX_CHARS = 512;

/** The token, or why there is none: a text that names the variable or the file, and nothing of its content. */
export type JoinTokenRead =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "none"; readonly problem: string };

/** Reads the token as it is now. */
export function readJoinToken(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): JoinTokenRead {
  const inVariable = environment[JOIN_TOKEN_VARIABLE];
  if (inVariable !== undefined && inVariable !== "") return checked(inVariable, JOIN_TOKEN_VARIABLE);
  if (file === undefined) {
    return none(`got no join token, want ${JOIN_TOKEN_VARIABLE}, or enrol.tokenFile (LIFELINE_JOIN_TOKEN_FILE)`);
  }
  try {
    return checked(readFileSync(file, "utf8").trim(), `enrol.tokenFile ${file}`);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return none(`enrol.tokenFile: got ${JSON.stringify(file)} (${String(error.code)}), want a file that can be read`);
  }
}

function checked(text: string, source: string): JoinTokenRead {
  const isToken = text.length <= TOKEN_MAX_CHARS && /^[\x21-\x7e]+$/.test(text);
  return isToken ? { kind: "token", token: text } : none(`${source}: want one join token, printable, without spaces`);
}

function none(problem: string): JoinTokenRead {
  return { kind: "none", problem };
}
