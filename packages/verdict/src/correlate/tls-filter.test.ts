import type { Evidence, Phase, ProbeOptions, Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  contextOf,
  type EntryParts,
  entryOf,
  NOW_MS,
  rememberedOf,
  TCP,
  TLS,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withTlsFilter } from "./tls-filter.ts";

const HERE = "203.0.113.7";
const ELSEWHERE = "203.0.113.8";

interface Cut {
  readonly reason?: Reason;
  readonly evidence?: Evidence;
  readonly phase?: Phase;
  readonly parts?: EntryParts;
  readonly target?: Parameters<typeof targetOf>[1];
}

/** A target whose TLS is cut. */
function cut({ reason = "reset", evidence = {}, phase = "tls", parts = {}, target = {} }: Cut): Entry {
  const seen = { ...rememberedOf(reason, NOW_MS, { address: HERE, ...evidence }), phase };
  return entryOf(targetOf(TLS, { host: "gcr.io", ...target }), {
    verdict: "unmet",
    cause: "tls-protocol",
    thirdParty: true,
    ...parts,
    own: { reason, seen },
  });
}

/** A target of another host that answers at that address. */
function passing(host: string, address: string, options: ProbeOptions = TLS, parts: EntryParts = {}): Entry {
  const seen = rememberedOf("answered", NOW_MS, { address });
  return entryOf(targetOf(options, { host }), { thirdParty: true, ...parts, own: { seen } });
}
const after = (entry: Entry, ...others: Entry[]) => withTlsFilter(entry, [entry, ...others], contextOf());

describe("TLS that is cut at a public host", () => {
  it.each<[string, Cut, string]>([
    ["a reset", { evidence: { code: "ECONNRESET" } }, "resets it (RST)"],
    ["a close", { evidence: { code: "EOF" } }, "closes it (FIN)"],
    ["silence", { reason: "handshake-timeout" }, "passes nothing more on"],
    ["an alert", { reason: "tls-alert", evidence: { tlsAlert: 40 } }, "sends the TLS alert 40 handshake_failure"],
    ["access denied", { reason: "tls-alert", evidence: { tlsAlert: 49 } }, "sends the TLS alert 49 access_denied"],
    [
      "an unknown name",
      { reason: "tls-alert", evidence: { tlsAlert: 112 } },
      "sends the TLS alert 112 unrecognized_name",
    ],
    [
      "no protocol",
      { reason: "alpn-mismatch", evidence: { tlsAlert: 120 } },
      "sends the TLS alert 120 no_application_protocol",
    ],
    ["plain HTTP", { reason: "tls-plaintext" }, "answers in plain text, such as HTTP"],
    ["an old version", { reason: "tls-protocol" }, "answers with TLS that cannot be used"],
  ])("by %s is a filter on the path", (_, given, deed) => {
    const found = after(cut(given), passing("ghcr.io", ELSEWHERE));
    expect(found).toMatchObject({
      verdict: "unmet",
      cause: "tls-filtered",
      evidence: `Seen. The connection is made, and something on the path ${deed} after the TLS ClientHello for gcr.io. TLS to ghcr.io passes: a filter acts by the server name (SNI) or the address, or gcr.io itself fails.`,
      nextStep: expect.stringMatching(
        /^Network team: look for a filter on the path that acts by TLS server name \(SNI\) or address, and exempt gcr\.io:443; /,
      ),
    });
  });

  it("acts by the server name where another name passes at the same address", () => {
    const found = after(cut({}), passing("b.test", HERE), passing("a.test", HERE), passing("ghcr.io", ELSEWHERE));
    expect(found.evidence).toMatch(
      / TLS for a\.test, b\.test passes at the same address 203\.0\.113\.7:443: a filter acts by the server name \(SNI\)\.$/,
    );
    expect(found.nextStep).toBe(
      "Network team: exempt gcr.io from the filter on the path that acts by TLS server name (SNI).",
    );
  });

  it.each([
    ["nothing else", []],
    ["only TCP", [passing("ghcr.io", ELSEWHERE, TCP)]],
    ["only hosts of the site", [passing("omni.test", HERE, TLS, { thirdParty: false })]],
    ["only hosts that fail", [passing("ghcr.io", ELSEWHERE, TLS, { verdict: "unmet" })]],
    ["only itself", [passing("gcr.io", HERE)]],
  ])("acts on all TLS where %s passes", (_, others) => {
    const { evidence, nextStep } = after(cut({}), ...others);
    expect(evidence).toMatch(/TLS to no other public host is seen to pass\.$/);
    expect(nextStep).toMatch(/^Network team: look for a filter on the path that cuts TLS to gcr\.io:443, and/);
  });

  it("may be a narrow path where no handshake ends", () => {
    expect(after(cut({ reason: "handshake-timeout" })).nextStep).toMatch(/or a path MTU below 1,360 bytes/);
  });

  it("names the proxy that carries it, whose address says nothing", () => {
    const proxy = { host: "proxy.test", port: 3128 };
    const other = { ...passing("ghcr.io", HERE), target: targetOf(TLS, { host: "ghcr.io", proxy }) };
    const found = after(cut({ target: { proxy } }), other, passing("a.test", HERE));
    expect(found.evidence).toMatch(/TLS to ghcr\.io passes: a filter acts by the server name \(SNI\) or the address/);
    expect(found.nextStep).toMatch(/^Owner of the HTTP proxy proxy\.test:3128; network team: look for/);
  });

  it.each<[string, Cut]>([
    ["before TLS", { phase: "connect" }],
    ["after TLS", { phase: "first-byte" }],
    ["by its certificate", { reason: "tls-untrusted" }],
    ["at Omni by silence", { reason: "handshake-timeout", parts: { service: "machine-api" } }],
    ["now and then", { parts: { verdict: "degraded" } }],
  ])("is left as it is when it fails %s", (_, given) => {
    const entry = cut(given);
    expect(after(entry)).toBe(entry);
  });

  it("has another server's certificate because something leads there", () => {
    const found = after(cut({ reason: "tls-name-mismatch", parts: { cause: "tls-name" } }));
    expect(found).toMatchObject({
      cause: "tls-name",
      nextStep:
        "Network team: something other than gcr.io answers at 203.0.113.7; look for a block page, a filter on the path, or a resolver that leads there.",
    });
  });
});

describe("TLS that is cut at the site's own host", () => {
  const own = (given: Cut) => cut({ ...given, parts: { thirdParty: false, ...given.parts } });
  it.each<[string, Cut, RegExp]>([
    [
      "an alert of Omni",
      { reason: "tls-alert", evidence: { tlsAlert: 112 }, parts: { service: "api" } },
      /^Omni owner: check the reverse proxy in front of gcr\.io:443, which may have sent the TLS alert 112 unrecognized_name; it has no site of that name; network team: or look for a filter on the path/,
    ],
    [
      "an alert of a mirror",
      { reason: "tls-alert", evidence: { tlsAlert: 40 } },
      /^Owner of gcr\.io: check the reverse proxy in front of gcr\.io:443, which may have sent the TLS alert 40 handshake_failure; network team/,
    ],
    [
      "cleartext at the Machine API",
      { reason: "tls-plaintext", parts: { service: "machine-api" } },
      /^Omni owner: serve TLS at gcr\.io:443, .*; deployment owner: or write grpc:\/\/gcr\.io:443, .*; network team: or look/,
    ],
    [
      "cleartext at a mirror",
      { reason: "tls-plaintext" },
      /^Owner of gcr\.io: serve TLS at gcr\.io:443, where something else answers; network/,
    ],
    [
      "an alert after the handshake",
      { reason: "tls-alert", phase: "first-byte", evidence: { tlsAlert: 116 }, parts: { service: "api" } },
      /^Omni owner: check the reverse proxy .* TLS alert 116 certificate_required; it wants a client certificate; network/,
    ],
    [
      "another TLS",
      { reason: "tls-protocol" },
      /^Owner of gcr\.io: check the reverse proxy .* TLS 1\.2 or 1\.3 and HTTP\/2; network team/,
    ],
    ["a reset", { reason: "reset" }, /^Do\.$/],
  ])("has both readings: %s", (_, given, nextStep) => {
    const found = after(own(given));
    expect(found.cause).toBe("tls-protocol");
    expect(found.nextStep).toMatch(nextStep);
  });

  it("names what passes at the same address", () => {
    const found = after(own({ reason: "tls-alert", evidence: { tlsAlert: 112 } }), passing("api.test", HERE));
    expect(found.evidence).toBe("Seen. TLS for api.test passes at the same address.");
  });
});
