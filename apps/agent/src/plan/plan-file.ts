/**
 * Plans as documents: the plan file of an agent without a collector, and the cache of a collector's plan.
 *
 * The shape is checked here. The limits are checked by the codec that checks a collector's plan, so there is one set of
 * limits. A target's id follows from its other fields; an id in the document must be that one.
 */
import { PROXY_SCHEMES, RECORD_TYPES, REDIRECT_SCOPES, type Target, targetId } from "@lifeline/measure";
import {
  ConfigError,
  integerOf,
  listOf,
  mapping,
  problem,
  readDocument,
  shownValue,
  textOf,
  validated,
  wordOf,
} from "@lifeline/settings";
import {
  MAX_IDENTIFIER_LENGTH,
  MAX_TARGETS_PER_NODE,
  makePlan,
  type Plan,
  planFromWire,
  planToWire,
} from "@lifeline/wire";
import * as v from "valibot";

/** Shape bounds, wide on purpose: the codec's own limits are narrower. */
const UINT32_MAX = 0xffff_ffff;
const PEM_MAX_LENGTH = 65_536;
const WORDS_MAX = 16;
const HOSTS_MAX = 64;

const identifier = textOf(1, MAX_IDENTIFIER_LENGTH);
const number = integerOf(0, UINT32_MAX);
const flag = v.boolean("true or false");

const trust = v.variant(
  "kind",
  [
    mapping({
      kind: v.literal("public", "public"),
      addedCaPem: v.exactOptional(textOf(1, PEM_MAX_LENGTH, "PEM certificates")),
    }),
    mapping({
      kind: v.literal("private", "private"),
      caPem: textOf(1, PEM_MAX_LENGTH, "PEM certificates"),
      addedCaPem: v.exactOptional(textOf(1, PEM_MAX_LENGTH, "PEM certificates")),
      hostCaSha256: v.exactOptional(listOf(identifier, WORDS_MAX, "SHA-256 of CAs")),
    }),
  ],
  "a trust: kind is public, or private with caPem",
);

const options = v.variant(
  "probe",
  [
    mapping({ probe: v.literal("tcp"), acceptReset: flag }),
    mapping({
      probe: v.literal("tls"),
      trust,
      alpn: listOf(textOf(1, 255), WORDS_MAX, "protocol names"),
      alpnRequired: flag,
    }),
    mapping({
      probe: v.literal("http"),
      trust: v.exactOptional(trust),
      expect: mapping({
        method: wordOf(["GET", "HEAD"]),
        path: identifier,
        version: wordOf(["1.1", "2"]),
        statuses: listOf(number, WORDS_MAX, "statuses"),
        body: v.exactOptional(v.literal("empty", "empty")),
      }),
      documentedHosts: v.exactOptional(listOf(identifier, HOSTS_MAX, "hosts")),
    }),
    mapping({
      probe: v.literal("registry"),
      trust: v.exactOptional(trust),
      expect: mapping({
        basePath: identifier,
        object: v.exactOptional(identifier),
        objectRequired: flag,
        namespace: v.exactOptional(identifier),
        documentedHosts: listOf(identifier, HOSTS_MAX, "hosts"),
      }),
    }),
    mapping({
      probe: v.literal("grpc"),
      trust: v.exactOptional(trust),
      expect: mapping({ method: identifier, status: number, message: identifier }),
    }),
    mapping({
      probe: v.literal("dns"),
      query: textOf(1, 253),
      transport: wordOf(["udp", "tcp"]),
      type: wordOf(RECORD_TYPES),
    }),
    mapping({ probe: v.literal("udp"), payloadBytes: number, expectRefusal: v.boolean("true or false") }),
    mapping({ probe: v.literal("stamp"), authenticated: v.boolean("true or false") }),
    mapping({ probe: v.literal("link") }),
    mapping({ probe: v.literal("mtu"), authenticated: v.boolean("true or false"), requiredBytes: number }),
    mapping({ probe: v.literal("ntp") }),
    mapping({ probe: v.literal("nts"), trust }),
  ],
  "options of a probe: tcp, tls, http, registry, grpc, dns, udp, stamp, link, mtu, ntp or nts",
);

const target = mapping({
  id: v.exactOptional(identifier),
  requirementId: identifier,
  host: identifier,
  port: number,
  family: v.picklist([4, 6], "4 or 6"),
  proxy: v.exactOptional(
    mapping({
      scheme: v.exactOptional(wordOf(PROXY_SCHEMES)),
      host: identifier,
      port: number,
      trust: v.exactOptional(trust),
      cleartextConnect: v.exactOptional(v.literal(true, "true")),
    }),
  ),
  inTunnel: v.exactOptional(v.literal(true, "true")),
  redirectScope: v.exactOptional(wordOf(REDIRECT_SCOPES)),
  options,
  cadenceMs: number,
  timeoutMs: number,
});

const document = mapping({
  // Written by the agent into its cache; a file written by hand need not have one.
  revision: v.exactOptional(identifier),
  targets: listOf(target, MAX_TARGETS_PER_NODE, "targets"),
});

/** Reads a plan of its document. Throws a ConfigError that names `source`, field, value and what would be right. */
export function parsePlan(input: unknown, source: string): Plan {
  const { revision, targets } = validated(document, input, source);
  const complete = targets.map((given, at): Target => {
    const id = targetId(given);
    if (given.id !== undefined && given.id !== id) throw badValue(source, `targets[${at}].id`, given.id, id);
    return { ...given, id };
  });
  const checked = planFromWire(planToWire(makePlan(complete)));
  if (!checked.ok) {
    const { field, value, expected } = checked.malformed;
    throw badValue(source, field, value, expected);
  }
  return { revision: revision ?? checked.value.revision, targets: checked.value.targets };
}

function badValue(source: string, field: string, value: unknown, want: string): ConfigError {
  return new ConfigError(problem("bad-value", `${source}: ${field}`, shownValue(value), want));
}

/** Reads the plan file at `path`. Throws a ConfigError. */
export function readPlanFile(path: string): Plan {
  return parsePlan(readDocument(path), path);
}
