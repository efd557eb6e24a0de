import { describe, expect, it } from "vitest";
import { loadCatalogue } from "./bundled.ts";
import { parseDeployment } from "./deployment.ts";
import { CatalogueError } from "./error.ts";
import { refuseUnmatchedMirrors } from "./mirror-names.ts";

function refusal(...replaces: string[]): string {
  const mirrors = replaces.map((host, at) => `    - { replaces: "${host}", with: "https://mirror${at}.example" }`);
  const yaml = `version: 1
name: n
kind: on-prem
omni: { api: "https://omni.example" }
airGapped:
  mirrors:
${mirrors.join("\n")}
`;
  const deployment = parseDeployment("d.yaml", yaml, () => "");
  try {
    refuseUnmatchedMirrors("d.yaml", deployment, loadCatalogue("v1.14"));
    return "";
  } catch (error) {
    if (error instanceof CatalogueError && error.code === "unknown-host") return error.message;
    throw error;
  }
}

describe("a mirror", () => {
  it.each([["ghcr.io"], ["GHCR.io"], ["*.r2.cloudflarestorage.com"], ["raw.githubusercontent.com"]])(
    "may replace %s, which a row names",
    (host) => expect(refusal(host)).toBe(""),
  );

  it.each([["time.cloudflare.com"], ["1.1.1.1"]])("of Talos's server %s is refused, with the key to use", (host) => {
    expect(refusal(host)).toMatch(/name resolvers and time servers of the site under network$/);
  });

  it.each(["docker.io", "quay.io", "mcr.microsoft.com", "k8s.gcr.io"])(
    "of %s is refused without a name that was not meant",
    (host) => {
      expect(refusal(host)).toBe(
        `d.yaml: airGapped.mirrors[0].replaces: got "${host}", want a host or wildcard of catalogue v1.14`,
      );
    },
  );

  it("of a host that no row names is refused, with the nearest one", () => {
    expect(refusal("ghcr.oi", "ghcr.io", "*.githubusercontent.co")).toBe(
      [
        'd.yaml: airGapped.mirrors[0].replaces: got "ghcr.oi", want a host or wildcard of catalogue v1.14; the nearest is ghcr.io',
        'd.yaml: airGapped.mirrors[2].replaces: got "*.githubusercontent.co", want a host or wildcard of catalogue v1.14; the nearest is *.githubusercontent.com',
      ].join("\n"),
    );
  });
});
