/** The shared key of authenticated mode (RFC 8762 §4.4), from a file. */
import { readFileSync } from "node:fs";

/** Least and most bytes of a key: HMAC-SHA-256 wants at least its truncated output's 16 (RFC 4868 §2.1.1 asks for more). */
export const KEY_MIN_BYTES = 16;
export const KEY_MAX_BYTES = 1_024;

/** A key, or what is wrong with its file; the key's bytes are never part of the message (S1). */
export type KeyRead =
  | { readonly kind: "key"; readonly key: Uint8Array }
  | { readonly kind: "bad"; readonly message: string };

/** Reads the key: the file's bytes, without the one line end that editors add. */
export function readKeyFile(path: string): KeyRead {
  const bytes = readBytes(path);
  if (typeof bytes === "string") return { kind: "bad", message: `--key-file: ${path} cannot be read: ${bytes}` };
  const key = bytes.subarray(0, keyLengthBytes(bytes));
  if (key.byteLength < KEY_MIN_BYTES || key.byteLength > KEY_MAX_BYTES) {
    const found = `${path} holds a key of ${key.byteLength} bytes`;
    return { kind: "bad", message: `--key-file: ${found}; ${KEY_MIN_BYTES} to ${KEY_MAX_BYTES} are wanted` };
  }
  return { kind: "key", key };
}

function keyLengthBytes(bytes: Buffer): number {
  if (bytes.at(-1) !== 0x0a) return bytes.byteLength;
  return bytes.at(-2) === 0x0d ? bytes.byteLength - 2 : bytes.byteLength - 1;
}

function readBytes(path: string): Buffer | string {
  try {
    return readFileSync(path);
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}
