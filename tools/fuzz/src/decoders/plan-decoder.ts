/** Plans: from the wire, and as documents. */
import { toBinary } from "@bufbuild/protobuf";
import { parsePlan } from "@lifeline/agent";
import type { Random } from "@lifeline/harness";
import { type ProbeOptions, type Target, targetId } from "@lifeline/measure";
import { CA_PEM } from "@lifeline/measure/testing";
import { ConfigError, documentOf } from "@lifeline/settings";
import {
  MAX_TARGETS_PER_NODE,
  makePlan,
  type Plan,
  planFromWire,
  planToWire,
  readMessage,
  reportPb,
} from "@lifeline/wire";
import { type Decoder, isReread, law, lawSame, unlessRefused } from "../decoder.ts";
import { DOCUMENT_BYTES, drawDocument } from "../document-draw.ts";
import { byteGrowth } from "../growth.ts";
import { drawEncoding } from "../message-course.ts";
import { messageGrowth } from "../message-growth.ts";

const { PlanSchema } = reportPb;

const OPTIONS: readonly ProbeOptions[] = [
  { probe: "tcp", acceptReset: true },
  { probe: "tls", trust: { kind: "private", caPem: CA_PEM }, alpn: ["h2"], alpnRequired: true },
  {
    probe: "http",
    trust: { kind: "public" },
    expect: { method: "GET", path: "/healthz", version: "1.1", statuses: [200], body: "empty" },
  },
  { probe: "grpc", expect: { method: "/s.S/M", status: 12, message: "unknown *" } },
  {
    probe: "grpc",
    trust: { kind: "private", caPem: `${CA_PEM}${CA_PEM}` },
    expect: { method: "/s.S/M", status: 0, message: "*" },
  },
  { probe: "dns", query: "omni.example", transport: "udp", type: "A" },
  {
    probe: "registry",
    trust: { kind: "public" },
    expect: {
      basePath: "/v2",
      object: "a/b/manifests/v1",
      objectRequired: true,
      namespace: "ghcr.io",
      documentedHosts: ["*.example.com", "ghcr.io"],
    },
  },
  { probe: "udp", payloadBytes: 16, expectRefusal: true },
  { probe: "stamp", authenticated: true },
  { probe: "link" },
  { probe: "mtu", authenticated: false, requiredBytes: 1_340 },
  { probe: "ntp" },
  { probe: "nts", trust: { kind: "public" } },
];

const TARGETS = OPTIONS.map((options, at): Target => {
  const isProxied = options.probe === "tls" || options.probe === "http";
  const fields = {
    requirementId: `row-${at}`,
    host: at % 2 === 0 ? "omni.example" : "2001:db8::1",
    port: options.probe === "link" ? 0 : 443,
    ...(isProxied
      ? { proxy: { scheme: "https", host: "proxy.example", port: 3_128, trust: { kind: "public" } } as const }
      : {}),
    family: at % 2 === 0 ? (4 as const) : (6 as const),
    options,
    cadenceMs: 1_000,
    timeoutMs: 950,
  };
  return { id: targetId(fields), ...fields };
});

const PLANS = [[], TARGETS.slice(0, 1), TARGETS.slice(1, 4), TARGETS.slice(4)].map((targets) => makePlan(targets));

function holdPlan({ targets }: Plan): void {
  law(targets.length <= MAX_TARGETS_PER_NODE, "a plan has at most MAX_TARGETS_PER_NODE");
  law(new Set(targets.map(({ id }) => id)).size === targets.length, "each target is there once");
  for (const { cadenceMs, timeoutMs, port } of targets) {
    law(cadenceMs >= 100 && cadenceMs <= 3_600_000, "a cadence is within its range");
    law(timeoutMs >= 10 && timeoutMs <= 60_000, "a timeout is within its range");
    law(Number.isInteger(port) && port >= 0 && port <= 65_535, "a port is within its range");
  }
}

function checkWire(input: Uint8Array) {
  const wire = readMessage(PlanSchema, input);
  if (!wire.ok) return "refused";
  const decoded = planFromWire(wire.value);
  if (!decoded.ok) return "refused";
  const plan = decoded.value;
  holdPlan(plan);
  const wireAgain = planToWire(plan);
  lawSame("decode∘encode = id", planFromWire(wireAgain), {
    ok: true,
    value: { ...plan, revision: wireAgain.revision },
  });
  lawSame("an agent that starts again reads the plan it kept", parsePlan(structuredClone(plan), "cache"), plan);
  return "decoded";
}

const VALID = PLANS.map((plan) => toBinary(PlanSchema, planToWire(plan)));

/** planFromWire, of a plan's bytes; what it takes, the agent's cache must take too. */
export const planDecoder: Decoder = {
  name: "plan",
  draw: (random) => drawEncoding(random, PlanSchema, VALID),
  check: checkWire,
  growth: messageGrowth(PlanSchema, VALID, (input) => {
    const wire = readMessage(PlanSchema, input);
    return wire.ok ? planFromWire(wire.value) : wire;
  }),
};

const TEXTS = [
  `targets:
  - requirementId: machine-api
    host: omni.example
    port: 8090
    family: 4
    options: { probe: tcp, acceptReset: false }
    cadenceMs: 1000
    timeoutMs: 950
`,
  `revision: abc
targets:
  - {requirementId: a, host: "::1", port: 1, family: 6, options: {probe: udp, payloadBytes: 16, expectRefusal: true}, cadenceMs: 100, timeoutMs: 10}
`,
];

function readDocument(input: Uint8Array): Plan | undefined {
  const text = Buffer.from(input).toString();
  return unlessRefused(ConfigError, () => parsePlan(documentOf(text, "plan.yaml"), "plan.yaml"));
}

function checkDocument(input: Uint8Array) {
  const plan = readDocument(input);
  if (plan === undefined) return "refused";
  holdPlan(plan);
  if (!isReread(input)) return "decoded";
  lawSame(
    "what was read is written and read again",
    parsePlan(documentOf(JSON.stringify(plan), "again"), "again"),
    plan,
  );
  return "decoded";
}

/** One target a document, but for one of two: what is to be parsed is to be short. */
const TREES = [...TARGETS.map((target) => ({ targets: [target] })), { revision: "r", targets: TARGETS.slice(5, 7) }];

const drawFile = (random: Random) => drawDocument(random, TREES, TEXTS);

/** parsePlan, of the text of a plan file or of the agent's cache. */
export const planFileDecoder: Decoder = {
  name: "plan-file",
  draw: drawFile,
  check: checkDocument,
  growth: byteGrowth(drawFile, DOCUMENT_BYTES, readDocument),
};
