import { describe, expect, it } from "vitest";
import { isNodeId, MAX_NODE_ID_LENGTH } from "./node-id.ts";

describe("a node id", () => {
  it.each([
    "n",
    "rack-7-1",
    "worker_1.example.internal",
    "4c4c4544-0042-3510-8050-b7c04f333232",
    "0".repeat(MAX_NODE_ID_LENGTH),
  ])("may be %s", (text) => expect(isNodeId(text)).toBe(true));

  it.each(["", "-n", "n.", "a b", "a/b", "ä", "n\n", "0".repeat(MAX_NODE_ID_LENGTH + 1)])("may not be %j", (text) =>
    expect(isNodeId(text)).toBe(false),
  );

  it.each(["N1", "rack-A-1", "4C4C4544-0042-3510-8050-B7C04F333232", "nodE", "\u212a1", "\u017f1"])(
    "has no capital letters, so that no two ids differ by case only: not %s",
    (text) => expect(isNodeId(text)).toBe(false),
  );
});
