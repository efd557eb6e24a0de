/** The one way from bytes of the contract to a message: checked as bytes, then decoded. */
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import type { Decoded } from "./malformed.ts";
import { checkWire } from "./wire-check.ts";

/**
 * A message of `schema`; or the field that is wrong. Decoding it takes no more heap than MAX_DECODED_BYTES. What is wrong with the message
 * as a whole has its name for a field, such as `plan`.
 *
 * @param at Path that the message stands at, before the fields in errors. Default: none.
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
    // What is left for the library to refuse is text that is no UTF-8, which it tells by its message alone.
    const expected = `a ${schema.typeName} message`;
    return { ok: false, malformed: { field: at || nameOf(schema), value: `${bytes.length} bytes`, expected } };
  }
}

/** A message's name as a field's would be: StreamRequest → stream_request. */
function nameOf({ name }: DescMessage): string {
  return name.replace(/\B[A-Z]/g, "_$&").toLowerCase();
}
