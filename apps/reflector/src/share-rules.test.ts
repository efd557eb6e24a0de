import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { shareRules } from "./share-rules.ts";

const canNft = spawnSync("unshare", ["-n", "nft", "list", "ruleset"]).status === 0 || process.env["CI"] === "true";

describe("the rules that share a port", () => {
  // Without root or nft there is no namespace to load them in.
  it.skipIf(!canNft).each([true, false])("are taken by nft, and again over themselves (witness: %s)", (witness) => {
    const rules = shareRules({ port: 50180, reflectorPort: 862, witness });
    const loaded = spawnSync("unshare", ["-n", "nft", "-f", "-"], { input: rules + rules, encoding: "utf8" });
    expect(loaded.stderr).toBe("");
    expect(loaded.status).toBe(0);
  });

  it("count only for a witness", () => {
    expect(shareRules({ port: 50180, reflectorPort: 862, witness: false })).not.toContain("heard4");
  });
});
