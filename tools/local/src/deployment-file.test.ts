import { expect, it } from "vitest";
import { realDeployment } from "./deployment-file.ts";

it.each([
  ["acme.omni.siderolabs.io", "https://acme.omni.siderolabs.io", "saas"],
  ["https://acme.omni.siderolabs.io/", "https://acme.omni.siderolabs.io/", "saas"],
  ["omni.example:8443", "https://omni.example:8443", "on-prem"],
])("the deployment of an Omni at %s", (typed, api, kind) => {
  const deployment = realDeployment({ api: typed, machineApi: undefined, siderolink: [], caFile: undefined });
  expect(deployment).toMatchObject({ kind, omni: { api } });
});
