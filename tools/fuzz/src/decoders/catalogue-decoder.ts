/** Catalogue files. */
import { CatalogueError, MAX_REQUIREMENTS, parseCatalogue } from "@lifeline/catalogue";
import type { Random } from "@lifeline/harness";
import { type Decoder, isReread, law, lawSame, unlessRefused } from "../decoder.ts";
import { DOCUMENT_BYTES, drawDocument } from "../document-draw.ts";
import { byteGrowth } from "../growth.ts";

const ROW = {
  id: "machine-api",
  purpose: "Machine API",
  source: { document: "d", version: "v", section: "s" },
  from: "talos-node",
  deployments: ["saas"],
  obligation: "required",
  protocol: "tcp",
  port: 443,
  place: { kind: "hosts", hosts: ["ghcr.io"] },
  published: null,
  effective: { value: "v", evidence: ["e"] },
  probes: [{ probe: "tcp", acceptReset: false }],
};
const UDP_ROW = {
  ...ROW,
  id: "wireguard",
  obligation: "conditional",
  conditions: [{ fact: "wireguard-over-udp", is: true, otherwise: "by gRPC" }],
  protocol: "udp",
  place: { kind: "service", service: "siderolink" },
  published: { value: "x", port: 443, protocol: "udp" },
  effective: { value: "UDP", evidence: ["s"] },
  errata: [{ id: "e", document: "d", published: "p", effective: "e", evidence: ["x"] }],
  probes: [{ probe: "udp", payloadBytes: 16, cadenceMs: 1000 }, { probe: "stamp" }, { probe: "link" }],
};
const WILD_ROW = {
  ...ROW,
  place: { kind: "wildcard", pattern: "*.example.com", known: ["a.example.com"] },
  probes: [
    { probe: "tls", trust: "public", alpn: ["h2"], alpnRequired: false },
    { probe: "http", trust: "deployment", expect: { method: "GET", path: "/", version: "2", statuses: [200] } },
    { probe: "registry", trust: "public", object: "a/b/manifests/v1" },
    { probe: "mtu", requiredBytes: { ipv4: 1340, ipv6: 1360 } },
  ],
};
const TREES = [ROW, UDP_ROW, WILD_ROW].map((row) => ({ schema: 1, version: "v1.14", title: "t", requirements: [row] }));

const TEXTS = [
  `schema: 1
version: v1.14
title: "a"
requirements:
  - id: a
    purpose: "p"
    source: {document: d, version: v, section: s}
    from: omni-host
    deployments: [on-prem]
    obligation: required
    protocol: tcp
    port: 443
    place:
      kind: hosts
      hosts: ["ghcr.io"]
    published: null
    effective: {value: x, evidence: [y]}
    probes:
      - { probe: tcp, acceptReset: false }
`,
];

const draw = (random: Random) => drawDocument(random, TREES, TEXTS);

function read(input: Uint8Array) {
  const text = Buffer.from(input).toString();
  return unlessRefused(CatalogueError, () => parseCatalogue("c.yaml", text));
}

/** parseCatalogue. */
export const catalogueDecoder: Decoder = {
  name: "catalogue",
  draw,
  growth: byteGrowth(draw, DOCUMENT_BYTES, read),
  check(input) {
    const catalogue = read(input);
    if (catalogue === undefined) return "refused";
    const { requirements } = catalogue;
    law(requirements.length >= 1 && requirements.length <= MAX_REQUIREMENTS, "a catalogue is within its length");
    law(new Set(requirements.map(({ id }) => id)).size === requirements.length, "each id is there once");
    if (!isReread(input)) return "decoded";
    const again = parseCatalogue("again", JSON.stringify({ schema: 1, ...catalogue }));
    lawSame("decode∘encode = id", again, catalogue);
    return "decoded";
  },
};
