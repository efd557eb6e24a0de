import { describe, expect, it } from "vitest";
import { labPage } from "./pages.ts";

describe("a registry of the lab", () => {
  it.each([
    ["its base", "/v2/", "application/json"],
    ["an image", "/v2/a/b/manifests/v1", "application/vnd.oci.image.index.v1+json"],
  ])("answers for %s as the specifications say", (_, path, type) => {
    expect(labPage("ok", "GET", path, "ghcr.io")).toMatchObject({ status: 200, type });
  });
});
