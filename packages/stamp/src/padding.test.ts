import fc from "fast-check";
import { expect, it } from "vitest";
import { OWN_ERROR_ESTIMATE } from "./error-estimate.ts";
import { decodeReflected, decodeSender, encodeReflected, encodeSender } from "./packet.ts";
import { padded, paddedLike } from "./padding.ts";
import { reflect } from "./reflect.ts";
import { sequenceAt } from "./sequence.ts";

const request = { sequence: sequenceAt(3), sentAt: 7n, errorEstimate: OWN_ERROR_ESTIMATE };
const keys = fc.option(fc.uint8Array({ minLength: 16, maxLength: 64 }), { nil: undefined });

it("a padded request is read like its base, and its reply is exactly as long, in either mode", () => {
  fc.assert(
    fc.property(keys, fc.nat(1_500), fc.nat(0x7fff_ffff), (key, extraBytes, count) => {
      const base = encodeSender(request, key);
      const bytes = padded(base, base.byteLength + extraBytes);
      expect(bytes.byteLength).toBe(base.byteLength + extraBytes);
      expect(decodeSender(bytes, key)).toEqual({ kind: "ok", packet: request });
      const answer = { ...reflect(request, 1n, 2n), sequence: sequenceAt(count) };
      const reply = paddedLike(encodeReflected(answer, key), bytes);
      expect(reply.byteLength).toBe(bytes.byteLength);
      expect(reply.subarray(base.byteLength)).toEqual(bytes.subarray(base.byteLength));
      expect(decodeReflected(reply, key)).toEqual({ kind: "ok", packet: answer });
    }),
  );
});

it("the padding is one Extra Padding TLV, or zeros where no TLV fits (RFC 8972 §4.1)", () => {
  const base = encodeSender(request);
  expect([...padded(base, base.byteLength + 6).subarray(base.byteLength)]).toEqual([0x80, 1, 0, 2, 0, 0]);
  expect([...padded(base, base.byteLength + 3).subarray(base.byteLength)]).toEqual([0, 0, 0]);
});
