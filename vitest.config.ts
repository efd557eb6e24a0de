import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["lifeline:source"] },
  ssr: { resolve: { conditions: ["lifeline:source"] } },
  test: {
    include: ["{packages,apps,tools}/*/src/**/*.test.ts"],
    // Workers and child processes started by a test load the sources too.
    execArgv: ["--conditions=lifeline:source"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    maxWorkers: 2,
  },
});
