import { describe, expect, it } from "vitest";
import {
  contextOf,
  type EntryParts,
  entryOf,
  NOW_MS,
  rememberedOf,
  siteOf,
  TLS,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withHairpin } from "./hairpin.ts";

const GATEWAY = "10.0.0.1";
function after(parts: EntryParts, target: Parameters<typeof targetOf>[1] = {}, address = GATEWAY) {
  const own = { seen: rememberedOf("tls-untrusted", NOW_MS, { address }) };
  const entry = entryOf(targetOf(TLS, target), { verdict: "unmet", cause: "tls-untrusted", ...parts, own });
  return withHairpin(entry, [entry], contextOf({ site: siteOf(undefined, { gateways: ["2001:db8::1", GATEWAY] }) }));
}

describe("a name that leads to the node's own gateway", () => {
  it("is a hairpin where the target fails", () => {
    expect(after({})).toMatchObject({
      verdict: "unmet",
      cause: "hairpin",
      evidence:
        "Seen. omni.test resolves to 10.0.0.1, this node's default gateway: the router answers in place of omni.test.",
      nextStep: expect.stringMatching(
        /^Network team: give the router 10\.0\.0\.1 NAT loopback \(hairpin\) for omni\.test, or/,
      ),
    });
  });

  it("is one over IPv6, however the address is written", () => {
    expect(after({}, { family: 6 }, "2001:DB8:0::1").cause).toBe("hairpin");
  });

  it("is a captive portal's at a host of somebody else", () => {
    expect(after({ thirdParty: true }).nextStep).toMatch(/captive portal or DNS filter\.$/);
  });

  it.each<[string, ReturnType<typeof after>]>([
    ["answers", after({ verdict: "met", cause: "none" })],
    ["is written as an address", after({}, { host: GATEWAY })],
    ["resolves elsewhere", after({}, {}, "10.0.0.2")],
    ["is not resolved", after({ cause: "dns-timeout" })],
    ["is reached through a proxy", after({}, { proxy: { host: "proxy.test", port: 3128 } })],
  ])("is none where the target %s", (_, entry) => {
    expect(entry.cause).not.toBe("hairpin");
  });
});
