import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { readRelease } from "./release.ts";

const root = resolve(import.meta.dirname, "../../..");

describe("readRelease", () => {
  it("takes the time of every file from SOURCE_DATE_EPOCH", async () => {
    const { createdSeconds, annotations } = await readRelease(root, { SOURCE_DATE_EPOCH: "1700000000" });
    expect(createdSeconds).toBe(1_700_000_000);
    expect(annotations("made")).toMatchObject({
      "org.opencontainers.image.title": "made",
      "org.opencontainers.image.version": expect.stringMatching(/^\d+\.\d+\.\d+$/),
      "org.opencontainers.image.licenses": "Apache-2.0",
      "org.opencontainers.image.created": "2023-11-14T22:13:20.000Z",
    });
  });

  it.each(["yesterday", "-1", "1e9", ""])("refuses '%s' for a time", async (text) => {
    await expect(readRelease(root, { SOURCE_DATE_EPOCH: text })).rejects.toMatchObject({ code: "usage" });
  });
});
