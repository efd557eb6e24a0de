import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ErrorEstimate } from "./error-estimate.ts";
import {
  AUTHENTICATED_BYTES,
  decodeReflected,
  decodeSender,
  encodeReflected,
  encodeSender,
  type ReflectedPacket,
  type SenderPacket,
  UNAUTHENTICATED_BYTES,
} from "./packet.ts";
import { padded } from "./padding.ts";

const estimates: fc.Arbitrary<ErrorEstimate> = fc.record({
  synchronised: fc.boolean(),
  format: fc.constant("ntp" as const),
  scale: fc.nat(63),
  multiplier: fc.integer({ min: 1, max: 255 }),
});
const timestamps = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const senders: fc.Arbitrary<SenderPacket> = fc.record({
  sequence: fc.nat(0xffff_ffff),
  sentAt: timestamps,
  errorEstimate: estimates,
});
const replies: fc.Arbitrary<ReflectedPacket> = fc.record({
  sequence: fc.nat(0xffff_ffff),
  sentAt: timestamps,
  errorEstimate: estimates,
  receivedAt: timestamps,
  sender: senders,
  senderTtl: fc.nat(255),
});
const keys = fc.option(fc.uint8Array({ minLength: 16, maxLength: 64 }), { nil: undefined });

const estimate: ErrorEstimate = { synchronised: true, format: "ntp", scale: 5, multiplier: 7 };
const request: SenderPacket = { sequence: 0x80000001, sentAt: 0x0102030405060708n, errorEstimate: estimate };
const reply: ReflectedPacket = {
  ...request,
  sentAt: 0x1112131415161718n,
  receivedAt: 0x2122232425262728n,
  sender: request,
  senderTtl: 61,
};
const key = new Uint8Array(32).fill(9);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("STAMP packets", () => {
  it("decode what was encoded, in either mode and direction", () => {
    fc.assert(
      fc.property(senders, keys, (packet, secret) => {
        expect(decodeSender(encodeSender(packet, secret), secret)).toEqual({ kind: "ok", packet });
      }),
    );
    fc.assert(
      fc.property(replies, keys, (packet, secret) => {
        expect(decodeReflected(encodeReflected(packet, secret), secret)).toEqual({ kind: "ok", packet });
      }),
    );
  });

  it("never throw on random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), keys, (bytes, secret) => {
        expect(["ok", "malformed"]).toContain(decodeSender(bytes, secret).kind);
        expect(["ok", "malformed"]).toContain(decodeReflected(bytes, secret).kind);
      }),
    );
  });

  it("have the layout of RFC 8762 figures 3 and 5", () => {
    expect(hex(encodeSender(request))).toBe(`80000001${"0102030405060708"}8507${"00".repeat(30)}`);
    expect(hex(encodeReflected(reply))).toBe(
      `80000001${"1112131415161718"}85070000${"2122232425262728"}80000001${"0102030405060708"}850700003d000000`,
    );
  });

  it("have the layout of RFC 8762 figures 4 and 6", () => {
    const sender = hex(encodeSender(request, key));
    expect(sender.slice(0, 192)).toBe(`80000001${"00".repeat(12)}${"0102030405060708"}8507${"00".repeat(70)}`);
    const reflected = hex(encodeReflected(reply, key));
    expect(reflected.slice(0, 192)).toBe(
      `80000001${"00".repeat(12)}${"1112131415161718"}8507${"00".repeat(6)}${"2122232425262728"}${"00".repeat(8)}` +
        `80000001${"00".repeat(12)}${"0102030405060708"}8507${"00".repeat(6)}3d${"00".repeat(15)}`,
    );
    expect([sender.length, reflected.length]).toEqual([AUTHENTICATED_BYTES * 2, AUTHENTICATED_BYTES * 2]);
  });

  it("carry the first 16 bytes of HMAC-SHA-256 over the first 96 (RFC 8762 §4.4)", async () => {
    const { createHmac } = await import("node:crypto");
    const bytes = encodeSender(request, key);
    const whole = createHmac("sha256", key).update(bytes.subarray(0, 96)).digest();
    expect(hex(bytes.subarray(96))).toBe(hex(whole.subarray(0, 16)));
  });

  it("are refused when a covered bit or the key differs", () => {
    fc.assert(
      fc.property(fc.nat(AUTHENTICATED_BYTES * 8 - 1), (bit) => {
        const bytes = encodeSender(request, key);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(decodeSender(bytes, key)).toEqual({ kind: "malformed", reason: "unauthentic" });
      }),
    );
    expect(
      decodeSender(
        encodeSender(request, key),
        key.map(() => 8),
      ),
    ).toEqual({
      kind: "malformed",
      reason: "unauthentic",
    });
  });

  it.each([
    ["one byte short", encodeSender(request).subarray(1), undefined, "short"],
    ["unauthenticated where a key is required", encodeSender(request), key, "short"],
    ["an error multiplier of zero", withByte(encodeSender(request), 13, 0), undefined, "error-estimate"],
    ["PTPv2 timestamps", withByte(encodeSender(request), 12, 0xc5), undefined, "timestamp-format"],
  ])("are malformed: %s", (_, bytes, secret, reason) => {
    expect(decodeSender(bytes, secret)).toEqual({ kind: "malformed", reason });
  });

  it("are never a request when they are a reply, whatever their fields and padding", () => {
    fc.assert(
      fc.property(replies, keys, fc.nat(200), (packet, secret, extraBytes) => {
        const bytes = encodeReflected(packet, secret);
        const longer = padded(bytes, bytes.byteLength + extraBytes);
        expect(decodeSender(longer, secret)).toEqual({ kind: "malformed", reason: "reply" });
      }),
    );
  });

  it.each([
    ["STAMP with a session id (RFC 8972 §3)", withBytes(encodeSender(request), 14, [0xbe, 0xef]), "request"],
    ["TWAMP Light with random padding", withBytes(encodeSender(request), 14, randomLike(30)), "request"],
    ["TWAMP Light with a pattern for padding", withBytes(encodeSender(request), 14, Array(30).fill(0xab)), "request"],
    ["a reply with a session id", withBytes(encodeReflected(reply), 14, [0xbe, 0xef]), "reply"],
    ["a TWAMP reply with random padding after the TTL", withBytes(encodeReflected(reply), 41, [1, 2, 3]), "reply"],
    ["a reply of a reflector without a clock", encodeReflected({ ...reply, receivedAt: 0n }), "reply"],
    ["a reply that was sent back unchanged", encodeReflected(reply), "reply"],
  ])("of other implementations are recognised as request or reply: %s", (_, bytes, kind) => {
    const decoded = decodeSender(bytes);
    expect(decoded).toEqual(
      kind === "reply" ? { kind: "malformed", reason: "reply" } : { kind: "ok", packet: request },
    );
  });

  it("ignore what follows the base packet (RFC 8972)", () => {
    const longer = new Uint8Array(UNAUTHENTICATED_BYTES + 20).fill(0xee);
    longer.set(encodeSender(request));
    expect(decodeSender(longer)).toEqual({ kind: "ok", packet: request });
  });
});

/** Bytes without a pattern, the same in each run. */
function randomLike(count: number): number[] {
  return [...createHash("sha512").update("padding").digest().subarray(0, count)];
}

function withBytes(bytes: Uint8Array, at: number, values: readonly number[]): Uint8Array {
  bytes.set(values, at);
  return bytes;
}

function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  bytes[at] = value;
  return bytes;
}
