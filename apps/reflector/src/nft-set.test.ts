import { describe, expect, it } from "vitest";
import { readElements } from "./nft-set.ts";

describe("a set of nftables", () => {
  it("gives its elements with their counters", () => {
    const elem = {
      elem: { val: { concat: ["2001:db8::1", 51_820] }, expires: 3, counter: { packets: 9, bytes: 900 } },
    };
    const json = JSON.stringify({
      nftables: [{ metainfo: {} }, { set: { name: "received6", elem: [elem, { elem: {} }, "x"] } }],
    });
    expect(readElements(json)).toEqual([{ address: "2001:db8::1", port: 51_820, packets: 9 }]);
  });

  it("gives no element when it is empty", () => {
    expect(readElements('{"nftables":[{"metainfo":{}},{"set":{"name":"received4"}}]}')).toEqual([]);
  });
});
