import { defineConfig } from "vitest/config";

/** Each takes both cores for minutes, and must not share them with other tests. */
const ALONE = [
  "tools/drill/src/matrix.test.ts",
  "tools/drill/src/extension.test.ts",
  "tools/attack/src/attacks.test.ts",
];

export default defineConfig({
  resolve: { conditions: ["lifeline:source"] },
  ssr: { resolve: { conditions: ["lifeline:source"] } },
  test: {
    // Workers and child processes started by a test load the sources too.
    execArgv: ["--conditions=lifeline:source"],
    // A poll waits for an event; how long it takes depends on what else the machine does.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 20_000,
    hookTimeout: 20_000,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "rooms",
          include: ["{packages,apps,tools}/*/src/**/*.test.ts"],
          exclude: ALONE,
          sequence: { groupOrder: 0 },
        },
      },
      ...ALONE.map((path, at) => {
        return { extends: true, test: { name: `alone-${at + 1}`, include: [path], sequence: { groupOrder: at + 1 } } };
      }),
    ],
  },
});
