/** The key of authenticated STAMP (RFC 8762 §4.4), from a file that may be replaced while the agent runs. It is never logged or sent (S1). */
import { readFileSync, statSync } from "node:fs";
import { watchFile } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { ConfigError, errorCode, type ProblemCode, problemLine } from "@lifeline/settings";
import type { Logger } from "pino";

/** Least and most bytes of a key, as the reflector has them: HMAC-SHA-256's truncated output, and more than any block of it. */
export const KEY_MIN_BYTES = 16;
export const KEY_MAX_BYTES = 1_024;

/** The file may end with one line end. */
const FILE_MAX_BYTES = KEY_MAX_BYTES + 2;

/** The field that names the file. */
const FIELD = "stampKeyFile";

/** The key as it is now. When the file turns bad the last good key stays in use, with one warning. */
export interface StampKey {
  current(): Uint8Array;
}

/** Opens the key file. Throws a ConfigError that names the field and what is wrong. */
export function openStampKey(path: string, clock: Clock, log: Logger): StampKey {
  const first = readKey(path);
  if (first.kind === "bad") throw new ConfigError({ code: first.code, line: first.problem });
  return watchFile({
    path,
    first: first.value,
    read: readKey,
    clock,
    onReread: () => log.info({ field: FIELD, path }, "the STAMP key was read again"),
    onProblem: (problem) => log.warn(`${problem}; the key read before stays in use`),
  });
}

type KeyRead =
  | { readonly kind: "read"; readonly value: Uint8Array }
  | { readonly kind: "bad"; readonly code: ProblemCode; readonly problem: string };

function readKey(path: string): KeyRead {
  try {
    const stats = statSync(path);
    if (!stats.isFile() || stats.size > FILE_MAX_BYTES) return wrongSize(path, stats.isFile() ? stats.size : undefined);
    const bytes = readFileSync(path);
    const key = bytes.subarray(0, keyLengthBytes(bytes));
    if (key.length < KEY_MIN_BYTES || key.length > KEY_MAX_BYTES) return wrongSize(path, key.length);
    return { kind: "read", value: key };
  } catch (error) {
    const got = `${path} (${errorCode(error)})`;
    return { kind: "bad", code: "unreadable", problem: problemLine(FIELD, got, "a file that can be read") };
  }
}

function wrongSize(path: string, sizeBytes: number | undefined): KeyRead & { readonly kind: "bad" } {
  const got = `${path} (${sizeBytes === undefined ? "no file" : `${sizeBytes} bytes`})`;
  const want = `a file with a key of ${KEY_MIN_BYTES} to ${KEY_MAX_BYTES} bytes`;
  return { kind: "bad", code: "bad-value", problem: problemLine(FIELD, got, want) };
}

/** Without the one line end that editors add. */
function keyLengthBytes(bytes: Buffer): number {
  if (bytes.at(-1) !== 0x0a) return bytes.length;
  return bytes.at(-2) === 0x0d ? bytes.length - 2 : bytes.length - 1;
}
