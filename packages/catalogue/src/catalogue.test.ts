import { TARGET_TEXT_WANTED } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { loadCatalogue } from "./bundled.ts";
import {
  extendCatalogue,
  findRequirement,
  MAX_REQUIREMENTS,
  parseCatalogue,
  parseExtra,
  requirementJson,
} from "./catalogue.ts";
import { MAX_FILE_BYTES } from "./catalogue-file.ts";
import { CatalogueError } from "./error.ts";

const ROW = `  - id: time
    purpose: Time
    source: { document: page.mdx, version: v1.13, section: Time }
    from: talos-node
    deployments: [on-prem]
    obligation: required
    protocol: udp
    port: 123
    place: { kind: hosts, hosts: [ntp.example] }
    published: { value: ntp.example }
    effective: { value: ntp.example, evidence: [] }
    probes: [{ probe: udp, payloadBytes: 48 }]
`;
const HEAD = "schema: 1\nversion: v1.13\ntitle: Test\nrequirements:\n";
const GOOD = HEAD + ROW;

function failure(work: () => unknown): CatalogueError {
  try {
    work();
  } catch (error) {
    if (error instanceof CatalogueError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const PATH_WANTED = `${TARGET_TEXT_WANTED.requestPath}, at most 256 characters`;

const refusal = (yaml: string) => failure(() => parseCatalogue("omni-v1.13.yaml", yaml));

describe("parseCatalogue", () => {
  it("reads a good file", () => {
    expect(parseCatalogue("omni-v1.13.yaml", GOOD).requirements).toHaveLength(1);
  });

  const place = (text: string) => GOOD.replace("{ kind: hosts, hosts: [ntp.example] }", text);
  const probes = (text: string) => GOOD.replace("[{ probe: udp, payloadBytes: 48 }]", text);
  const bad: readonly [title: string, yaml: string, code: string, message: string][] = [
    [
      "a port out of range",
      GOOD.replace("port: 123", "port: 70000"),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].port: got 70000, want an integer from 1 to 65535",
    ],
    [
      "a port that is text",
      GOOD.replace("port: 123", "port: ntp"),
      "bad-value",
      'omni-v1.13.yaml: requirements[0].port: got "ntp", want an integer from 1 to 65535',
    ],
    [
      "a missing key",
      GOOD.replace("    purpose: Time\n", ""),
      "missing-key",
      "omni-v1.13.yaml: requirements[0].purpose: got nothing, want a text of 1 to 1000 characters",
    ],
    [
      "an unknown key, whose value is not repeated (S1)",
      GOOD.replace("version: v1.13\ntitle", "joinToken: s3cr3t\nversion: v1.13\ntitle"),
      "unknown-key",
      "omni-v1.13.yaml: joinToken: got an unknown key, want one of schema, version, title, requirements",
    ],
    [
      "every unknown key of a mapping, even one that every object inherits",
      GOOD.replace("schema: 1\n", "schema: 1\nconstructor: 1\n__proto__: { title: x }\n"),
      "unknown-key",
      [
        "omni-v1.13.yaml: constructor: got an unknown key, want one of schema, version, title, requirements",
        "omni-v1.13.yaml: __proto__: got an unknown key, want one of schema, version, title, requirements",
      ].join("\n"),
    ],
    [
      "an unknown key in a probe",
      probes("[{ probe: udp, payloadBytes: 48, retries: 3 }]"),
      "unknown-key",
      "omni-v1.13.yaml: requirements[0].probes[0].retries: got an unknown key, want one of probe, payloadBytes, expectRefusal, to, cadenceMs, timeoutMs",
    ],
    [
      "an unknown probe",
      probes("[{ probe: ping }]"),
      "bad-value",
      'omni-v1.13.yaml: requirements[0].probes[0].probe: got "ping", want one of tcp, tls, http, registry, grpc, dns, udp, stamp, link, mtu, ntp, nts',
    ],
    [
      "a payload so small that Omni's TUN drops it",
      probes("[{ probe: udp, payloadBytes: 5 }]"),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].probes[0].payloadBytes: got 5, want an integer from 6 to 1232",
    ],
    [
      "two probes that would be one target",
      probes("[{ probe: udp, payloadBytes: 48 }, { probe: udp, payloadBytes: 64 }]"),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].probes: got a list of 2, want probes that differ in protocol, service, path or query, because these identify a target",
    ],
    ...["/a b", "/a#b", "/é", "/%zz"].map((path): [string, string, string, string] => [
      `a path that no request can have: ${path}`,
      probes(`[{ probe: http, trust: public, expect: { method: GET, path: "${path}", version: "2", statuses: [] } }]`),
      "bad-value",
      `omni-v1.13.yaml: requirements[0].probes[0].expect.path: got "${path}", want ${PATH_WANTED}`,
    ]),
    [
      "a status that is not final",
      probes('[{ probe: http, trust: public, expect: { method: GET, path: /, version: "2", statuses: [100] } }]'),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].probes[0].expect.statuses[0]: got 100, want a final status from 200 to 599",
    ],
    [
      "a required ALPN protocol without a name",
      probes("[{ probe: tls, trust: public, alpn: [], alpnRequired: true }]"),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].probes: got a list of 1, want an ALPN protocol where alpnRequired is true",
    ],
    [
      "a host that a URL rejects",
      place("{ kind: hosts, hosts: [ntp.1] }"),
      "bad-value",
      'omni-v1.13.yaml: requirements[0].place.hosts[0]: got "ntp.1", want a host name or an address literal, without port or scheme',
    ],
    [
      "no probe",
      probes("[]"),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].probes: got an empty list, want at least one probe, or a check instead of them",
    ],
    [
      "an id that is not kebab-case",
      GOOD.replace("id: time", "id: NTP_time"),
      "bad-value",
      'omni-v1.13.yaml: requirements[0].id: got "NTP_time", want a lower-case id of letters, digits and hyphens, at most 64 characters',
    ],
    [
      "an id twice",
      GOOD + ROW,
      "duplicate-id",
      'omni-v1.13.yaml: requirements[1].id: got "time", want an id that requirements[0].id does not use',
    ],
    [
      "a conditional row without a condition",
      GOOD.replace("obligation: required", "obligation: conditional"),
      "missing-key",
      "omni-v1.13.yaml: requirements[0].conditions: got nothing, want at least one condition, because the obligation is conditional",
    ],
    [
      "a condition on a row that always binds",
      GOOD.replace(
        "obligation: required",
        "obligation: required\n    conditions: [{ fact: vault, is: true, otherwise: no vault }]",
      ),
      "bad-value",
      'omni-v1.13.yaml: requirements[0].obligation: got "required", want conditional, because the row has conditions',
    ],
    [
      "an unknown fact",
      GOOD.replace(
        "obligation: required",
        "obligation: conditional\n    conditions: [{ fact: raining, is: true, otherwise: dry }]",
      ),
      "bad-value",
      'omni-v1.13.yaml: requirements[0].conditions[0].fact: got "raining", want one of grpc-tunnel, nodes-pull-directly, media-through-omni, air-gapped, http-proxy, siderolink-member, network-time-security, identity-provider, etcd-backup, vault, siderolink-configured, proxy-environment',
    ],
    [
      "a difference without evidence",
      GOOD.replace("published: { value: ntp.example }", "published: null"),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].effective: got a mapping, want evidence, because the effective value differs from the published one",
    ],
    [
      "a wildcard without known hosts or a reason (M4)",
      place('{ kind: wildcard, pattern: "*.example.com", known: [] }'),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].place: got a mapping, want unknown.why and unknown.next, because no known host is given",
    ],
    [
      "a known host outside its wildcard",
      place('{ kind: wildcard, pattern: "*.example.com", known: [example.com] }'),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].place: got a mapping, want known hosts under *.example.com, which example.com is not",
    ],
    [
      "a URL in place of a host, without repeating its credentials and query (S1)",
      place('{ kind: hosts, hosts: ["https://joe:pw@ntp.example/?jointoken=s3cr3t"] }'),
      "bad-value",
      'omni-v1.13.yaml: requirements[0].place.hosts[0]: got "https://…@ntp.example/?…", want a host name or an address literal, without port or scheme',
    ],
    [
      "another format version",
      GOOD.replace("schema: 1", "schema: 2"),
      "bad-value",
      "omni-v1.13.yaml: schema: got 2, want 1, the version of this file format",
    ],
    [
      "a list in place of the whole mapping",
      "- 1\n",
      "bad-value",
      "omni-v1.13.yaml: got a list of 1, want a mapping of keys and values",
    ],
    [
      "a list in place of a row's source",
      GOOD.replace("{ document: page.mdx, version: v1.13, section: Time }", "[page.mdx]"),
      "bad-value",
      "omni-v1.13.yaml: requirements[0].source: got a list of 1, want a mapping of keys and values",
    ],
    [
      "an empty file",
      "",
      "bad-value",
      "omni-v1.13.yaml: got null, want a mapping with schema, version, title, requirements",
    ],
    [
      "a key twice, with its line",
      "schema: 1\nschema: 1\n",
      "syntax",
      "omni-v1.13.yaml:2:1: got a key twice, want each key once",
    ],
    [
      "an open bracket, with its line",
      "schema: [1,\n",
      "syntax",
      "omni-v1.13.yaml:2:1: got broken YAML (BAD_INDENT), want consistent indentation and closed brackets",
    ],
    [
      "two documents",
      "schema: 1\n---\nschema: 1\n",
      "syntax",
      "omni-v1.13.yaml:2:1: got broken YAML (MULTIPLE_DOCS), want one document",
    ],
    [
      "an alias, because aliases can expand without bound (S2)",
      "schema: &a 1\nversion: *a\n",
      "syntax",
      "omni-v1.13.yaml:2:10: got the alias *a, want the value written out",
    ],
    [
      "a tag",
      "schema: !secret 1\n",
      "syntax",
      "omni-v1.13.yaml:1:9: got broken YAML (TAG_RESOLVE_FAILED), want no tag",
    ],
    [
      "a file over the bound (S2)",
      `# ${"x".repeat(MAX_FILE_BYTES)}\n`,
      "too-large",
      "omni-v1.13.yaml: got 262147 bytes, want at most 262144 bytes",
    ],
    [
      "nesting deeper than the stack (S2)",
      "[".repeat(20_000),
      "syntax",
      "omni-v1.13.yaml:1:1: got nesting too deep to read, want a few levels",
    ],
    [
      "values of values deeper than the stack (S2)",
      `{"a":"b${'":"b'.repeat(9_000)}"}`,
      "syntax",
      "omni-v1.13.yaml:1:1: got nesting too deep to read, want a few levels",
    ],
  ];
  it.each(bad)("refuses %s", (_title, yaml, code, message) => {
    const error = refusal(yaml);
    expect(error.message).toBe(message);
    expect(error.code).toBe(code);
  });

  it("collects every problem, in file order", () => {
    const error = refusal(GOOD.replace("port: 123", "port: 0").replace("from: talos-node", "from: moon"));
    expect(error.problems.map(({ path, value }) => [path, value])).toEqual([
      ["requirements[0].from", '"moon"'],
      ["requirements[0].port", "0"],
    ]);
  });

  it("shows twenty problems and counts the others (S2)", () => {
    const rows = Array.from({ length: 25 }, (_, n) => ROW.replace("id: time", `id: t${n}`).replace("123", "0")).join(
      "",
    );
    const lines = refusal(HEAD + rows).message.split("\n");
    expect([lines.length, lines.at(-1)]).toEqual([21, "and 5 more"]);
  });
});

describe("extendCatalogue", () => {
  const base = parseCatalogue("omni-v1.13.yaml", GOOD);
  const own = (id: string) =>
    parseExtra("mine.yaml", `schema: 1\nrequirements:\n${ROW.replace("id: time", `id: ${id}`)}`);

  it("puts own rows after the catalogue's", () => {
    expect(extendCatalogue(base, own("our-time")).requirements.map(({ id }) => id)).toEqual(["time", "our-time"]);
  });

  it("refuses an id that the catalogue uses", () => {
    const error = failure(() => extendCatalogue(base, own("time")));
    expect(error.message).toBe(
      'mine.yaml: requirements[0].id: got "time", want an id that catalogue v1.13 does not use',
    );
    expect(error.code).toBe("duplicate-id");
  });

  it("bounds the rows in all (S2)", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => ({ ...own("x").requirements[0], id: `x${n}` }));
    const requirements = many(MAX_REQUIREMENTS) as unknown as typeof base.requirements;
    expect(failure(() => extendCatalogue(base, { file: "mine.yaml", requirements })).message).toBe(
      "mine.yaml: requirements: got 513, want at most 512 requirements in all",
    );
  });
});

describe("requirementJson", () => {
  it("is the same text for equal rows, whatever the order of their keys", () => {
    const row = findRequirement(loadCatalogue("v1.13"), "siderolink-endpoint");
    if (row === undefined) throw new Error("no such row");
    const shuffled = Object.fromEntries(Object.entries(row).reverse()) as unknown as typeof row;
    expect(requirementJson(shuffled)).toBe(requirementJson(row));
    expect(JSON.parse(requirementJson(row))).toEqual(row);
    expect(requirementJson(row).split("\n")[1]).toBe('  "id": "siderolink-endpoint",');
  });
});
