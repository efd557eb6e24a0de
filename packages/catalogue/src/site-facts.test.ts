import { describe, expect, it } from "vitest";
import type { NodeFacts } from "./condition.ts";
import { type DeploymentFlags, deploymentFrom } from "./deployment.ts";
import { siteFactsOf } from "./site-facts.ts";

const FACTS: NodeFacts = { nodeId: "n", roles: ["talos-node"], families: [4] };
const of = (facts: Partial<NodeFacts>, flags: Partial<DeploymentFlags> = { machineApi: "https://Omni.test:8090" }) =>
  siteFactsOf(deploymentFrom({ api: "https://omni.test", siderolink: [], ...flags }), { ...FACTS, ...facts });

describe("the facts of a site", () => {
  it("report certificates two weeks ahead, and know no gateway, by default", () => {
    expect(of({})).toEqual({ inspectionCas: [], certificateEndsSoonMs: 1_209_600_000, gateways: [] });
    expect(of({ gateways: ["10.0.0.1"] }).gateways).toEqual(["10.0.0.1"]);
  });

  it.each([
    ["no argument", {}, undefined],
    ["the deployment's own", { machineApi: "https://omni.test:8090" }, undefined],
    ["the same in cleartext", { machineApi: "grpc://OMNI.test:8090" }, undefined],
    ["the same with a dot", { machineApi: "https://omni.test.:8090" }, undefined],
    ["another host", { machineApi: "https://b.test:8090" }, { given: "b.test:8090", named: "omni.test:8090" }],
    ["another port", { machineApi: "https://omni.test:443" }, { given: "omni.test:443", named: "omni.test:8090" }],
  ])("compare the Machine API of the node: %s", (_, facts, otherOmni) => {
    expect(of(facts).otherOmni).toEqual(otherOmni);
  });

  it("compare nothing where the deployment names no Machine API", () => {
    expect(of({ machineApi: "https://b.test:8090" }, {}).otherOmni).toBeUndefined();
  });
});
