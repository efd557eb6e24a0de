import type { ProbeOptions } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  contextOf,
  type EntryParts,
  entryOf,
  NOW_MS,
  PRIVATE_TLS,
  rememberedOf,
  siteOf,
  TLS,
  targetOf,
  UDP,
} from "../testing/judgement-fixture.ts";
import { withOtherOmni } from "./other-omni.ts";

const BOTH = { given: "b.test:8090", named: "a.test:8090" };
const FACT = "This node was given the Machine API b.test:8090 (siderolink.api); the deployment names a.test:8090.";

function at(
  service: "api" | "machine-api" | "siderolink",
  options: ProbeOptions,
  address: string,
  parts: EntryParts = {},
) {
  const own = { seen: rememberedOf("answered", NOW_MS, { address }) };
  return entryOf(targetOf(options, { host: "b.test", port: 8090 }), { service, ...parts, own });
}
function after(entry: Entry, others: readonly Entry[] = [], otherOmni: typeof BOTH | undefined = BOTH) {
  const site = siteOf(undefined, otherOmni === undefined ? {} : { otherOmni });
  return withOtherOmni(entry, [entry, ...others], contextOf({ site }));
}
const UNTRUSTED = { verdict: "unmet", cause: "tls-untrusted" } as const;

describe("a node that was given another Omni", () => {
  it("has both names in evidence and next step, and no interception", () => {
    expect(after(at("machine-api", PRIVATE_TLS, "10.0.0.2", UNTRUSTED))).toMatchObject({
      verdict: "unmet",
      cause: "other-omni",
      evidence: `Seen. ${FACT}`,
      nextStep:
        "Node owner: the node was given another Omni, b.test:8090: boot it with a.test:8090 as siderolink.api; deployment owner: or, if b.test:8090 is the right one, name it as omni.machineApi.",
    });
  });

  it("is degraded where that Omni answers", () => {
    expect(after(at("machine-api", TLS, "10.0.0.2"))).toMatchObject({ verdict: "degraded", cause: "other-omni" });
  });

  it.each<[string, Entry, readonly Entry[], typeof BOTH]>([
    ["the deployment's own CA", at("machine-api", PRIVATE_TLS, "10.0.0.2"), [], BOTH],
    ["the address of its API", at("machine-api", TLS, "10.0.0.2"), [at("api", TLS, "10.0.0.2")], BOTH],
  ])("is not one whose name leads to one server: %s", (_, entry, others, both) => {
    const found = after(entry, others, both);
    expect(found).toMatchObject({ verdict: "met", cause: "none", evidence: `Seen. ${FACT} Both lead to one server.` });
  });

  it.each<[string, Entry, readonly Entry[], typeof BOTH]>([
    ["another address", at("machine-api", TLS, "10.0.0.2"), [at("api", TLS, "10.0.0.3")], BOTH],
    [
      "another port at one address",
      at("machine-api", TLS, "10.0.0.2"),
      [at("api", TLS, "10.0.0.2")],
      { ...BOTH, given: "b.test:8091" },
    ],
  ])("is one by %s", (_, entry, others, both) => {
    expect(after(entry, others, both).cause).toBe("other-omni");
  });

  it("has a tunnel that proves nothing about the deployment's endpoint", () => {
    const machine = after(at("machine-api", TLS, "10.0.0.2"));
    const found = after(at("siderolink", UDP, "10.0.0.9"), [machine]);
    expect(found).toMatchObject({ verdict: "unknown", cause: "other-omni", followsFrom: machine.target.id });
  });

  it("changes nothing where it does not apply", () => {
    const machine = at("machine-api", TLS, "10.0.0.2");
    expect(withOtherOmni(machine, [machine], contextOf())).toBe(machine);
    const api = at("api", TLS, "10.0.0.2");
    expect(after(api)).toBe(api);
    const port = at("siderolink", UDP, "10.0.0.9");
    expect(after(port)).toBe(port);
  });
});
