/**
 * The access tokens of people and programs, from a file and the environment. Only digests stay in memory. Neither they
 * nor the tokens are logged or sent (S1).
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { type FileRead, type Role, watchFile } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { ConfigError, problem } from "@lifeline/settings";
import type { Logger } from "pino";

/** Least and most characters of a token: 32 of base64 are 192 bits, and 512 fit a header line. */
const TOKEN_MIN_CHARS = 32;
export const TOKEN_MAX_CHARS = 512;

/** Most tokens, and most bytes of the file. */
const TOKENS_MAX = 256;
const FILE_MAX_BYTES = 256 * 1024;

/** Variables that hold one token each, for deployments without a file. */
export const TOKEN_VARIABLES = {
  LIFELINE_READER_TOKEN: "reader",
  LIFELINE_ADMIN_TOKEN: "admin",
} as const satisfies Readonly<Record<string, Role>>;

/** The holder of a token, by a name that may be logged. */
export interface TokenPrincipal {
  readonly name: string;
  readonly role: Role;
}

/**
 * The tokens as they are now. A file that cannot be used leaves the last good one in use, and is logged once. A file
 * without a token, or that is gone, revokes all of its tokens: an operator who removes the last line or the file means
 * that.
 */
export interface AccessTokens {
  /** Undefined: unknown or revoked. */
  principalOf(token: string): TokenPrincipal | undefined;
  readonly isEmpty: boolean;
}

const ROLES: readonly Role[] = ["reader", "admin", "witness"];
const TOKEN = new RegExp(`^[\\x21-\\x7e]{${TOKEN_MIN_CHARS},${TOKEN_MAX_CHARS}}$`);
const TOKEN_WANTED = `${TOKEN_MIN_CHARS} to ${TOKEN_MAX_CHARS} printable characters without spaces`;
const LINE_WANTED = `NAME ROLE TOKEN, with a role of ${ROLES.join(", ")} and a token of ${TOKEN_WANTED}`;

type Principals = ReadonlyMap<string, TokenPrincipal>;

/** Reads the tokens. Throws a ConfigError that names the file and line, or the variable, and never the token. */
export function openAccessTokens(
  path: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  clock: Clock,
  log: Logger,
): AccessTokens {
  const fixed = fromEnvironment(environment);
  if (path === undefined) return { principalOf: (token) => fixed.get(tokenDigest(token)), isEmpty: fixed.size === 0 };
  const first = readTokens(path);
  if (first.kind === "bad") throw new ConfigError({ code: "bad-value", line: first.problem });
  if (first.kind === "gone") throw new ConfigError({ code: "unreadable", line: unreadable(path, "ENOENT") });
  if (first.value.size === 0) {
    const got = `${JSON.stringify(path)} (no token)`;
    throw new ConfigError(problem("bad-value", "access.tokensFile", got, `lines of ${LINE_WANTED}`));
  }
  warnOfReaders(path, log);
  const file = watchFile({
    path,
    first: first.value,
    read(from) {
      const found = readTokens(from);
      return found.kind === "gone" ? { kind: "read", value: new Map() } : found;
    },
    clock,
    onReread({ size }) {
      if (size > 0) log.info({ path, tokens: size }, "read the access tokens again");
      else log.warn({ path }, "the file of access tokens is empty or gone; all of its tokens are revoked");
    },
    onProblem: (problem) => log.warn(`${problem}; the tokens that were read before stay in use`),
  });
  return {
    principalOf(token) {
      const digest = tokenDigest(token);
      return file.current().get(digest) ?? fixed.get(digest);
    },
    isEmpty: false,
  };
}

/**
 * SHA-256 of a token, hex. A token is looked up by its digest, so that the time it takes says nothing of other tokens.
 */
export function tokenDigest(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Principals {
  const principals = new Map<string, TokenPrincipal>();
  for (const [variable, role] of Object.entries(TOKEN_VARIABLES)) {
    const token = environment[variable];
    if (token === undefined || token === "") continue;
    if (!TOKEN.test(token)) throw new ConfigError(problem("bad-value", variable, undefined, TOKEN_WANTED));
    principals.set(tokenDigest(token), { name: variable, role });
  }
  return principals;
}

function unreadable(path: string, code: string): string {
  return `access.tokensFile: got ${JSON.stringify(path)} (${code}), want a file that can be read`;
}

function readTokens(path: string): FileRead<Principals> | { readonly kind: "gone" } {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    return code === "ENOENT" ? { kind: "gone" } : { kind: "bad", problem: unreadable(path, code) };
  }
  if (text.length > FILE_MAX_BYTES) {
    return { kind: "bad", problem: `access.tokensFile: ${path} has more than ${FILE_MAX_BYTES} bytes` };
  }
  const principals = new Map<string, TokenPrincipal>();
  for (const [at, line] of text.split("\n").entries()) {
    // A token may contain "#", so a comment must begin a line or follow a space.
    const words = line
      .replace(/(^|\s)#.*$/, "")
      .trim()
      .split(/\s+/);
    if (words.length === 1 && words[0] === "") continue;
    const [name = "", role = "", token = "", ...more] = words;
    const known = ROLES.find((candidate) => candidate === role);
    if (known === undefined || !TOKEN.test(token) || more.length > 0) {
      return { kind: "bad", problem: `access.tokensFile: ${path}: line ${at + 1}: want ${LINE_WANTED}` };
    }
    principals.set(tokenDigest(token), { name, role: known });
    if (principals.size > TOKENS_MAX)
      return { kind: "bad", problem: `access.tokensFile: ${path}: want at most ${TOKENS_MAX} tokens` };
  }
  return { kind: "read", value: principals };
}

function warnOfReaders(path: string, log: Logger): void {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o007) !== 0) {
    log.warn({ path, mode: mode.toString(8) }, "every user of this host can read the access tokens; set mode 600");
  }
}
