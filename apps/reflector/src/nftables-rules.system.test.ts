import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { nftablesRules } from "./nftables-rules.ts";

const canNft = spawnSync("unshare", ["-n", "nft", "list", "ruleset"]).status === 0 || process.env["CI"] === "true";

describe("the nftables rules of a shared port", () => {
  // Without root or nft there is no namespace to load them in.
  it.skipIf(!canNft).each([true, false])("load in nft, and load again in their own place (witness: %s)", (witness) => {
    const rules = nftablesRules({ port: 50180, reflectorPort: 862, witness });
    const loaded = spawnSync("unshare", ["-n", "nft", "-f", "-"], { input: rules + rules, encoding: "utf8" });
    expect(loaded.stderr).toBe("");
    expect(loaded.status).toBe(0);
  });

  it("count sources only for a witness", () => {
    expect(nftablesRules({ port: 50180, reflectorPort: 862, witness: false })).not.toContain("received4");
  });
});
