/** The strict schema of a row: it refuses unknown keys, bounds every field, and checks the rules between fields. */
import {
  isGrpcMethod,
  isRegistryObject,
  isRequestPath,
  matchesWildcard,
  PROXY_SCHEMES,
  TARGET_TEXT_WANTED,
} from "@lifeline/measure";
import * as v from "valibot";
import { flag, host, id, integer, listOf, oneOf, port, record, text, textThat, wildcard } from "./field.ts";
import {
  CHECKS,
  CONDITION_FACTS,
  DEPLOYMENT_KINDS,
  differs,
  OBLIGATIONS,
  OPERATORS,
  ORIGINS,
  type Place,
  type ProbePlan,
  type Requirement,
  SERVICES,
} from "./requirement.ts";
import { readTalosVersion } from "./talos-version.ts";

const transport = oneOf(["tcp", "udp"]);

const place = v.variant(
  "kind",
  [
    record({ kind: v.literal("hosts"), hosts: listOf(host, "hosts", 1) }),
    record({
      kind: v.literal("wildcard"),
      pattern: wildcard,
      known: listOf(host, "hosts", 0),
      unknown: v.exactOptional(record({ why: text, next: text })),
    }),
    record({
      kind: v.literal("service"),
      service: oneOf(SERVICES),
      defaults: v.exactOptional(listOf(host, "hosts", 1)),
    }),
  ],
  "one of hosts, wildcard, service",
);

/** The bounds are those of `Target` in `measure`. */
const terms = {
  to: v.exactOptional(oneOf(SERVICES)),
  cadenceMs: v.exactOptional(integer(100, 3_600_000)),
  timeoutMs: v.exactOptional(integer(10, 60_000)),
};
const trust = oneOf(["public", "deployment"]);
/** Longest path of a request, characters. */
const PATH_MAX_CHARS = 256;
const absolutePath = textThat(
  (value) => isRequestPath(value) && value.length <= PATH_MAX_CHARS,
  `${TARGET_TEXT_WANTED.requestPath}, at most ${PATH_MAX_CHARS} characters`,
);
const grpcMethod = textThat(isGrpcMethod, TARGET_TEXT_WANTED.grpcMethod);
const registryObject = textThat(isRegistryObject, TARGET_TEXT_WANTED.registryObject);
const alpn = textThat((value) => /^[\x21-\x7e]{1,32}$/.test(value), "an ALPN protocol name such as h2");

/** Omni's TUN drops inner packets under 54 bytes: IPv6 40 + UDP 8 leave 6. 1232 = 1280 − 40 − 8, the tunnel's MTU. */
const payloadBytes = integer(6, 1232);

const probePlan = v.variant(
  "probe",
  [
    record({ probe: v.literal("tcp"), acceptReset: flag, ...terms }),
    record({
      probe: v.literal("tls"),
      trust,
      alpn: listOf(alpn, "ALPN protocols", 0, 8),
      alpnRequired: flag,
      ...terms,
    }),
    record({
      probe: v.literal("http"),
      trust,
      expect: record({
        method: oneOf(["GET", "HEAD"]),
        path: absolutePath,
        version: oneOf(["1.1", "2"]),
        statuses: listOf(integer(200, 599, "a final status"), "status codes", 0),
        body: v.exactOptional(v.literal("empty", "empty, or no body at all for any body")),
      }),
      ...terms,
    }),
    record({ probe: v.literal("registry"), trust, object: v.exactOptional(registryObject), ...terms }),
    record({
      probe: v.literal("grpc"),
      trust,
      expect: record({ method: grpcMethod, status: integer(0, 16, "a gRPC status"), message: text }),
      ...terms,
    }),
    record({ probe: v.literal("dns"), query: host, transport, ask: v.exactOptional(oneOf(SERVICES)), ...terms }),
    record({ probe: v.literal("udp"), payloadBytes, expectRefusal: v.exactOptional(flag), ...terms }),
    record({ probe: v.literal("stamp"), ...terms }),
    record({ probe: v.literal("link"), ...terms }),
    record({
      probe: v.literal("mtu"),
      requiredBytes: record({ ipv4: integer(576, 9_000), ipv6: integer(1_280, 9_000) }),
      ...terms,
    }),
    record({ probe: v.literal("ntp"), ...terms }),
    record({ probe: v.literal("nts"), trust, ...terms }),
  ],
  "one of tcp, tls, http, registry, grpc, dns, udp, stamp, link, mtu, ntp, nts",
);

const talosVersion = textThat((value) => readTalosVersion(value) !== undefined, "a version of Talos such as v1.11.3");

const evidence = (least: number) => listOf(text, "sources", least);

const requirementFields = record({
  id,
  purpose: text,
  source: record({ document: text, version: text, section: text }),
  from: oneOf(ORIGINS),
  deployments: listOf(oneOf(DEPLOYMENT_KINDS), "deployment kinds", 1),
  obligation: oneOf(OBLIGATIONS),
  conditions: v.exactOptional(
    listOf(record({ fact: oneOf(CONDITION_FACTS), is: flag, otherwise: text }), "conditions", 1),
  ),
  protocol: transport,
  port,
  place,
  operator: v.exactOptional(oneOf(OPERATORS)),
  inspectionBreaks: v.exactOptional(text),
  proxyKinds: v.exactOptional(
    listOf(record({ scheme: oneOf(PROXY_SCHEMES), since: v.exactOptional(talosVersion) }), "kinds of proxy", 1),
  ),
  published: v.nullable(record({ value: text, port: v.exactOptional(port), protocol: v.exactOptional(transport) })),
  effective: record({ value: text, evidence: evidence(0) }),
  errata: v.exactOptional(
    listOf(record({ id, document: text, published: text, effective: text, evidence: evidence(1) }), "errata", 1),
  ),
  probes: listOf(probePlan, "probes", 0, 8),
  check: v.exactOptional(oneOf(CHECKS)),
});

/** A row as written in a file. */
export const requirementSchema: v.GenericSchema<unknown, Requirement> = v.pipe(
  requirementFields,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { key, input, message } of contradictions(dataset.value)) {
      addIssue({
        message,
        input,
        path: [{ type: "object", origin: "value", input: { ...dataset.value }, key, value: input }],
      });
    }
  }),
);

interface Contradiction {
  readonly key: keyof Requirement;
  readonly input: unknown;
  readonly message: string;
}

/** Violations of the rules between the fields of a row. */
function contradictions(row: Requirement): Contradiction[] {
  const found: Contradiction[] = [];
  const add = (key: keyof Requirement, message: string) => found.push({ key, input: row[key], message });
  if (row.obligation === "conditional" && row.conditions === undefined) {
    add("conditions", "at least one condition, because the obligation is conditional");
  }
  if (row.obligation !== "conditional" && row.conditions !== undefined) {
    add("obligation", "conditional, because the row has conditions");
  }
  if ((row.probes.length === 0) === (row.check === undefined)) {
    add("probes", "at least one probe, or a check instead of them");
  }
  if (row.place.kind === "wildcard") addWildcardRules(row.place, add);
  if (differs(row) && row.effective.evidence.length === 0) {
    add("effective", "evidence, because the effective value differs from the published one");
  }
  if (row.probes.some((plan) => plan.probe === "tls" && plan.alpnRequired && plan.alpn.length === 0)) {
    add("probes", "an ALPN protocol where alpnRequired is true");
  }
  if (new Set(row.probes.map(planKey)).size < row.probes.length) {
    add("probes", "probes that differ in protocol, service, path or query, because these identify a target");
  }
  return found;
}

/** What distinguishes the targets of two probes of one row: see `targetId` in `measure`. */
function planKey(plan: ProbePlan): string {
  const path = plan.probe === "http" ? plan.expect.path : plan.probe === "dns" ? plan.query : sizeOf(plan);
  return [plan.probe, plan.to ?? "", path].join(" ");
}

/** Datagrams to one closed port are distinguished by their size. */
function sizeOf(plan: ProbePlan): string {
  return plan.probe === "udp" && plan.expectRefusal === true ? String(plan.payloadBytes) : "";
}

function addWildcardRules(
  { pattern, known, unknown }: Extract<Place, { kind: "wildcard" }>,
  add: (key: keyof Requirement, message: string) => void,
): void {
  const outsider = known.find((name) => !matchesWildcard(pattern, name));
  if (outsider !== undefined) add("place", `known hosts under ${pattern}, which ${outsider} is not`);
  if (known.length === 0 && unknown === undefined)
    add("place", "unknown.why and unknown.next, because no known host is given");
}
