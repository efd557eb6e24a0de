/**
 * The access token: where it comes from, and how it is read.
 *
 * 1. It comes from a file or the environment, never from an argument, because every process of the host can read
 *    arguments.
 * 2. No error quotes it (S1). Errors name its source.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { CliError } from "../cli-error.ts";

/** The environment variable that holds the token itself. */
export const TOKEN_VARIABLE = "LIFELINE_TOKEN";

/** The environment variable that names its file where no flag does. */
export const TOKEN_FILE_VARIABLE = "LIFELINE_TOKEN_FILE";

/**
 * Longest token, bytes: 4 KiB, twice a JSON web token with dozens of groups, and half of what servers take as headers.
 */
export const TOKEN_MAX_BYTES = 4_096;

/** What may stand in a header after `Bearer` (RFC 9110 §5.5): visible ASCII, no spaces. */
const TOKEN = /^[\x21-\x7e]+$/;

const TOKEN_WANTED = `one line of 1 to ${TOKEN_MAX_BYTES} printable characters without spaces`;

/** Where a token is. */
export interface TokenSource {
  /** The flag or variable that named it, for errors. */
  readonly named: string;
  /** The token as it is now. @throws CliError `config`. */
  read(): string;
}

/**
 * The flag, else one of the two variables; undefined: there is no token.
 *
 * @throws CliError `usage` when both variables are set, because either might be stale.
 */
export function tokenSource(
  file: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): TokenSource | undefined {
  if (file !== undefined) return inFile("--token-file", file);
  const value = env[TOKEN_VARIABLE] ?? "";
  const path = env[TOKEN_FILE_VARIABLE] ?? "";
  if (value !== "" && path !== "") {
    throw new CliError("usage", `${TOKEN_VARIABLE}: cannot be combined with ${TOKEN_FILE_VARIABLE}; set one of them`);
  }
  if (path !== "") return inFile(TOKEN_FILE_VARIABLE, path);
  if (value === "") return undefined;
  return { named: TOKEN_VARIABLE, read: () => checked(TOKEN_VARIABLE, value) };
}

function inFile(named: string, path: string): TokenSource {
  return { named, read: () => checked(`${named}: ${path}`, beginningOf(named, path)) };
}

function checked(place: string, text: string): string {
  const token = text.replace(/\r?\n$/, "");
  if (token.length <= TOKEN_MAX_BYTES && TOKEN.test(token)) return token;
  throw new CliError("config", `${place} holds no token, want ${TOKEN_WANTED}`);
}

/** The longest token, a line end of two bytes, and one byte more, which shows that the file is too long. */
function beginningOf(named: string, path: string): string {
  const bytes = Buffer.alloc(TOKEN_MAX_BYTES + 3);
  try {
    const file = openSync(path, "r");
    try {
      let length = 0;
      // A pipe gives what it has in pieces.
      for (let read = -1; read !== 0 && length < bytes.length; length += read)
        read = readSync(file, bytes, { offset: length });
      return bytes.toString("latin1", 0, length);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new CliError("config", `${named}: ${path} cannot be read (${code})`);
  }
}
