/**
 * The part of a DNS message (RFC 1035 §4) that a probe needs: one question, and the answer to it.
 *
 * 1. Reading never throws and never loops: compression pointers are skipped, and a name has at most {@link LABELS_MAX}
 *    labels.
 * 2. Only the header, the question and the addresses that answer it are read.
 */
import { isDnsName, type RecordType } from "@lifeline/measure";
import ipaddr from "ipaddr.js";

/** Bytes of a header (RFC 1035 §4.1.1). */
const HEADER_BYTES = 12;

/** Longest label, bytes (RFC 1035 §2.3.4). */
const LABEL_MAX_BYTES = 63;

/** Labels of the longest name: each takes two bytes at least, and the root one (RFC 1035 §2.3.4). */
const LABELS_MAX = 127;

/** Most answer records that are read. */
const RECORDS_MAX = 64;

/** TYPE by name, and the bytes of an address in it (RFC 1035 §3.2.2, RFC 3596 §2.1). */
const TYPES: Readonly<Record<RecordType, { readonly code: number; readonly addressBytes: number }>> = {
  A: { code: 1, addressBytes: 4 },
  AAAA: { code: 28, addressBytes: 16 },
};

/** CLASS IN (RFC 1035 §3.2.4). */
const CLASS_IN = 1;

const FLAG_RESPONSE = 0x8000;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const RCODE_MASK = 0x000f;

/** What a message is to our query. */
export type DnsAnswer =
  | {
      readonly kind: "answer";
      /** 0–15 (RFC 1035 §4.1.1, RFC 6895 §2.3). */
      readonly rcode: number;
      /** The answer did not fit and was truncated (TC). */
      readonly truncated: boolean;
      /** Of all records of the queried type. Their owners are not checked: the resolver follows aliases. */
      readonly addresses: readonly string[];
    }
  /** Well-formed, but no answer to our query: another id, another name, or no response at all. */
  | { readonly kind: "other" }
  | { readonly kind: "malformed" };

/** A query for the records of `name` with recursion; undefined when isDnsName refuses `name`. */
export function encodeQuery(id: number, name: string, type: RecordType): Uint8Array | undefined {
  if (!isDnsName(name)) return undefined;
  const labels = name.replace(/\.$/, "").split(".");
  const encoded = labels.map((label) => Buffer.from(label, "latin1"));
  const nameBytes = encoded.reduce((sum, label) => sum + 1 + label.length, 1);

  const message = Buffer.alloc(HEADER_BYTES + nameBytes + 4);
  message.writeUInt16BE(id, 0);
  message.writeUInt16BE(FLAG_RECURSION_DESIRED, 2);
  message.writeUInt16BE(1, 4);
  let at = HEADER_BYTES;
  for (const label of encoded) {
    message.writeUInt8(label.length, at);
    label.copy(message, at + 1);
    at += 1 + label.length;
  }
  message.writeUInt16BE(TYPES[type].code, at + 1);
  message.writeUInt16BE(CLASS_IN, at + 3);
  return message;
}

/** Reads `bytes` as the answer to `query`, which `encodeQuery` made. */
export function decodeAnswer(bytes: Uint8Array, query: Uint8Array): DnsAnswer {
  if (bytes.byteLength < HEADER_BYTES) return { kind: "malformed" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const queryView = new DataView(query.buffer, query.byteOffset, query.byteLength);
  const flags = view.getUint16(2);
  if (view.getUint16(0) !== queryView.getUint16(0) || (flags & FLAG_RESPONSE) === 0) return { kind: "other" };

  const rcode = flags & RCODE_MASK;
  const truncated = (flags & FLAG_TRUNCATED) !== 0;
  const questions = view.getUint16(4);
  // A server that cannot read or will not serve a question may leave it out (RFC 1035 §4.1.1 does not say otherwise).
  if (questions === 0 && rcode !== 0) return { kind: "answer", rcode, truncated, addresses: [] };
  if (questions !== 1 || bytes.byteLength < query.byteLength) return { kind: "malformed" };
  if (!isSameQuestion(bytes, query)) return { kind: "other" };

  const addresses = readAddresses(view, query.byteLength, view.getUint16(6));
  if (addresses === undefined && !truncated) return { kind: "malformed" };
  return { kind: "answer", rcode, truncated, addresses: addresses ?? [] };
}

/** A response repeats the question section. Names are compared without case (RFC 1035 §2.3.3). */
function isSameQuestion(bytes: Uint8Array, query: Uint8Array): boolean {
  const text = (whole: Uint8Array) =>
    Buffer.from(whole.subarray(HEADER_BYTES, query.byteLength)).toString("latin1").toLowerCase();
  return text(bytes) === text(query);
}

/**
 * Addresses of the queried type among the first `records` from `start`, where the question ends; undefined when the
 * section cannot be read.
 */
function readAddresses(view: DataView, start: number, records: number): readonly string[] | undefined {
  // The question, which is repeated, ends in TYPE and CLASS.
  const wanted = Object.values(TYPES).find(({ code }) => code === view.getUint16(start - 4));
  let at = start;
  const addresses: string[] = [];
  for (let record = 0; record < Math.min(records, RECORDS_MAX); record += 1) {
    const fixed = skipName(view, at);
    // TYPE, CLASS, TTL and RDLENGTH take ten bytes (RFC 1035 §4.1.3).
    if (fixed === undefined || fixed + 10 > view.byteLength) return undefined;
    const rdataBytes = view.getUint16(fixed + 8);
    at = fixed + 10 + rdataBytes;
    if (at > view.byteLength) return undefined;
    const isAddress = view.getUint16(fixed) === wanted?.code && view.getUint16(fixed + 2) === CLASS_IN;
    if (isAddress && rdataBytes !== wanted?.addressBytes) return undefined;
    if (isAddress) addresses.push(addressAt(view, fixed + 10, rdataBytes));
  }
  return addresses;
}

function addressAt(view: DataView, start: number, addressBytes: number): string {
  return ipaddr.fromByteArray(Array.from({ length: addressBytes }, (_, at) => view.getUint8(start + at))).toString();
}

/** Where a name that starts at `start` ends; undefined when it is longer than the message. */
function skipName(view: DataView, start: number): number | undefined {
  let at = start;
  for (let labels = 0; labels <= LABELS_MAX; labels += 1) {
    if (at >= view.byteLength) return undefined;
    const length = view.getUint8(at);
    if (length === 0) return at + 1;
    // A pointer ends the name here. What it points at is not needed.
    if (length >= 0xc0) return at + 2 <= view.byteLength ? at + 2 : undefined;
    if (length > LABEL_MAX_BYTES) return undefined;
    at += 1 + length;
  }
  return undefined;
}
