import { expect, it } from "vitest";
import { RecentMap } from "./recent-map.ts";

it("drops the entry that was set longest ago, and keeps one that was set again", () => {
  const map = new RecentMap<number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  map.set("c", 4);
  expect(["a", "b", "c"].map((key) => map.get(key))).toEqual([3, undefined, 4]);
});
