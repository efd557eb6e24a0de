import type { Evidence, ProxyEndpoint, Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  type EntryParts,
  entryOf,
  NOW_MS,
  rememberedOf,
  requirementOf,
  TCP,
  TLS,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withProxyPath } from "./proxy-path.ts";

const proxy = { host: "proxy.test", port: 3_128 };
const BAD = { verdict: "unmet", cause: "timeout" } as const;
const proxied = (parts: EntryParts = {}) => entryOf(targetOf(TCP, { proxy }), parts);
const direct = (parts: EntryParts = {}, more: Parameters<typeof targetOf>[1] = {}) =>
  entryOf(targetOf(TCP, more), parts);

describe("a target behind a proxy", () => {
  const failing = proxied(BAD);
  const fault = "Seen. The same endpoint answers without the proxy proxy.test:3128: the proxy is at fault.";
  const only = "Seen. Only the path through the proxy proxy.test:3128 is open.";
  it.each<[string, Entry, Entry[], string, string]>([
    ["fails by the proxy where the direct path works", failing, [direct()], "proxy", fault],
    [
      "is degraded by the proxy where the direct path works",
      proxied({ verdict: "degraded", cause: "loss" }),
      [direct()],
      "proxy",
      fault,
    ],
    [
      "fails by the proxy where one of the direct paths works",
      failing,
      [direct(BAD, { family: 6 }), direct()],
      "proxy",
      fault,
    ],
    ["fails by itself where no direct path works", failing, [direct(BAD)], "timeout", "Seen."],
    [
      "fails by itself where nothing is known of the direct path",
      failing,
      [direct({ verdict: "unknown" })],
      "timeout",
      "Seen.",
    ],
    ["fails by itself without a direct path", failing, [], "timeout", "Seen."],
    [
      "fails by itself where only another host answers",
      failing,
      [direct({}, { host: "other.test" })],
      "timeout",
      "Seen.",
    ],
    ["fails by itself where only another port answers", failing, [direct({}, { port: 80 })], "timeout", "Seen."],
    [
      "fails by itself where only another requirement answers",
      failing,
      [direct({}, { requirementId: "other" })],
      "timeout",
      "Seen.",
    ],
    ["fails by itself where only another probe answers", failing, [entryOf(targetOf(TLS))], "timeout", "Seen."],
    ["fails by itself where only another proxied path answers", failing, [proxied()], "timeout", "Seen."],
    ["answers where no direct path does", proxied(), [direct(BAD), direct(BAD, { family: 6 })], "none", only],
    [
      "answers at times where no direct path does",
      proxied({ verdict: "degraded", cause: "loss" }),
      [direct(BAD)],
      "loss",
      only,
    ],
    [
      "answers beside a direct path that does too",
      proxied(),
      [direct(BAD), direct({}, { family: 6 })],
      "none",
      "Seen.",
    ],
    ["answers without a direct path", proxied(), [], "none", "Seen."],
    [
      "of unknown verdict stays so",
      proxied({ verdict: "unknown", cause: "no-data" }),
      [direct(BAD)],
      "no-data",
      "Seen.",
    ],
    ["is compared, never the direct one", direct(BAD), [direct({}, { family: 6 })], "timeout", "Seen."],
  ])("%s", (_, entry, others, cause, evidence) => {
    expect(withProxyPath(entry, [entry, ...others])).toMatchObject({ cause, evidence });
  });

  it("names the owner of the proxy", () => {
    expect(withProxyPath(failing, [failing, direct()]).nextStep).toBe(
      "Owner of the HTTP proxy proxy.test:3128: pass CONNECT to omni.test:443 unchanged.",
    );
  });
});

describe("a proxy that cannot be used", () => {
  const after = (code: string) => {
    const own = { reason: "proxy-unreachable", seen: rememberedOf("proxy-unreachable", NOW_MS, { code }) } as const;
    const entry = proxied({ verdict: "unmet", cause: "proxy", own });
    return withProxyPath(entry, [entry]);
  };

  it("is misspelt where its name does not resolve", () => {
    const { evidence, nextStep } = after("ENOTFOUND");
    expect(evidence).toBe("Seen. The name of the proxy does not resolve.");
    expect(nextStep).toMatch(/^Node owner: check the spelling of proxy\.test in HTTPS_PROXY;/);
  });

  it.each(["PROXY_HEAD_MALFORMED", "ERR_SSL_WRONG_VERSION_NUMBER"])("is of another kind after %s", (code) => {
    const { evidence, nextStep } = after(code);
    expect(evidence).toBe("Seen. proxy.test:3128 answers, and not as a proxy of this kind.");
    expect(nextStep).toMatch(/^Node owner: check scheme and port of the proxy proxy\.test:3128/);
  });

  it("wants another scheme where it answers TLS", () => {
    const { evidence, nextStep } = after("PROXY_SPEAKS_TLS");
    expect(evidence).toBe("Seen. proxy.test:3128 answers, and not as a proxy of this kind.");
    expect(nextStep).toMatch(/in HTTPS_PROXY: it answers TLS, which needs https:\/\/;/);
  });

  it.each<[Reason, Evidence, ProxyEndpoint, string, string]>([
    ["proxy-unreachable", { code: "ECONNRESET" }, proxy, "ends the connection", "https:// where it speaks TLS"],
    ["proxy-refused", { proxyStatus: 400 }, proxy, "answers 400", "https:// where it speaks TLS"],
    ["proxy-unreachable", { code: "ECONNRESET" }, { ...proxy, scheme: "https" }, "ends", "http:// where it speaks no"],
  ])("may have another scheme after %s %j", (reason, evidence, through, did, scheme) => {
    const own = { reason, seen: rememberedOf(reason, NOW_MS, evidence) };
    const entry = entryOf(targetOf(TCP, { proxy: through }), { verdict: "unmet", cause: "proxy", own });
    const judged = withProxyPath(entry, [entry, direct()]);
    expect(judged.evidence).toContain(`can be reached, and ${did}`);
    expect(judged.nextStep).toContain(scheme);
    expect(judged.nextStep).not.toMatch(/reachable/);
  });

  it("keeps its step after another refusal", () => {
    const own = { reason: "proxy-refused", seen: rememberedOf("proxy-refused", NOW_MS, { proxyStatus: 403 }) } as const;
    const entry = proxied({ verdict: "unmet", cause: "proxy", own });
    expect(withProxyPath(entry, [entry]).nextStep).toBe("Do.");
  });

  it("keeps its step otherwise", () => {
    expect(after("ECONNREFUSED").nextStep).toBe("Do.");
  });
});

describe("a proxy that the service's client asks in cleartext", () => {
  const kinds = {
    ...requirementOf("r"),
    proxyKinds: [{ scheme: "http" }, { scheme: "https", since: "v1.11.3" }] as const,
  };
  const asked = { scheme: "https", host: "proxy.test", port: 3_129, cleartextConnect: true } as const;
  const { cleartextConnect: _, ...understood } = asked;
  const failing = (reason: Reason, evidence: Evidence, requirement = kinds) => {
    const own = { reason, seen: rememberedOf(reason, NOW_MS, evidence) };
    return entryOf(targetOf(TLS, { proxy: asked }), { verdict: "unmet", cause: "proxy", own, requirement });
  };
  const reset = failing("proxy-unreachable", { code: "ECONNRESET" });
  const silent = failing("proxy-unreachable", { code: "ETIMEDOUT" });
  const works = entryOf(targetOf(TLS, { host: "ghcr.io", proxy: understood }));

  it.each<[string, Entry, Entry[]]>([
    ["ends the connection", reset, []],
    ["answers 400", failing("proxy-refused", { proxyStatus: 400 }), []],
    ["is silent, and answers others that ask it as its kind", silent, [works]],
    ["ends the connection, where the direct path works", reset, [entryOf(targetOf(TLS))]],
  ])("names the kinds that help where it %s", (_, entry, others) => {
    const { evidence, nextStep, cause } = withProxyPath(entry, [entry, ...others]);
    expect(cause).toBe("proxy");
    expect(evidence).toBe(
      "Seen. https://proxy.test:3129 takes the connection, and does not understand CONNECT in cleartext.",
    );
    expect(nextStep).toBe(
      "Node owner: name a proxy of http://, https:// (Talos v1.11.3 or later) in HTTPS_PROXY, because Talos supports no other kind for omni.test; or list it in NO_PROXY where the node reaches it directly.",
    );
  });

  it.each<[string, Entry]>([
    ["cannot be connected to", failing("proxy-unreachable", { code: "ECONNREFUSED" })],
    ["is silent to all", silent],
    ["forbids the endpoint", failing("proxy-refused", { proxyStatus: 403 })],
    ["wants credentials", failing("proxy-auth", { proxyStatus: 407 })],
  ])("keeps its step where it %s", (_, entry) => {
    expect(withProxyPath(entry, [entry]).nextStep).toBe("Do.");
  });
});
