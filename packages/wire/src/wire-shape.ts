/**
 * The shape of a message on the wire: its descriptor and its limits, prepared for the check of wire-check.ts.
 *
 * It has an upper estimate of the heap for decoding, measured on Node 24 (V8 13.6) with protobuf-es 2.17. Messages of
 * up to eighteen fields are plain objects of 8 bytes for each field, larger ones hash tables of some 50; both are
 * counted with 50.
 */
import { strict as assert } from "node:assert";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type FieldLimit, type ListLimit, type MessageLimits, WIRE_LIMITS } from "./wire-limits.ts";

/** Wire types (protobuf.dev/programming-guides/encoding). 3 and 4 are groups, which the contract does not have. */
export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

/** Deepest nesting of the contract's messages, with room to spare: a report's certificates are five deep. */
export const DEPTH_MAX = 8;

/** Most fields of one message; a verdict's row has 32. */
export const SLOTS_MAX = 64;

/** Heap of a message without its lists and texts, bytes. */
const MESSAGE_HEAP_BYTES = 80;
const FIELD_HEAP_BYTES = 64;

/**
 * Heap of a list with one entry, whose array V8 allocates for seventeen; and of each further entry, because it grows by
 * half.
 */
export const LIST_HEAP_BYTES = 32 + 160;
const ENTRY_HEAP_BYTES = 16;

/** Heap of a bigint, of the head of a string, and of a view of bytes. */
const BIGINT_HEAP_BYTES = 24;
const TEXT_HEAP_BYTES = 24;
const VIEW_HEAP_BYTES = 200;

/** A field as the check needs it. */
export interface FieldShape {
  readonly name: string;
  readonly isList: boolean;
  /** Index of its counter in the message; the members of a oneof share one. */
  readonly slot: number;
  /** Most times it may occur in its message: 1 unless it is a list. */
  readonly entriesMax: number;
  /** Wire type of one entry: WIRE_*. */
  readonly wireType: number;
  /** Whether it is a list of numbers, which may be packed. */
  readonly isPackable: boolean;
  /** Most bytes of a text or byte field; a message has no bound of its own. */
  readonly bytesMax: number;
  /** Heap for an entry, and for each byte of it, bytes. */
  readonly entryHeapBytes: number;
  readonly heapPerByte: number;
  readonly inner: MessageShape | undefined;
}

/** A message as the check needs it. */
export interface MessageShape {
  /** By number. */
  readonly fields: readonly (FieldShape | undefined)[];
  readonly slots: number;
  readonly heapBytes: number;
}

const shapes = new Map<DescMessage, MessageShape>();

/** The shape of a message, made once. Asserts that every field has a bound. */
export function shapeOf(schema: DescMessage): MessageShape {
  const known = shapes.get(schema);
  if (known !== undefined) return known;
  const shape = layOut(schema, WIRE_LIMITS, 1);
  shapes.set(schema, shape);
  return shape;
}

/** Makes the shape of a message at that depth. */
export function layOut(schema: DescMessage, limits: ReadonlyMap<string, MessageLimits>, depth: number): MessageShape {
  assert.ok(depth <= DEPTH_MAX, `${schema.typeName}: nests deeper than ${DEPTH_MAX}`);
  const slots = slotsOf(schema);
  const slotCount = new Set(slots.values()).size;
  assert.ok(slotCount <= SLOTS_MAX, `${schema.typeName}: has more than ${SLOTS_MAX} fields`);
  const fields: (FieldShape | undefined)[] = [];
  for (const field of schema.fields) {
    while (fields.length < field.number) fields.push(undefined);
    fields[field.number] = layOutField(field, slots.get(field) ?? 0, limits, depth);
  }
  return { fields, slots: slotCount, heapBytes: MESSAGE_HEAP_BYTES + schema.fields.length * FIELD_HEAP_BYTES };
}

/** A counter for each member; only one field of a oneof may be set. */
function slotsOf({ members }: DescMessage): Map<DescField, number> {
  const slots = new Map<DescField, number>();
  for (const [slot, member] of members.entries()) {
    for (const field of member.kind === "oneof" ? member.fields : [member]) slots.set(field, slot);
  }
  return slots;
}

function layOutField(
  field: DescField,
  slot: number,
  limits: ReadonlyMap<string, MessageLimits>,
  depth: number,
): FieldShape {
  assert.ok(field.fieldKind !== "map", `${field}: maps have no bound`);
  const isList = field.fieldKind === "list";
  const scalar = scalarOf(field);
  const isText = scalar === ScalarType.STRING;
  const isSized = isText || scalar === ScalarType.BYTES;
  const { entries, bytes } = limitsOf(field, isList, isSized, limits.get(field.parent.typeName)?.[field.localName]);
  const wireType = scalar === undefined ? WIRE_BYTES : wireTypeOf(scalar);
  const message = field.message;
  assert.ok(
    message === undefined || !("delimitedEncoding" in field && field.delimitedEncoding),
    `${field}: is a group`,
  );
  return {
    name: field.name,
    isList,
    slot,
    entriesMax: entries,
    wireType,
    isPackable: isList && wireType !== WIRE_BYTES,
    bytesMax: bytes,
    entryHeapBytes: (isList ? ENTRY_HEAP_BYTES : 0) + valueHeapBytes(scalar),
    // At worst two bytes for each byte: ASCII with one character beyond Latin-1.
    heapPerByte: isText ? 2 : 0,
    inner: message === undefined ? undefined : layOut(message, limits, depth + 1),
  };
}

function limitsOf(
  field: DescField,
  isList: boolean,
  isSized: boolean,
  limit: FieldLimit | undefined,
): Required<ListLimit> {
  assert.ok(
    (limit !== undefined) === (isList || isSized),
    `${field}: want a limit for each list, text and bytes alone`,
  );
  const { entries, bytes } = typeof limit === "object" ? limit : { entries: 1, bytes: limit };
  assert.ok(isList === (typeof limit === "object"), `${field}: want entries for each list, and for nothing else`);
  assert.ok((bytes !== undefined) === isSized, `${field}: want bytes for each text and bytes, and for nothing else`);
  return { entries, bytes: bytes ?? Number.POSITIVE_INFINITY };
}

/** The scalar type of a field or of a list's entries; an enum is a number; undefined: a message. */
function scalarOf(field: DescField): ScalarType | undefined {
  const isEnum = field.fieldKind === "enum" || (field.fieldKind === "list" && field.listKind === "enum");
  return isEnum ? ScalarType.INT32 : field.scalar;
}

function wireTypeOf(scalar: ScalarType): number {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WIRE_BYTES;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WIRE_FIXED64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WIRE_FIXED32;
    default:
      return WIRE_VARINT;
  }
}

function valueHeapBytes(scalar: ScalarType | undefined): number {
  switch (scalar) {
    case ScalarType.STRING:
      return TEXT_HEAP_BYTES;
    case ScalarType.BYTES:
      return VIEW_HEAP_BYTES;
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return BIGINT_HEAP_BYTES;
    default:
      return 0;
  }
}
