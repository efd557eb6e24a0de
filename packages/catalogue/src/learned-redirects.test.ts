import { type Evidence, type ProbeOptions, type Target, targetId } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import {
  isSameRedirects,
  keptRedirects,
  type LearnedRedirect,
  learnRedirect,
  REDIRECT_KEPT_MS,
  REDIRECTS_MAX,
} from "./learned-redirects.ts";

const documentedHosts = ["*.blobs.test", "cdn.test", "192.0.2.1"];
const REGISTRY: ProbeOptions = {
  probe: "registry",
  expect: { basePath: "/v2", objectRequired: true, documentedHosts },
};
const HTTP: ProbeOptions = {
  probe: "http",
  expect: { method: "GET", path: "/", version: "1.1", statuses: [] },
  documentedHosts,
};

function targetOf(options: ProbeOptions, changes: Partial<Target> = {}): Target {
  const target = { requirementId: "row", host: "hub.test", port: 443, family: 4 as const, options, ...changes };
  return { id: targetId(target), cadenceMs: 1_000, timeoutMs: 1_000, ...target };
}

const seen = (redirect: string, changes: Evidence = {}): Evidence => ({
  address: "203.0.113.1",
  redirects: [redirect],
  ...changes,
});
const learn = (evidence: Evidence, target = targetOf(REGISTRY), known: readonly LearnedRedirect[] = [], atMs = 1_000) =>
  learnRedirect(known, target, evidence, atMs);

describe("the host of a redirect", () => {
  it.each([
    ["of a registry", REGISTRY],
    ["of a request", HTTP],
  ])("%s is learned, with the time at which it was seen", (_, options) => {
    expect(learn(seen("https://Eu.Blobs.test"), targetOf(options))).toEqual([
      { requirementId: "row", host: "eu.blobs.test", scope: "public", seenAtMs: 1_000 },
    ]);
  });

  it.each([
    ["is not documented", "https://portal.test"],
    ["is an address", "https://192.0.2.1"],
    ["is an IPv6 address", "https://[2001:db8::1]"],
    ["is asked in cleartext", "http://cdn.test"],
    ["is asked on another port", "https://cdn.test:8443"],
    ["cannot be read", "https://"],
    ["is the endpoint itself", "https://hub.test"],
  ])("that %s is not learned", (_, redirect) => {
    expect(learn(seen(redirect))).toEqual([]);
  });

  it("is not learned of other probes", () => {
    expect(learn(seen("https://cdn.test"), targetOf({ probe: "tcp", acceptReset: false }))).toEqual([]);
  });

  it.each([
    ["at a public address", { address: "203.0.113.1" }, {}, "public"],
    ["inside the site", { address: "10.0.0.1" }, {}, "site"],
    ["at a loopback address", { address: "127.0.0.1" }, {}, "public"],
    ["behind a proxy", { address: "10.0.0.1" }, { proxy: { host: "proxy.test", port: 1 } }, "public"],
  ])("of an endpoint %s has the scope of that", (_, evidence, changes, scope) => {
    expect(learn(seen("https://cdn.test", evidence), targetOf(REGISTRY, changes))[0]?.scope).toBe(scope);
  });

  it("that is seen again is kept for longer, and adds nothing", () => {
    const once = learn(seen("https://cdn.test"));
    const again = learn(seen("https://cdn.test"), targetOf(REGISTRY), once, 5_000);
    expect(again).toEqual([{ ...once[0], seenAtMs: 5_000 }]);
    expect(isSameRedirects(once, again)).toBe(true);
    expect(learn(seen("https://cdn.test"), targetOf(REGISTRY), again, 4_000)).toBe(again);
  });

  it("gives way when the row has as many as it may", () => {
    let known: readonly LearnedRedirect[] = learn(seen("https://cdn.test"), targetOf(REGISTRY, { requirementId: "b" }));
    for (let at = 0; at <= REDIRECTS_MAX; at++) known = learn(seen(`https://h${at}.blobs.test`), undefined, known, at);
    expect(known.map(({ host }) => host)).toEqual(["cdn.test", ...[1, 2, 3, 4].map((at) => `h${at}.blobs.test`)]);
  });

  it("goes when it has not been seen for an hour", () => {
    const known = learn(seen("https://cdn.test"));
    expect(keptRedirects(known, 1_000 + REDIRECT_KEPT_MS - 1)).toBe(known);
    expect(keptRedirects(known, 1_000 + REDIRECT_KEPT_MS)).toEqual([]);
  });
});
