import { describe, expect, it } from "vitest";
import { readEchoes, readHandshakes, readStamps } from "./captured-exchange.ts";
import { echo, ipv4, tcp } from "./testing/capture-file.ts";

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const SYN = 0x02;
const ACK = 0x10;
const RST = 0x04;
const SERVER = 7_000;

const seen = (...packets: readonly Buffer[]) => packets.map((bytes, index) => ({ atNs: BigInt(index * 1_000), bytes }));
const segment = (...parts: Parameters<typeof tcp>) => ipv4(TCP, tcp(...parts));

/** A STAMP datagram (RFC 8762): the sender's number where requests have it, and where replies copy it. */
function stamp(from: number, to: number, sequence: number, senderSequence = 0): Buffer {
  const bytes = Buffer.alloc(52);
  bytes.writeUInt16BE(from, 0);
  bytes.writeUInt16BE(to, 2);
  bytes.writeUInt32BE(sequence, 8);
  bytes.writeUInt32BE(senderSequence, 32);
  return ipv4(UDP, bytes);
}

describe("STAMP packets of a capture", () => {
  it("are a request and the reply that copies its number, with any number of the reflector's own", () => {
    const packets = seen(
      stamp(40_001, SERVER, 0x8000_0001),
      stamp(40_001, SERVER, 0x8000_0002),
      stamp(SERVER, 40_001, 0x8000_0000, 0x8000_0002),
      stamp(SERVER, 40_001, 0x8000_0001, 0x8000_0001),
      stamp(SERVER, 40_002, 0x8000_0001, 0x8000_0001),
    );
    expect(readStamps(packets, SERVER)).toEqual([
      { name: 0x8000_0001, sentNs: 0n, rttNs: 3_000, requests: 1 },
      { name: 0x8000_0002, sentNs: 1_000n, rttNs: 1_000, requests: 1 },
    ]);
  });
});

describe("handshakes of a capture", () => {
  it("are SYN to SYN-ACK of the same port and number, with any packets between", () => {
    const packets = seen(
      segment(40_001, SERVER, SYN, 100),
      segment(40_002, SERVER, SYN, 0xffffffff),
      segment(SERVER, 40_002, SYN | ACK, 5, 0),
      segment(SERVER, 40_001, SYN | ACK, 6, 101),
      segment(40_001, SERVER, ACK, 101, 7),
      segment(40_001, SERVER, RST | ACK, 101, 7),
    );
    expect(readHandshakes(packets, SERVER)).toEqual([
      { name: 40_001, sentNs: 0n, rttNs: 3_000, requests: 1 },
      { name: 40_002, sentNs: 1_000n, rttNs: 1_000, requests: 1 },
    ]);
  });

  it("count a SYN that was sent again, and a port used again is another handshake", () => {
    const packets = seen(
      segment(40_001, SERVER, SYN, 100),
      segment(40_001, SERVER, SYN, 100),
      segment(SERVER, 40_001, SYN | ACK, 6, 101),
      segment(40_001, SERVER, SYN, 900),
    );
    expect(readHandshakes(packets, SERVER)).toEqual([
      { name: 40_001, sentNs: 0n, rttNs: 2_000, requests: 2 },
      { name: 40_001, sentNs: 3_000n, rttNs: undefined, requests: 1 },
    ]);
  });

  it("take the first answer, and none with another number", () => {
    const packets = seen(
      segment(40_001, SERVER, SYN, 100),
      segment(SERVER, 40_001, SYN | ACK, 6, 777),
      segment(SERVER, 40_001, SYN | ACK, 6, 101),
      segment(SERVER, 40_001, SYN | ACK, 6, 101),
    );
    expect(readHandshakes(packets, SERVER)).toMatchObject([{ rttNs: 2_000 }]);
  });

  it("leave out other ports, other protocols, later fragments, IPv6 and empty packets", () => {
    const packets = seen(
      segment(40_001, SERVER + 1, SYN, 100),
      ipv4(UDP, tcp(40_001, SERVER, SYN, 100)),
      ipv4(TCP, tcp(40_001, SERVER, SYN, 100), { fragmentOffset: 1 }),
      Buffer.concat([Buffer.from([0x60]), segment(40_001, SERVER, SYN, 100)]),
      Buffer.alloc(0),
    );
    expect(readHandshakes(packets, SERVER)).toEqual([]);
  });

  it("read past IP options", () => {
    const packets = seen(ipv4(TCP, tcp(40_001, SERVER, SYN, 100), { options: 2 }));
    expect(readHandshakes(packets, SERVER)).toHaveLength(1);
  });

  it.each([
    ["half an IP header", segment(40_001, SERVER, SYN, 100).subarray(0, 19), 19],
    ["half a TCP header", segment(40_001, SERVER, SYN, 100).subarray(0, 39), 39],
    [
      "an IP header said to be shorter than it can be",
      Buffer.concat([Buffer.from([0x44]), segment(1, 2, SYN, 3).subarray(1)]),
      40,
    ],
  ])("refuse %s", (_, packet, bytes) => {
    expect(() => readHandshakes(seen(packet), SERVER)).toThrow(
      expect.objectContaining({
        code: "malformed-capture",
        message: `capture: an IPv4 packet of ${bytes} bytes lacks part of its headers`,
      }),
    );
  });
});

describe("echoes of a capture", () => {
  it("are request to reply of the same identifier and sequence number", () => {
    const packets = seen(
      ipv4(ICMP, echo(8, 7, 0)),
      ipv4(ICMP, echo(8, 7, 1)),
      ipv4(ICMP, echo(0, 8, 1)),
      ipv4(ICMP, echo(3, 7, 1)),
      ipv4(ICMP, echo(0, 7, 1)),
    );
    expect(readEchoes(packets)).toEqual([
      { name: 0, sentNs: 0n, rttNs: undefined, requests: 1 },
      { name: 1, sentNs: 1_000n, rttNs: 3_000, requests: 1 },
    ]);
  });
});
