import type { ProbeOptions } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { type EntryParts, entryOf, NOW_MS, rememberedOf, targetOf } from "../testing/judgement-fixture.ts";
import { withLoginPage } from "./login-page.ts";

const HEALTH: ProbeOptions = {
  probe: "http",
  expect: { method: "GET", path: "/healthz", version: "2", statuses: [200], body: "empty" },
};

function stepAfter(cause: "http-redirected" | "http-status", httpStatus: number, parts: EntryParts = {}) {
  const own = { seen: rememberedOf(cause, NOW_MS, { httpStatus }) };
  return withLoginPage(entryOf(targetOf(HEALTH), { verdict: "unmet", cause, service: "api", own, ...parts })).nextStep;
}

describe("a login in front of Omni's API", () => {
  it.each([
    ["http-redirected", 302],
    ["http-status", 303],
    ["http-status", 401],
    ["http-status", 403],
  ] as const)("is named for %s %i", (cause, status) => {
    expect(stepAfter(cause, status)).toBe(
      "Omni owner: let the reverse proxy in front of omni.test:443 pass /healthz without a login; network team: or exempt this node's traffic to it from the captive portal or block page.",
    );
  });

  it("is not named for other statuses, at other endpoints, or beside another cause", () => {
    expect(stepAfter("http-status", 404)).toBe("Do.");
    expect(stepAfter("http-status", 403, { service: "vault" })).toBe("Do.");
    expect(stepAfter("http-status", 403, { cause: "tls-intercepted" })).toBe("Do.");
    expect(stepAfter("http-status", 403, { verdict: "unknown" })).toBe("Do.");
  });
});
