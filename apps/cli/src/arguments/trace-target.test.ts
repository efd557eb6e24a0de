import { type Target, targetId } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { targetName, traceTarget } from "./trace-target.ts";

function target(requirementId: string, host: string, probe: "tcp" | "udp", changes: Partial<Target> = {}): Target {
  const options = probe === "tcp" ? { probe, acceptReset: false } : { probe, payloadBytes: 16, expectRefusal: false };
  const place = { requirementId, host, port: 443, family: 4 as const, options, ...changes };
  return { id: targetId(place), cadenceMs: 1_000, timeoutMs: 950, ...place };
}

const API = target("api-endpoint", "omni.example.com", "tcp");
const API6 = target("api-endpoint", "omni.example.com", "tcp", { family: 6 });
const PROXIED = target("api-endpoint", "omni.example.com", "tcp", { proxy: { host: "proxy", port: 3128 } });
const WIREGUARD = target("siderolink-endpoint", "2001:db8::1", "udp", { port: 50180, family: 6 });
const ALL = [API, API6, PROXIED, WIREGUARD];

describe("the target of a trace", () => {
  it.each<[given: string, found: Target]>([
    ["siderolink-endpoint", WIREGUARD],
    ["UDP", WIREGUARD],
    ["[2001:db8::1]:50180", WIREGUARD],
    ["2001:db8::1 udp", WIREGUARD],
    ["api-endpoint omni.example.com:443 tcp ipv6", API6],
    ["ipv4 direct", API],
    ["via", PROXIED],
    ["tcp proxy:3128", PROXIED],
    ...ALL.map((one): [string, Target] => [one.id, one]),
    ...ALL.map((one): [string, Target] => [targetName(one), one]),
  ])("is found by %j", (given, found) => {
    expect(traceTarget(given, ALL)).toBe(found);
  });

  it("is refused with the nearest when none matches", () => {
    expect(() => traceTarget("siderolink-endpont", ALL)).toThrow(
      /^--trace: 'siderolink-endpont' matches no target; the nearest:\n {2}siderolink-endpoint \[2001:db8::1\]:50180 udp IPv6\n/,
    );
  });

  it("is refused with those that match when there are several", () => {
    expect(() => traceTarget("api-endpoint", ALL)).toThrow(
      new RegExp(
        [
          "^--trace: 'api-endpoint' matches 3 targets; add words of one of them:",
          "  api-endpoint omni\\.example\\.com:443 tcp IPv4",
          "  api-endpoint omni\\.example\\.com:443 tcp IPv6",
          "  api-endpoint omni\\.example\\.com:443 tcp IPv4 via proxy:3128$",
        ].join("\n"),
      ),
    );
  });

  it.each(["", " | "])("is refused without a word: %j", (given) => {
    expect(() => traceTarget(given, ALL)).toThrow("matches no target");
  });

  it("says so where there is no target at all", () => {
    expect(() => traceTarget("udp", [])).toThrow("--trace: there is no target to trace");
  });

  it("is refused when it is longer than any name", () => {
    expect(() => traceTarget("x".repeat(1_025), ALL)).toThrow("got 1025 characters, want 1024 at most");
  });
});
