/** For tests: a resolver on loopback whose answer depends on the first label of the name. Not part of the package. */
import { type Peer, tcpPeer, udpPeer } from "./peers.ts";

/** A resolver that counts the queries for each name. */
export interface DnsServer extends Peer {
  queryCount(name: string): number;
}

const RCODES: Readonly<Record<string, number>> = {
  formerr: 1,
  servfail: 2,
  nxdomain: 3,
  notimp: 4,
  refused: 5,
  yxdomain: 6,
};
const A = 1;
const AAAA = 28;
const TTL_SECONDS = 30;

/**
 * Answers the query, or undefined for none. Labels: an RCODE's name; `nodata`; `garbage` (no message); `cut`
 * (truncated, and empty); `short` (truncated, with some addresses); `otherid` (the id of another query); `overrun`
 * (more records in the header than in the message); `none`; `ttl0`. Any other label has addresses.
 */
export function answerOf(query: Buffer): Buffer | undefined {
  const { label, type, end } = questionOf(query);
  if (label === "none") return undefined;
  if (label === "garbage") return Buffer.from("garbage");
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(0x8180 | (RCODES[label] ?? 0), 2);
  head.writeUInt16BE(0, 10);
  if (label === "otherid") head.writeUInt16BE((head.readUInt16BE(0) + 1) & 0xffff, 0);
  if (label === "cut" || label === "short") head.writeUInt16BE(0x8380, 2);
  if (label === "overrun") head.writeUInt16BE(2, 6);
  if (label in RCODES || ["nodata", "cut", "overrun"].includes(label)) return head;
  const addresses = type === A ? [ipv4(2), ipv4(1)] : type === AAAA ? [Buffer.from(`${"00".repeat(15)}01`, "hex")] : [];
  head.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(label === "ttl0" ? 0 : TTL_SECONDS, 6);
    record.writeUInt16BE(address.length, 10);
    return Buffer.concat([record, address]);
  });
  return Buffer.concat([head, ...records]);
}

/** Opens the resolver over UDP; `after` runs before each answer is sent. */
export async function dnsServer(after: () => void = () => {}): Promise<DnsServer> {
  const counts = new Map<string, number>();
  const peer = await udpPeer((query, from, socket) => {
    const { name } = questionOf(query);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const answer = answerOf(query);
    after();
    if (answer !== undefined) socket.send(answer, from.port, from.address);
  });
  return { ...peer, queryCount: (name) => counts.get(name) ?? 0 };
}

/** Opens the resolver over TCP, which sends its answers a byte or two at a time. */
export function dnsTcpServer(): Promise<Peer> {
  return tcpPeer((socket) => {
    socket.once("data", (bytes) => {
      const answer = answerOf(Buffer.from(bytes).subarray(2));
      if (answer === undefined) return;
      const prefix = Buffer.alloc(2);
      prefix.writeUInt16BE(answer.length);
      socket.write(prefix.subarray(0, 1));
      socket.write(Buffer.concat([prefix.subarray(1), answer]));
    });
  });
}

function questionOf(query: Buffer): { name: string; label: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), label: labels[0] ?? "", type: query.readUInt16BE(at + 1), end: at + 5 };
}

function ipv4(last: number): Buffer {
  return Buffer.from([127, 0, 0, last]);
}
