import { describe, expect, it } from "vitest";
import { readFaultRequest } from "./listener-fault.ts";

describe("a fault request", () => {
  it("is read when both words are known", () => {
    expect(readFaultRequest({ listener: "machine-api", fault: "drop" })).toEqual({
      listener: "machine-api",
      fault: "drop",
    });
  });

  it.each<[unknown, string]>([
    [null, 'request: null is not an object; expected {"listener": …, "fault": …}'],
    [[], 'request: [] is not an object; expected {"listener": …, "fault": …}'],
    ["drop", 'request: "drop" is not an object; expected {"listener": …, "fault": …}'],
    [{}, "listener: missing; expected one of api, machine-api, siderolink, all"],
    [{ listener: "api" }, "fault: missing; expected one of none, refuse, drop, stall"],
    [
      { listener: "machine", fault: "drop" },
      'listener: "machine" is not one; expected one of api, machine-api, siderolink, all',
    ],
    [{ listener: "api", fault: "DROP" }, 'fault: "DROP" is not one; expected one of none, refuse, drop, stall'],
    [{ listener: "api", fault: 7 }, "fault: 7 is not one; expected one of none, refuse, drop, stall"],
    [{ listener: "api", fault: "drop", forMs: 5 }, '"forMs": unknown key; expected listener, fault'],
    [
      { listener: "x".repeat(100), fault: "drop" },
      `listener: "${"x".repeat(63)}… is not one; expected one of api, machine-api, siderolink, all`,
    ],
  ])("%j is refused, saying what would be right", (value, message) => {
    expect(() => readFaultRequest(value)).toThrow(expect.objectContaining({ code: "bad-input", message }));
  });
});
