/**
 * An input as it is shown with a failure: it can be drawn again by its index, so of a large one the beginning is
 * enough.
 */

/** Largest input that is shown whole, bytes, and made smaller first. */
export const INPUT_SHOWN_BYTES = 4_096;

/** Most bytes shown of a larger input. */
const BEGINNING_BYTES = 64;

/** Hexadecimal; of a large input the beginning, and how many bytes it has. */
export function shownHex(input: Uint8Array): string {
  const isWhole = input.length <= INPUT_SHOWN_BYTES;
  const hex = Buffer.from(isWhole ? input : input.subarray(0, BEGINNING_BYTES)).toString("hex");
  return isWhole ? hex : `${hex}… (${input.length} bytes)`;
}
