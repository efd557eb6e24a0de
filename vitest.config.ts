import { defineConfig } from "vitest/config";

/** Takes both cores for minutes, and must not share them with other tests. */
const ALONE = "tools/drill/src/matrix.test.ts";

export default defineConfig({
  resolve: { conditions: ["lifeline:source"] },
  ssr: { resolve: { conditions: ["lifeline:source"] } },
  test: {
    // Workers and child processes started by a test load the sources too.
    execArgv: ["--conditions=lifeline:source"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "rooms",
          include: ["{packages,apps,tools}/*/src/**/*.test.ts"],
          exclude: [ALONE],
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: "alone", include: [ALONE], sequence: { groupOrder: 1 } } },
    ],
  },
});
