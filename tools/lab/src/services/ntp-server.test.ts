import { describe, expect, it } from "vitest";
import { answerTo } from "./ntp-server.ts";

function query(mode: number): Buffer {
  const bytes = Buffer.alloc(48);
  bytes[0] = 0x20 | mode;
  bytes.write("transmit", 40, "latin1");
  return bytes;
}

describe("the time server", () => {
  it("answers a client with its own time and the client's transmit timestamp", () => {
    const answer = answerTo(query(3), Date.UTC(1970, 0, 1, 0, 0, 1, 500));
    expect(answer?.[0]).toBe(0x24);
    expect(answer?.toString("latin1", 24, 32)).toBe("transmit");
    expect([answer?.readUInt32BE(40), answer?.readUInt32BE(44)]).toEqual([2_208_988_801, 2 ** 31]);
  });

  it.each([query(4), Buffer.alloc(0), query(3).subarray(0, 47)])("answers nothing else: %#", (other) => {
    expect(answerTo(other, 0)).toBeUndefined();
  });
});
