/** Decodes messages of the contract. The bytes are checked first. */
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import type { Decoded } from "./malformed.ts";
import { checkWire } from "./wire-check.ts";

/**
 * Returns a message of `schema`, or the field that is wrong. Decoding takes at most MAX_DECODED_BYTES of heap. If the
 * whole message is wrong, the field is its name, such as `plan`.
 *
 * @param at Path of the message, put before the fields in errors. Default: none.
 */
export function readMessage<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  at = "",
): Decoded<MessageShape<Desc>> {
  const fault = checkWire(schema, bytes);
  if (fault !== undefined) {
    const field = at !== "" && fault.field !== "" ? `${at}.${fault.field}` : at || fault.field || nameOf(schema);
    return { ok: false, malformed: { ...fault, field } };
  }
  try {
    return { ok: true, value: fromBinary(schema, bytes, { readUnknownFields: false }) };
  } catch {
    // The library still refuses text that is not UTF-8. Only its message says so.
    const expected = `a ${schema.typeName} message`;
    return { ok: false, malformed: { field: at || nameOf(schema), value: `${bytes.length} bytes`, expected } };
  }
}

/** A message's name in the form of a field's name: StreamRequest → stream_request. */
function nameOf({ name }: DescMessage): string {
  return name.replace(/\B[A-Z]/g, "_$&").toLowerCase();
}
