/**
 * How inputs of a protobuf message are drawn: one in eight of the schema, one in eight bytes, the others from valid
 * ones, changed.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { between, pick, type Random } from "@lifeline/harness";
import { drawBytes } from "./byte-mutation.ts";
import { drawMessage } from "./message-draw.ts";
import { mutateMessage } from "./wire-mutation.ts";

/** Changes made to one valid message, at most. */
const CHANGES_MAX = 4;

/** Draws an encoding of `schema`, or what might pass for one; `valid` are encodings that decode. */
export function drawEncoding(random: Random, schema: DescMessage, valid: readonly Uint8Array[]): Uint8Array {
  const way = random();
  if (way < 0.125) return drawMessage(random, schema);
  if (way < 0.25) return drawBytes(random, 4_096);
  let message = pick(random, valid);
  for (let left = between(random, 0, CHANGES_MAX); left > 0; left -= 1) {
    message = mutateMessage(random, message, pick(random, valid));
  }
  return message;
}
