import { describe, expect, it } from "vitest";
import { closest } from "./requirement-pattern.ts";

describe("a pattern that matches nothing", () => {
  it("names close ids, nearest first, and never more than five", () => {
    const ids = ["node-gcr", "node-ghcr", "node-gcr-blobs", "machine-api", "omni-vault", "node-time"];
    expect(closest("node-gcr", ids).slice(0, 2)).toEqual(["node-gcr", "node-gcr-blobs"]);
    expect(closest("machnie-api", ids)).toEqual(["machine-api"]);
    expect(closest("zzz", ids)).toHaveLength(3);
    expect(closest("", [...ids, "a", "b"])).toHaveLength(5);
  });
});
