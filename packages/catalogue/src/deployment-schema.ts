/** A deployment file as written: the strict schema, and the rules between its fields. */
import {
  isCertificatesPem,
  isRegistryObject,
  literalFamily,
  type ProxyEndpoint,
  TARGET_TEXT_WANTED,
} from "@lifeline/measure";
import * as v from "valibot";
import {
  type Endpoint,
  isHost,
  isWildcard,
  readEndpointUrl,
  readHostPort,
  readMirrorUrl,
  readProxyUrl,
} from "./endpoint.ts";
import { type Problem, refuseProblems } from "./error.ts";
import { checked, flag, host, integer, listOf, oneOf, record, text, textThat, version } from "./field.ts";
import { DEPLOYMENT_KINDS } from "./requirement.ts";

/** Largest PEM text in characters: 64 KiB holds about forty certificates. */
export const MAX_PEM_CHARS = 65_536;

/** The `replaces` of a mirror for every registry that has none of its own, as Talos writes it. */
export const ANY_REGISTRY = "*";

/** Most endpoints of one kind. */
const ENDPOINTS_MAX = 16;

const HTTPS_WANTED = "an https URL of host and optional port, without path, query or credentials";
const HTTP_WANTED = "an http or https URL of host and optional port, without path, query or credentials";
const PROXY_WANTED =
  "an http, https, socks5 or socks5h URL of host and optional port, without path or query; credentials go into HTTPS_PROXY of the agent";
const MACHINE_API_WANTED =
  "an https or grpc URL of host and optional port, without path, query (no join token) or credentials";
const MIRROR_WANTED =
  "an http or https URL of host, optional port and path, without query or credentials; https without a scheme";
const HOST_PORT_WANTED = "host:port with a port from 1 to 65535, IPv6 in brackets";

/** Whether `value` holds readable certificates and no private key, within {@link MAX_PEM_CHARS}. */
export const isPem = (value: string): boolean =>
  value.length <= MAX_PEM_CHARS && !value.includes("PRIVATE KEY") && isCertificatesPem(value);

/** How errors describe what {@link isPem} accepts. */
export const PEM_WANTED = "PEM certificates of at most 64 KiB, each of which can be read, without a private key";

/** A URL. Its error says what is expected, and what of the URL is not. */
const url = (schemes: readonly string[], wanted: string) =>
  v.pipe(
    v.string(wanted),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const read = readEndpointUrl(dataset.value, schemes);
      if (read.kind === "endpoint") return read.endpoint;
      addIssue({ message: `${wanted}: ${read.why}` });
      return NEVER;
    }),
  );
const httpsUrl = url(["https:"], HTTPS_WANTED);
const httpUrl = url(["http:", "https:"], HTTP_WANTED);
const machineApiUrl = url(["https:", "grpc:"], MACHINE_API_WANTED);
const hostPort = v.pipe(
  textThat((value) => readHostPort(value) !== undefined, HOST_PORT_WANTED),
  v.transform((value) => endpointOf(readHostPort(value))),
);
/** Endpoints as a list, or as Omni's own flags take them: in one text, with commas between. */
const hostPorts = v.pipe(
  v.union([v.string(), v.array(v.unknown())], "a list of host:port, or a text with commas between them"),
  v.transform((value) => (typeof value === "string" ? [value] : value).flatMap(partsOf)),
  listOf(hostPort, "endpoints", 0, ENDPOINTS_MAX),
);

function partsOf(value: unknown): readonly unknown[] {
  return typeof value === "string" ? value.split(",").map((part) => part.trim()) : [value];
}

/** A link-local address without its zone (RFC 4291 §2.5.6), which no socket can reach. */
const UNZONED = /^fe[89ab][\da-f]:[^%]*$/i;

const address = textThat(
  (value) => literalFamily(value) !== undefined && !UNZONED.test(value),
  "an address without port, because a resolver is reached by its address; a link-local one with its zone, fe80::53%eth0",
);
const mirrorUrl = v.pipe(
  textThat((value) => readMirrorUrl(value) !== undefined, MIRROR_WANTED),
  v.transform((value) => endpointOf(readMirrorUrl(value))),
);
const registryObject = textThat(isRegistryObject, TARGET_TEXT_WANTED.registryObject);
const hostPattern = textThat((value) => isHost(value) || isWildcard(value), "a host name or a wildcard domain");
const proxyUrl = v.pipe(
  textThat((value) => readProxyUrl(value) !== undefined, PROXY_WANTED),
  v.transform((value) => proxyOf(readProxyUrl(value))),
);
const pem = textThat(isPem, PEM_WANTED);
const filePath = textThat((value) => value !== "" && value.length <= 4096 && !value.includes("\0"), "a file path");
const writtenCa = { caFile: v.exactOptional(filePath), caPem: v.exactOptional(pem) };
/** SHA-256 in hexadecimal, with colons between the bytes or without. */
const SHA256 = /^(?:[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})$/i;
const sha256 = v.pipe(
  textThat(
    (value) => SHA256.test(value),
    "the SHA-256 of a CA's certificate, 64 hexadecimal digits, as openssl x509 -noout -fingerprint -sha256 prints it",
  ),
  v.transform((value) => value.replaceAll(":", "").toLowerCase()),
);
/** Most CAs by which a site inspects TLS: one for each product, and its successor. */
const INSPECTION_CAS_MAX = 8;

/** Most days of `certificates.endsSoonDays`: longer than any public certificate lives (398 days). */
const ENDS_SOON_DAYS_MAX = 400;

const trusted = record({ url: httpUrl, ...writtenCa });

const deploymentSchema = record({
  version: v.literal(1, "1, the version of this file format"),
  name: text,
  kind: oneOf(DEPLOYMENT_KINDS),
  omni: record({
    api: httpsUrl,
    machineApi: v.exactOptional(machineApiUrl),
    siderolink: v.exactOptional(hostPorts, []),
    grpcTunnel: v.exactOptional(flag, false),
    ...writtenCa,
    inTunnelAddress: v.exactOptional(
      textThat((value) => literalFamily(value) === 6, "an IPv6 address without brackets"),
    ),
    stampReflectors: v.exactOptional(hostPorts, []),
    stampAuthenticated: v.exactOptional(flag, false),
    identityProvider: v.exactOptional(trusted),
    etcdBackup: v.exactOptional(trusted),
    vault: v.exactOptional(trusted),
  }),
  egress: v.exactOptional(
    record({
      nodesPullDirectly: v.exactOptional(flag, true),
      mediaThroughOmni: v.exactOptional(flag, false),
      httpProxy: v.exactOptional(proxyUrl),
      ...writtenCa,
      tlsInspection: v.exactOptional(
        listOf(record({ ...writtenCa, caSha256: v.exactOptional(sha256) }), "CAs", 0, INSPECTION_CAS_MAX),
      ),
      redirectHosts: v.exactOptional(listOf(hostPattern, "hosts", 0, ENDPOINTS_MAX), []),
    }),
  ),
  certificates: v.exactOptional(record({ endsSoonDays: v.exactOptional(integer(0, ENDS_SOON_DAYS_MAX, "days")) })),
  network: v.exactOptional(
    record({
      resolvers: v.exactOptional(listOf(address, "addresses", 0, ENDPOINTS_MAX), []),
      timeServers: v.exactOptional(listOf(host, "hosts", 0, ENDPOINTS_MAX), []),
      networkTimeSecurity: v.exactOptional(flag, false),
    }),
  ),
  airGapped: v.exactOptional(
    record({
      mirrors: listOf(
        record({
          replaces: textThat(
            (value) => value === ANY_REGISTRY || isHost(value) || isWildcard(value),
            "a host name, a wildcard domain, or * for every registry",
          ),
          with: mirrorUrl,
          overridePath: v.exactOptional(flag, false),
          object: v.exactOptional(registryObject),
          ...writtenCa,
        }),
        "mirrors",
        0,
      ),
    }),
  ),
  catalogue: v.exactOptional(
    record({
      version: v.exactOptional(version),
      extra: v.exactOptional(listOf(filePath, "files", 0, ENDPOINTS_MAX), []),
    }),
  ),
});

/** A deployment file that passed its schema. */
export type WrittenDeployment = v.InferOutput<typeof deploymentSchema>;

/** The CA of an endpoint as written: one of the two fields, or neither. */
export interface WrittenCa {
  readonly caFile?: string;
  readonly caPem?: string;
}

/** Checks a deployment as written. Throws CatalogueError with every problem; `file` is the name that problems carry. */
export function writtenDeployment(file: string, value: unknown): WrittenDeployment {
  const result = checked(deploymentSchema, value, file);
  if (!("output" in result)) {
    refuseProblems(result.problems);
    throw new TypeError("a failed check without a problem");
  }
  refuseProblems(conflicts(file, result.output));
  return result.output;
}

/** Violations of the rules between the fields of a deployment. */
function conflicts(file: string, written: WrittenDeployment): Problem[] {
  const problems: Problem[] = [];
  const add = (path: string, value: string, expected: string) =>
    problems.push({ code: "bad-value", file, path, value, expected });
  const { omni, airGapped } = written;
  const cas: [string, WrittenCa | undefined][] = [
    ["omni", omni],
    ["omni.identityProvider", omni.identityProvider],
    ["omni.etcdBackup", omni.etcdBackup],
    ["omni.vault", omni.vault],
    ["egress", written.egress],
    ...(airGapped?.mirrors ?? []).map((mirror, index): [string, WrittenCa] => [`airGapped.mirrors[${index}]`, mirror]),
  ];
  for (const [path, owner] of cas) {
    if (owner?.caFile !== undefined && owner.caPem !== undefined) add(path, "caFile and caPem", "one of caFile, caPem");
  }
  for (const [index, { caFile, caPem, caSha256 }] of (written.egress?.tlsInspection ?? []).entries()) {
    const count = [caFile, caPem, caSha256].filter((given) => given !== undefined).length;
    const path = `egress.tlsInspection[${index}]`;
    if (count !== 1) add(path, count === 0 ? "none of them" : `${count} of them`, "one of caFile, caPem, caSha256");
  }
  const replaced = new Set<string>();
  for (const [index, { replaces, with: endpoint }] of (airGapped?.mirrors ?? []).entries()) {
    const path = `airGapped.mirrors[${index}].replaces`;
    const key = `${replaces} ${endpoint.host} ${endpoint.port} ${endpoint.path}`;
    if (replaced.has(key)) add(path, `"${replaces}"`, "each mirror of a host once");
    replaced.add(key);
  }
  if (written.network?.networkTimeSecurity && written.network.timeServers.length === 0) {
    add("network.networkTimeSecurity", "true", "network.timeServers too, because NTS is set for these only");
  }
  return problems;
}

function proxyOf(proxy: ProxyEndpoint | undefined): ProxyEndpoint {
  if (proxy === undefined) throw new TypeError("a proxy passed its check and cannot be read");
  return proxy;
}

/** Narrows the type after a check that has passed. Throws only if a schema lacks that check. */
function endpointOf<Found extends Endpoint>(endpoint: Found | undefined): Found {
  if (endpoint === undefined) throw new TypeError("an endpoint passed its check and cannot be read");
  return endpoint;
}
