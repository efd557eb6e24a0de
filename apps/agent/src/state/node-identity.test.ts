import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isNodeId } from "@lifeline/wire";
import { afterEach, describe, expect, it } from "vitest";
import { scratch } from "../testing/fixtures.ts";
import { findIdentity } from "./node-identity.ts";

let place = scratch();
afterEach(() => {
  place.remove();
  place = scratch();
});

const find = (overrides: Partial<Parameters<typeof findIdentity>[0]> = {}) =>
  findIdentity({
    configuredId: undefined,
    stateDir: join(place.path, "state"),
    randomBytes: (size) => new Uint8Array(size).fill(0xab),
    productUuidPath: join(place.path, "product_uuid"),
    ...overrides,
  });
const firmware = (text: string) => writeFileSync(join(place.path, "product_uuid"), text);

describe("the node's identity", () => {
  it("is the configured one if there is one", () => {
    firmware("4c4c4544-0042-3510-8050-b7c04f333232\n");
    expect(find({ configuredId: "mine" })).toEqual({ nodeId: "mine", source: "configured" });
  });

  it("is the firmware's UUID otherwise, in lower case", () => {
    firmware("4C4C4544-0042-3510-8050-B7C04F333232\n");
    expect(find()).toEqual({ nodeId: "4c4c4544-0042-3510-8050-b7c04f333232", source: "product-uuid" });
  });

  it.each(["00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "Not Specified", ""])(
    "is a random one, kept, where the firmware has none: %j",
    (text) => {
      firmware(text);
      const first = find();
      expect(first).toEqual({ nodeId: "abababab-abab-4bab-abab-abababababab", source: "state-directory" });
      expect(find({ randomBytes: (size) => new Uint8Array(size) })).toEqual(first);
    },
  );

  it.each(["4c4c4544-0042-3510-8050-b7c04f333232", "4C4C4544-0042-3510-8050-B7C04F333232", "a b", ""])(
    "is always one that a collector admits, whatever the firmware says: %j",
    (text) => {
      firmware(text);
      expect(isNodeId(find().nodeId)).toBe(true);
      expect(isNodeId(find({ stateDir: "/dev/null" }).nodeId)).toBe(true);
    },
  );

  it("replaces a link, and does not write to its target", () => {
    mkdirSync(join(place.path, "state"));
    writeFileSync(join(place.path, "victim"), "theirs");
    symlinkSync(join(place.path, "victim"), join(place.path, "state", "node-id"));
    expect(find().source).toBe("state-directory");
    expect(readFileSync(join(place.path, "victim"), "utf8")).toBe("theirs");
    expect(readFileSync(join(place.path, "state", "node-id"), "utf8")).toBe("abababab-abab-4bab-abab-abababababab\n");
  });

  it("is ephemeral when nothing can be written", () => {
    writeFileSync(join(place.path, "file"), "");
    expect(find({ stateDir: join(place.path, "file") }).source).toBe("ephemeral");
  });
});
