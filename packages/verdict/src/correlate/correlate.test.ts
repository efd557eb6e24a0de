import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  contextOf,
  entryOf,
  lookbackOf,
  NOW_MS,
  rememberedOf,
  STAMP,
  TCP,
  TLS,
  targetOf,
  UDP,
} from "../testing/judgement-fixture.ts";
import { correlate } from "./correlate.ts";

const BAD = { verdict: "unmet", cause: "timeout" } as const;
const at = { requirementId: "port", host: "10.0.0.1", port: 50_180 };
const causesOf = (...entries: Entry[]) => correlate(entries, contextOf()).map(({ cause }) => cause);

describe("every rule is applied", () => {
  it("to certificates", () => {
    const node = { clockOffsetMs: 20_000 };
    const expired = entryOf(targetOf(TLS), { verdict: "unmet", cause: "tls-expired" });
    expect(correlate([expired], contextOf({ node }))).toMatchObject([{ cause: "clock" }]);
  });

  it("to drift and to proxies", () => {
    const seen = rememberedOf("timeout", NOW_MS, { answers: ["b"], address: "b" });
    expect(causesOf(entryOf(targetOf(TCP), { ...BAD, own: { seen, goodAnswers: ["a"] } }))).toEqual(["dns-drift"]);
    const proxied = entryOf(targetOf(TCP, { proxy: { host: "proxy.test", port: 1 } }), BAD);
    expect(causesOf(proxied, entryOf(targetOf(TCP)))).toEqual(["proxy", "none"]);
  });

  it("to a resolver that answers one family, which is no random loss", () => {
    const of = (type: "A" | "AAAA") =>
      targetOf({ probe: "dns", query: "omni.test", transport: "udp", type }, { host: "192.0.2.53", port: 53 });
    const last = rememberedOf("answered", NOW_MS, {}, { outcomeClass: "good" });
    const answering = entryOf(of("A"), { own: { lookback: lookbackOf({ answered: 9 }, { last }) } });
    const silent = entryOf(of("AAAA"), { ...BAD, own: { reason: "timeout" } });
    expect(causesOf(answering, silent)).toEqual(["none", "dns-one-family"]);
  });

  it("and rests on the rules before it", () => {
    const port = entryOf(targetOf(UDP, at), {
      service: "siderolink",
      verdict: "unknown",
      cause: "no-evidence",
      own: { basis: "silent" },
    });
    const stamp = entryOf(targetOf(STAMP, at), { service: "siderolink" });
    expect(correlate([port, stamp], contextOf())).toMatchObject([
      { verdict: "met", udpEvidence: "confirmed" },
      { udpEvidence: "confirmed" },
    ]);
    const tcp = entryOf(targetOf(TCP), {
      ...BAD,
      own: { seen: rememberedOf("timeout", NOW_MS, { answers: ["b"] }), goodAnswers: ["a"] },
    });
    const [, tls] = correlate([tcp, entryOf(targetOf(TLS), BAD)], contextOf());
    expect(tls).toMatchObject({
      followsFrom: tcp.target.id,
      evidence: expect.stringContaining("which is unmet: dns-drift."),
    });
  });
});
