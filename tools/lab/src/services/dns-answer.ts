/**
 * The lab's answers to DNS messages (RFC 1035 §4). Pure.
 *
 * 1. Reading never throws and never loops: a question's name has no compression pointer.
 * 2. Every TTL is 0, so that a mode takes effect at the next question.
 */
import ipaddr from "ipaddr.js";
import { sameName } from "./mode-table.ts";
import type { ServiceMode } from "./modes.ts";
import { addressesOf, type Zone } from "./zone.ts";

/** A query with one question. */
export interface DnsQuestion {
  readonly id: number;
  /** The RD bit, which the answer repeats. */
  readonly recursionDesired: boolean;
  readonly name: string;
  readonly type: number;
  /** Name, type and class as they came: the answer repeats them byte by byte, letter case included. */
  readonly raw: Buffer;
}

const HEADER_BYTES = 12;
const LABEL_MAX_BYTES = 63;
const NAME_MAX_BYTES = 255;
const FLAG_RESPONSE = 0x8000;
const OPCODE_MASK = 0x7800;
const FLAG_AUTHORITATIVE = 0x0400;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const TYPE_A = 1;
const TYPE_AAAA = 28;
const CLASS_IN = 1;
const RCODE = { ok: 0, servfail: 2, nxdomain: 3, refused: 5 } as const;

/** Offset of the question's name as a compression pointer (RFC 1035 §4.1.4). */
const POINTER_TO_QUESTION = 0xc000 | HEADER_BYTES;

/** Bytes of nonsense after the header: compression pointers to beyond the message. */
const GARBAGE_BYTES = 40;

/** Reads a query; undefined unless it is a standard query with one question of class IN. */
export function readQuestion(message: Buffer): DnsQuestion | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & (FLAG_RESPONSE | OPCODE_MASK)) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let size = message[at]; size !== 0; size = message[at]) {
    if (size === undefined || size > LABEL_MAX_BYTES || at - HEADER_BYTES > NAME_MAX_BYTES) return undefined;
    labels.push(message.subarray(at + 1, at + 1 + size).toString("latin1"));
    at += 1 + size;
  }
  const end = at + 5;
  if (message.length < end || message.readUInt16BE(at + 3) !== CLASS_IN) return undefined;
  return {
    id: message.readUInt16BE(0),
    recursionDesired: (flags & FLAG_RECURSION_DESIRED) !== 0,
    name: sameName(labels.join(".")),
    type: message.readUInt16BE(at + 1),
    raw: Buffer.from(message.subarray(HEADER_BYTES, end)),
  };
}

/** The answer of `mode`; undefined where it is silence. `drift` are the addresses of mode drift. */
export function answerQuestion(
  question: DnsQuestion,
  mode: ServiceMode<"dns">,
  zone: Zone,
  drift: readonly string[],
  transport: "udp" | "tcp" = "udp",
): Buffer | undefined {
  const known = zone.find(question.name);
  switch (mode) {
    case "silent":
      return undefined;
    case "garbage":
      return garbage(question);
    case "nodata":
      return encode(question, RCODE.ok, []);
    case "nxdomain":
    case "servfail":
    case "refused":
      return encode(question, RCODE[mode], []);
    case "truncate":
    case "drift":
    case "ok":
      if (known === undefined) return encode(question, RCODE.nxdomain, []);
      if (mode === "truncate" && transport === "udp") return encode(question, RCODE.ok, [], FLAG_TRUNCATED);
      return encode(question, RCODE.ok, recordsOf(question.type, mode === "drift" ? drift : known.addresses));
  }
}

function recordsOf(type: number, addresses: readonly string[]): readonly string[] {
  if (type === TYPE_A) return addressesOf(addresses, 4);
  return type === TYPE_AAAA ? addressesOf(addresses, 6) : [];
}

function encode(question: DnsQuestion, rcode: number, addresses: readonly string[], flags = 0): Buffer {
  return Buffer.concat([
    header(question, rcode | flags, addresses.length),
    question.raw,
    ...addresses.map(encodeRecord),
  ]);
}

function header(question: DnsQuestion, rcode: number, answers: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  const desired = question.recursionDesired ? FLAG_RECURSION_DESIRED : 0;
  bytes.writeUInt16BE(question.id, 0);
  bytes.writeUInt16BE(FLAG_RESPONSE | FLAG_AUTHORITATIVE | FLAG_RECURSION_AVAILABLE | desired | rcode, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
}

function encodeRecord(address: string): Buffer {
  const data = addressBytes(address);
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(POINTER_TO_QUESTION, 0);
  bytes.writeUInt16BE(data.length === 4 ? TYPE_A : TYPE_AAAA, 2);
  bytes.writeUInt16BE(CLASS_IN, 4);
  bytes.writeUInt32BE(0, 6);
  bytes.writeUInt16BE(data.length, 10);
  return Buffer.concat([bytes, data]);
}

/** An IP literal as its 4 or 16 bytes. */
export function addressBytes(address: string): Buffer {
  return Buffer.from(ipaddr.parse(address).toByteArray());
}

function garbage(question: DnsQuestion): Buffer {
  return Buffer.concat([header(question, RCODE.ok, 0xffff), Buffer.alloc(GARBAGE_BYTES, 0xff)]);
}
