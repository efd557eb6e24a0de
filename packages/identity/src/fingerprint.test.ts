import { describe, expect, it } from "vitest";
import { fingerprintOf, readFingerprint } from "./fingerprint.ts";

describe("a fingerprint", () => {
  it("is the SHA-256 of the DER", () => {
    // NIST: SHA-256 of the empty message.
    expect(fingerprintOf(new Uint8Array())).toBe(
      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
  });

  const plain = fingerprintOf(new Uint8Array([1]));
  const hex = plain.slice("sha256:".length);
  it.each([
    ["as it is printed", plain, plain],
    ["in capitals with colons, as openssl prints it", `SHA256:${hex.toUpperCase().match(/../g)?.join(":")}`, plain],
    ["without its scheme", hex, undefined],
    ["too short", plain.slice(0, -1), undefined],
    ["of another digest", `sha1:${hex}`, undefined],
  ])("is read %s", (_, text, expected) => {
    expect(readFingerprint(text)).toBe(expected);
  });
});
