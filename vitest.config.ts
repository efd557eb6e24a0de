import { defineConfig } from "vitest/config";

/** Groups that take both cores for minutes and must not share them with other tests. */
const ALONE = [
  ["tools/drill/src/matrix.system.test.ts"],
  // Both wait for most of their time.
  ["tools/drill/src/extension.system.test.ts", "tools/field/src/field.system.test.ts"],
  ["tools/attack/src/attacks.system.test.ts"],
];

const UNIT = "{packages,apps,tools}/*/src/**/*.test.ts";
const SYSTEM = "{packages,apps,tools}/*/src/**/*.system.test.ts";

/** A limit for what hangs, ms. No test measures time by it: the machine may be busy with something else. */
const UNIT_MAX_MS = 60_000;
const SYSTEM_MAX_MS = 180_000;

/** A poll waits for an event, by default for 1 s, which a busy machine reaches. */
const limits = (maxMs: number) => ({
  testTimeout: maxMs,
  hookTimeout: maxMs,
  expect: { poll: { timeout: maxMs / 2 } },
});

export default defineConfig({
  resolve: { conditions: ["lifeline:source"] },
  ssr: { resolve: { conditions: ["lifeline:source"] } },
  test: {
    // Workers and child processes started by a test load the sources too.
    execArgv: ["--conditions=lifeline:source"],
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: "unit", include: [UNIT], exclude: [SYSTEM], ...limits(UNIT_MAX_MS), sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: "system",
          include: [SYSTEM],
          exclude: ALONE.flat(),
          ...limits(SYSTEM_MAX_MS),
          sequence: { groupOrder: 1 },
        },
      },
      ...ALONE.map((include, at) => {
        return {
          extends: true as const,
          test: {
            name: `system-alone-${at + 1}`,
            include,
            ...limits(SYSTEM_MAX_MS),
            sequence: { groupOrder: at + 2 },
          },
        };
      }),
    ],
  },
});
