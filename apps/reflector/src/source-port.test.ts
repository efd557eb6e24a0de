import { expect, it } from "vitest";
import { refusedPort } from "./source-port.ts";

it.each([
  [0, 862, "systemPort"],
  [7, 862, "systemPort"],
  [862, 862, "systemPort"],
  [862, 50_180, "systemPort"],
  [1_023, 862, "systemPort"],
  [1_024, 862, undefined],
  [50_180, 50_180, "ownPort"],
  [50_181, 50_180, undefined],
  [65_535, 862, undefined],
])("from port %d a reflector at %d answers, or names what refuses it: %s", (sourcePort, ownPort, refused) => {
  expect(refusedPort(sourcePort, ownPort)).toBe(refused);
});
