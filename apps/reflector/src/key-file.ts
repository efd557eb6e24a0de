/** Files that flags name: the shared key of authenticated mode (RFC 8762 §4.4), and the witness's certificates. */
import { readFileSync } from "node:fs";
import { ConfigError, errorCode, problem } from "@lifeline/settings";

/**
 * Least and most bytes of a key: HMAC-SHA-256 wants at least its truncated output's 16 (RFC 4868 §2.1.1 asks for more).
 */
export const KEY_MIN_BYTES = 16;
export const KEY_MAX_BYTES = 1_024;

/** The file's bytes. Throws a ConfigError `unreadable` that names `flag`. */
export function readFlagFile(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const got = `${JSON.stringify(path)} (${errorCode(error)})`;
    throw new ConfigError(problem("unreadable", `--${flag}`, got, "a file that can be read"));
  }
}

/**
 * The key: the file's bytes, without the one line end that editors add. Throws a ConfigError, which holds nothing of
 * the key (S1): `unreadable`, or `bad-value` for a key of the wrong length.
 */
export function readKeyFile(path: string): Uint8Array {
  const bytes = readFlagFile("key-file", path);
  const key = bytes.subarray(0, keyLengthBytes(bytes));
  if (key.byteLength >= KEY_MIN_BYTES && key.byteLength <= KEY_MAX_BYTES) return key;
  const got = `${JSON.stringify(path)} (${key.byteLength} bytes)`;
  throw new ConfigError(
    problem("bad-value", "--key-file", got, `a file with a key of ${KEY_MIN_BYTES} to ${KEY_MAX_BYTES} bytes`),
  );
}

function keyLengthBytes(bytes: Buffer): number {
  if (bytes.at(-1) !== 0x0a) return bytes.byteLength;
  return bytes.at(-2) === 0x0d ? bytes.byteLength - 2 : bytes.byteLength - 1;
}
