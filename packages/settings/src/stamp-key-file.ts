/** The file with the key of authenticated STAMP (RFC 8762 §4.4). The key is never logged or sent (S1). */
import { readFileSync, statSync } from "node:fs";
import { errorCode, type Problem, problem } from "./config-error.ts";

/** Least bytes of a key: HMAC-SHA-256 is truncated to 16 in STAMP (RFC 8762 §4.4). RFC 4868 §2.1.1 requires more. */
const KEY_MIN_BYTES = 16;

/** Most bytes of a key: far more than a block of SHA-256, 64 bytes, beyond which a key is hashed first. */
const KEY_MAX_BYTES = 1_024;

/** The file may end with one line end. */
const FILE_MAX_BYTES = KEY_MAX_BYTES + 2;

/** The key, or why there is none: `unreadable`, or `bad-value` for a key of the wrong length. */
export type StampKeyRead =
  | { readonly kind: "read"; readonly value: Uint8Array }
  | { readonly kind: "refused"; readonly problem: Problem };

/**
 * Reads the key: the file's bytes without the one line end that editors add. `at` is the setting that names the file.
 */
export function readStampKey(at: string, path: string): StampKeyRead {
  const wrongSize = (got: string): StampKeyRead => {
    const want = `a file with a key of ${KEY_MIN_BYTES} to ${KEY_MAX_BYTES} bytes`;
    return { kind: "refused", problem: problem("bad-value", at, `${JSON.stringify(path)} (${got})`, want) };
  };
  try {
    const stats = statSync(path);
    if (!stats.isFile()) return wrongSize("no file");
    if (stats.size > FILE_MAX_BYTES) return wrongSize(`${stats.size} bytes`);
    const bytes = readFileSync(path);
    const key = bytes.subarray(0, keyLengthBytes(bytes));
    const isRight = key.length >= KEY_MIN_BYTES && key.length <= KEY_MAX_BYTES;
    return isRight ? { kind: "read", value: key } : wrongSize(`${key.length} bytes`);
  } catch (error) {
    const got = `${JSON.stringify(path)} (${errorCode(error)})`;
    return { kind: "refused", problem: problem("unreadable", at, got, "a file that can be read") };
  }
}

function keyLengthBytes(bytes: Buffer): number {
  if (bytes.at(-1) !== 0x0a) return bytes.length;
  return bytes.at(-2) === 0x0d ? bytes.length - 2 : bytes.length - 1;
}
