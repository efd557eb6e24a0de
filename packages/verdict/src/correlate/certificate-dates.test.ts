import type { ChainCertificate, ProbeOptions } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { NodeContext } from "../node-context.ts";
import {
  contextOf,
  type EntryParts,
  entryOf,
  NOW_MS,
  PRIVATE_TLS,
  rememberedOf,
  siteOf,
  TLS,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withCertificateDates } from "./certificate-dates.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const iso = (ms: number) => new Date(ms).toISOString();

/** A certificate that is valid from and to as many milliseconds from now. */
function certificate(name: string, issuer: string, fromMs: number, toMs: number, more: Partial<ChainCertificate> = {}) {
  const dates = { notBefore: iso(NOW_MS + fromMs), notAfter: iso(NOW_MS + toMs) };
  return { subject: `CN=${name}`, issuer: `CN=${issuer}`, ...dates, sha256: name, anchor: false, ...more };
}
const LEAF = certificate("omni.test", "Issuing", -10 * DAY_MS, 300 * DAY_MS);
const ISSUING = certificate("Issuing", "Root", -1_000 * DAY_MS, 1_000 * DAY_MS);
const ROOT = certificate("Root", "Root", -3_000 * DAY_MS, 3_000 * DAY_MS, { anchor: true });
const ended = (one: ChainCertificate) => ({ ...one, notAfter: iso(NOW_MS - DAY_MS) });
const ahead = (one: ChainCertificate) => ({ ...one, notBefore: iso(NOW_MS + DAY_MS) });

interface Case {
  readonly chain: readonly ChainCertificate[];
  readonly options?: ProbeOptions;
  readonly node?: NodeContext;
  readonly parts?: EntryParts;
}
function after({ chain, options = PRIVATE_TLS, node = { clockOffsetMs: 0 }, parts = {} }: Case, inspectionCa?: string) {
  const entry = entryOf(targetOf(options), { ...parts, own: { seen: rememberedOf("answered", NOW_MS, { chain }) } });
  return withCertificateDates(entry, [entry], contextOf({ node, site: siteOf(inspectionCa) }));
}
const EXPIRED = { verdict: "unmet", cause: "tls-expired" } as const;
const NOT_YET = { verdict: "unmet", cause: "clock" } as const;

describe("a chain with a certificate that has ended", () => {
  it.each<[string, Case, string]>([
    [
      "the server's own",
      { chain: [ended(LEAF), ISSUING, ROOT] },
      "Owner of omni.test: renew the certificate of omni.test.",
    ],
    [
      "the server's own, which is its own CA",
      { chain: [{ ...ended(LEAF), anchor: true }] },
      "Owner of omni.test: renew the certificate of omni.test; deployment owner: put the new one into its caFile.",
    ],
    [
      "an intermediate of a private CA",
      { chain: [LEAF, ended(ISSUING), ROOT] },
      'Owner of the private CA "CN=Root": renew "CN=Issuing"; Owner of omni.test: serve the new one with the server\'s certificate.',
    ],
    [
      "an intermediate of a public CA",
      { chain: [LEAF, ended(ISSUING), ROOT], options: TLS },
      'Owner of omni.test: serve the renewed intermediate "CN=Issuing" of "CN=Root" with the server\'s certificate.',
    ],
    [
      "the private CA itself",
      { chain: [LEAF, ISSUING, ended(ROOT)] },
      'Owner of the private CA "CN=Root": renew it; deployment owner: put the new certificate into caFile.',
    ],
    [
      "a root of the node's trust store",
      { chain: [LEAF, ISSUING, ended(ROOT)], options: TLS },
      'Node owner: update Talos, whose trust store holds the root "CN=Root"; or Owner of omni.test: serve a chain to another root.',
    ],
    [
      "two of them",
      { chain: [ended(LEAF), ended(ISSUING), ROOT], options: TLS },
      'Owner of omni.test: renew the certificate of omni.test. Owner of omni.test: serve the renewed intermediate "CN=Issuing" of "CN=Root" with the server\'s certificate.',
    ],
    [
      "one, on a node whose clock is not known",
      { chain: [ended(LEAF), ISSUING, ROOT], node: {} },
      "Owner of omni.test: renew the certificate of omni.test. Node owner: if the node's clock is ahead, correct that instead.",
    ],
    [
      "one that ended long before a clock that is somewhat wrong",
      { chain: [ended(LEAF), ISSUING, ROOT], node: { clockOffsetMs: -60_000 } },
      "Owner of omni.test: renew the certificate of omni.test.",
    ],
  ])("names who renews %s", (_, given, nextStep) => {
    expect(after({ ...given, parts: EXPIRED })).toMatchObject({ ...EXPIRED, nextStep });
  });

  it("is renewed by the owner of the inspection that shows it", () => {
    const found = after({ chain: [LEAF, ended(ROOT)], options: TLS, parts: EXPIRED }, "Root");
    expect(found.nextStep).toBe('Owner of the TLS inspection: renew "CN=Root", which it shows for omni.test.');
  });

  it.each([
    ["behind", 7_200_400, NOT_YET, ahead({ ...LEAF, notBefore: "" }), "7200 s behind"],
    ["ahead", -2 * DAY_MS, EXPIRED, ended(LEAF), "172800 s ahead of"],
  ])("is the fault of a clock that is %s by as much", (_, clockOffsetMs, parts, leaf, apart) => {
    const notBefore = parts === NOT_YET ? iso(NOW_MS + HOUR_MS) : leaf.notBefore;
    const found = after({ chain: [{ ...leaf, notBefore }], node: { clockOffsetMs }, parts });
    expect(found).toMatchObject({
      cause: "clock",
      evidence: `Seen. The node's clock is ${apart} the collector's.`,
      nextStep: "Node owner: correct the node's clock; see the time server rows.",
    });
  });

  it("is renewed by Omni's owner where it is Omni's", () => {
    const { nextStep } = after({ chain: [ended(LEAF)], parts: { ...EXPIRED, service: "api" } });
    expect(nextStep).toBe("Omni owner: renew the certificate of omni.test.");
  });

  it("is left as it is where the chain does not show it", () => {
    expect(after({ chain: [LEAF], parts: EXPIRED })).toMatchObject({ ...EXPIRED, evidence: "Seen.", nextStep: "Do." });
    expect(after({ chain: [], parts: EXPIRED }).nextStep).toBe("Do.");
  });
});

describe("a chain with a certificate that has not begun", () => {
  it("is its owner's fault where the node's clock is right", () => {
    expect(after({ chain: [ahead(LEAF)], node: { clockOffsetMs: 200 }, parts: NOT_YET })).toMatchObject({
      verdict: "unmet",
      cause: "tls-not-yet-valid",
      evidence: "Seen. It is not valid yet by the collector's clock either.",
      nextStep: expect.stringMatching(/^Owner of omni\.test: serve a certificate that is valid now/),
    });
  });

  it("has two readings where the node's clock is not known", () => {
    const { cause, nextStep } = after({ chain: [ahead(LEAF)], node: {}, parts: NOT_YET });
    expect(cause).toBe("clock");
    expect(nextStep).toMatch(
      /^Node owner: if the node's clock is behind, correct it; .* If it is right: Owner of omni\.test: serve a certificate/,
    );
  });
});

describe("a certificate that ends soon", () => {
  const days = (left: number, life: number) => certificate("omni.test", "Root", (left - life) * DAY_MS, left * DAY_MS);
  it.each<[string, Case, boolean]>([
    ["with 13 of 90 days left", { chain: [days(13, 90)] }, true],
    ["with 15 of 90 days left", { chain: [days(15, 90)] }, false],
    ["with 13 of 60 days left, more than a fifth", { chain: [days(13, 60)] }, false],
    ["of a day, with 8 hours left", { chain: [days(1 / 3, 1)] }, false],
    ["of a day, with 4 hours left", { chain: [days(1 / 6, 1)] }, true],
    ["that is an intermediate", { chain: [LEAF, days(10, 1_000)] }, true],
    ["that is the root", { chain: [LEAF, ISSUING, { ...days(10, 3_650), anchor: true }] }, true],
    ["that had ended, where the server sent its successor too", { chain: [LEAF, ended(ISSUING), ROOT] }, false],
    ["without readable dates", { chain: [{ ...LEAF, notBefore: "", notAfter: "" }] }, false],
    ["of somebody else", { chain: [days(13, 90)], parts: { thirdParty: true } }, false],
    ["on a path that is only compared", { chain: [days(13, 90)], parts: { comparison: true } }, false],
  ])("%s", (_, given, isReported) => {
    expect(after(given)).toMatchObject(
      isReported ? { verdict: "degraded", cause: "tls-ends-soon" } : { verdict: "met", cause: "none", nextStep: "" },
    );
  });

  it("is named with its date, its owner, and the day since when it is reported", () => {
    const chain = [days(10, 90)];
    const found = after({ chain, parts: { onsetMs: NOW_MS - 30 * DAY_MS } });
    expect(found.evidence).toBe(
      `Seen. The certificate "CN=omni.test" issued by "CN=Root" ends on ${chain[0]?.notAfter}, in 10 days.`,
    );
    expect(found.nextStep).toBe(
      `Owner of omni.test: renew the certificate of omni.test. Do it before ${chain[0]?.notAfter}.`,
    );
    expect(found.onsetMs).toBe(NOW_MS - 4 * DAY_MS);
  });

  it("is urgent within three days", () => {
    expect(after({ chain: [days(3, 90)] }).nextStep).toBe(
      "URGENT, in 3 days TLS to omni.test fails: Owner of omni.test: renew the certificate of omni.test.",
    );
    expect(after({ chain: [days(1 / 12, 90)] }).nextStep).toMatch(/^URGENT, in 2 hours TLS/);
  });

  it("of somebody else is shown and no fault", () => {
    expect(after({ chain: [days(13, 90)], parts: { thirdParty: true } }).evidence).toMatch(/ends on .*, in 13 days\.$/);
  });

  it("is judged by the time of the clock that the node's is compared with", () => {
    expect(after({ chain: [days(15, 90)], node: { clockOffsetMs: 2 * DAY_MS } }).cause).toBe("tls-ends-soon");
  });

  it("is not reported where the deployment says so", () => {
    const entry = entryOf(targetOf(PRIVATE_TLS), {
      own: { seen: rememberedOf("answered", NOW_MS, { chain: [days(1, 90)] }) },
    });
    const site = siteOf(undefined, { certificateEndsSoonMs: 0 });
    expect(withCertificateDates(entry, [entry], contextOf({ site }))).toBe(entry);
    expect(withCertificateDates(entry, [entry], contextOf())).toBe(entry);
  });
});
