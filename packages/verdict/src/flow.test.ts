import { describe, expect, it } from "vitest";
import { withFlow } from "./flow.ts";
import {
  DNS,
  entryOf,
  LINK,
  lookbackOf,
  NOW_MS,
  rememberedOf,
  TCP,
  targetOf,
  UDP,
} from "./testing/judgement-fixture.ts";

const ENDS = { address: "203.0.113.7", localAddress: "10.3.0.7" };
const seen = (evidence: object = ENDS) => ({ own: { seen: rememberedOf("timeout", NOW_MS, evidence) } });
const unmet = { verdict: "unmet", cause: "timeout", nextStep: "Do." } as const;

describe("the flow of a next step", () => {
  it.each([
    [
      "names both ends with address, transport, port and family",
      entryOf(targetOf(TCP), { ...unmet, ...seen() }),
      "Do. Flow: from 10.3.0.7 (node a1) to omni.test (203.0.113.7) TCP 443, IPv4.",
    ],
    [
      "leaves out an address that no sample shows",
      entryOf(targetOf(TCP, { family: 6 }), { ...unmet, ...seen({}) }),
      "Do. Flow: from node a1 to omni.test TCP 443, IPv6.",
    ],
    [
      "takes the source of the last sample where the fault's own has none",
      entryOf(targetOf(TCP), {
        ...unmet,
        own: {
          seen: rememberedOf("timeout", NOW_MS, { address: "203.0.113.7" }),
          lookback: lookbackOf({}, { last: rememberedOf("answered", NOW_MS, ENDS) }),
        },
      }),
      "Do. Flow: from 10.3.0.7 (node a1) to omni.test (203.0.113.7) TCP 443, IPv4.",
    ],
    [
      "goes back where the answers are blocked",
      entryOf(targetOf(UDP, { port: 50_180 }), { ...unmet, cause: "return-path-blocked", ...seen() }),
      "Do. Flow: from omni.test (203.0.113.7) UDP 50180 to 10.3.0.7 (node a1), IPv4.",
    ],
    [
      "ends at the proxy where that fails",
      entryOf(targetOf(TCP, { proxy: { host: "proxy.test", port: 3_128 } }), { ...unmet, cause: "proxy", ...seen() }),
      "Do. Flow: from 10.3.0.7 (node a1) to proxy.test (203.0.113.7) TCP 3128, IPv4.",
    ],
    [
      "begins at the proxy where that works",
      entryOf(targetOf(TCP, { proxy: { host: "proxy.test", port: 3_128 } }), { ...unmet, ...seen() }),
      "Do. Flow: from the proxy proxy.test:3128 to omni.test TCP 443, IPv4.",
    ],
    [
      "names an address once",
      entryOf(targetOf(DNS, { host: "192.0.2.53", port: 53 }), { ...unmet, ...seen({ address: "192.0.2.53" }) }),
      "Do. Flow: from node a1 to 192.0.2.53 UDP 53, IPv4.",
    ],
    [
      "is left out where no path is at fault",
      entryOf(targetOf(TCP), { ...unmet, cause: "tls-expired", ...seen() }),
      "Do.",
    ],
    ["is left out inside the tunnel", entryOf(targetOf(TCP, { inTunnel: true }), { ...unmet, ...seen() }), "Do."],
    ["is left out for an interface", entryOf(targetOf(LINK), { ...unmet, cause: "udp-blocked", ...seen() }), "Do."],
    ["is left out where nothing is to do", entryOf(targetOf(TCP), seen()), ""],
  ])("%s", (_, entry, step) => {
    expect(withFlow(entry, "a1")).toBe(step);
  });

  it("has only the address of a node without a name, and is left out where neither is known", () => {
    expect(withFlow(entryOf(targetOf(TCP), { ...unmet, ...seen() }), undefined)).toContain("from 10.3.0.7 to omni");
    expect(withFlow(entryOf(targetOf(TCP), { ...unmet, ...seen({}) }), undefined)).toBe("Do.");
  });
});
