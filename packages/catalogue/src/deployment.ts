/**
 * Which deployment is measured: where Omni is, and what the site decided. Parsed, checked and completed; no file is read
 * here, certificates are asked of the caller.
 */
import * as v from "valibot";
import { type Endpoint, isHost, isWildcard, literalFamily, readEndpointUrl, readHostPort } from "./address.ts";
import { parseYaml } from "./document.ts";
import { CatalogueError, type Problem, refuseProblems } from "./error.ts";
import { checked, flag, host, listOf, oneOf, record, text, textThat, version } from "./field.ts";
import { DEPLOYMENT_KINDS, type DeploymentKind } from "./requirement.ts";

/** An endpoint with the authority its certificate must end at; public roots when `caPem` is absent. */
export interface TrustedEndpoint extends Endpoint {
  readonly caPem?: string;
}

/** A public host and the mirror that stands for it. */
export interface Mirror {
  /** A host, or a wildcard as the catalogue writes it. */
  readonly replaces: string;
  readonly with: TrustedEndpoint;
}

/** A deployment, complete: every default filled in. */
export interface Deployment {
  readonly name: string;
  readonly kind: DeploymentKind;
  readonly omni: {
    readonly api: Endpoint;
    /** Where nodes register. SaaS: derived from `api`; on-prem: undefined when not named. */
    readonly machineApi: Endpoint | undefined;
    /** Every advertised WireGuard endpoint; each is a target. */
    readonly siderolink: readonly Endpoint[];
    /** WireGuard is carried over gRPC for all nodes; a node's own observation overrides it. */
    readonly grpcTunnel: boolean;
    /** The authority of api and machineApi; public roots when absent. */
    readonly caPem: string | undefined;
    /** Omni's address in the tunnel, where it is not `::1` of the node's own siderolink /64. */
    readonly inTunnelAddress: string | undefined;
    readonly stampReflectors: readonly Endpoint[];
    readonly identityProvider: TrustedEndpoint | undefined;
    readonly etcdBackup: TrustedEndpoint | undefined;
    readonly vault: TrustedEndpoint | undefined;
  };
  readonly egress: {
    readonly nodesPullDirectly: boolean;
    readonly mediaThroughOmni: boolean;
    readonly httpProxy: Endpoint | undefined;
  };
  /** The site's own servers; empty: Talos's defaults. */
  readonly network: {
    readonly resolvers: readonly string[];
    readonly timeServers: readonly string[];
    /** Whether `timeServers` are asked by NTS; for Talos's defaults the node's version decides. */
    readonly networkTimeSecurity: boolean;
  };
  /** Undefined: public hosts are reached directly. */
  readonly airGapped: { readonly mirrors: readonly Mirror[] } | undefined;
  readonly catalogue: {
    /** Undefined: the newest bundled one. */
    readonly version: string | undefined;
    /** Files of own rows, as written: relative to the deployment file. */
    readonly extra: readonly string[];
  };
}

/** Largest PEM text in characters: 64 KiB holds about forty certificates. */
export const MAX_PEM_CHARS = 65_536;

/** Most endpoints of one kind. */
const ENDPOINTS_MAX = 16;

const HTTPS_WANTED = "an https URL of host and optional port, without path, query or credentials";
const HTTP_WANTED = "an http or https URL of host and optional port, without path, query or credentials";
const MACHINE_API_WANTED =
  "an https or grpc URL of host and optional port, without path, query (no join token) or credentials";
const HOST_PORT_WANTED = "host:port with a port from 1 to 65535, IPv6 in brackets";

const isPem = (value: string) =>
  value.length <= MAX_PEM_CHARS && value.includes("-----BEGIN CERTIFICATE-----") && !value.includes("PRIVATE KEY");

const url = (schemes: readonly string[], wanted: string) =>
  v.pipe(
    textThat((value) => readEndpointUrl(value, schemes) !== undefined, wanted),
    v.transform((value) => endpointOf(readEndpointUrl(value, schemes))),
  );
const httpsUrl = url(["https:"], HTTPS_WANTED);
const httpUrl = url(["http:", "https:"], HTTP_WANTED);
const machineApiUrl = url(["https:", "grpc:"], MACHINE_API_WANTED);
const hostPort = v.pipe(
  textThat((value) => readHostPort(value) !== undefined, HOST_PORT_WANTED),
  v.transform((value) => endpointOf(readHostPort(value))),
);
const pem = textThat(isPem, "PEM certificates of at most 64 KiB, without a private key");
const filePath = textThat((value) => value !== "" && value.length <= 4096 && !value.includes("\0"), "a file path");
const authority = { caFile: v.exactOptional(filePath), caPem: v.exactOptional(pem) };
const trusted = record({ url: httpUrl, ...authority });

const deploymentSchema = record({
  version: v.literal(1, "1, the version of this file format"),
  name: text,
  kind: oneOf(DEPLOYMENT_KINDS),
  omni: record({
    api: httpsUrl,
    machineApi: v.exactOptional(machineApiUrl),
    siderolink: v.exactOptional(listOf(hostPort, "endpoints", 0, ENDPOINTS_MAX), []),
    grpcTunnel: v.exactOptional(flag, false),
    ...authority,
    inTunnelAddress: v.exactOptional(
      textThat((value) => literalFamily(value) === 6, "an IPv6 address without brackets"),
    ),
    stampReflectors: v.exactOptional(listOf(hostPort, "endpoints", 0, ENDPOINTS_MAX), []),
    identityProvider: v.exactOptional(trusted),
    etcdBackup: v.exactOptional(trusted),
    vault: v.exactOptional(trusted),
  }),
  egress: v.exactOptional(
    record({
      nodesPullDirectly: v.exactOptional(flag, true),
      mediaThroughOmni: v.exactOptional(flag, false),
      httpProxy: v.exactOptional(httpUrl),
    }),
  ),
  network: v.exactOptional(
    record({
      resolvers: v.exactOptional(listOf(host, "hosts", 0, ENDPOINTS_MAX), []),
      timeServers: v.exactOptional(listOf(host, "hosts", 0, ENDPOINTS_MAX), []),
      networkTimeSecurity: v.exactOptional(flag, false),
    }),
  ),
  airGapped: v.exactOptional(
    record({
      mirrors: listOf(
        record({
          replaces: textThat((value) => isHost(value) || isWildcard(value), "a host name or a wildcard domain"),
          with: httpUrl,
          ...authority,
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

type Written = v.InferOutput<typeof deploymentSchema>;

/** Gives the text of a certificate file named by a `caFile`, as written; throws CatalogueError when it cannot. */
export type ReadPem = (path: string, field: string) => string;

/**
 * Reads a deployment from YAML text.
 *
 * @param file the name that problems carry.
 * @param readPem asked for every `caFile`.
 * @throws CatalogueError with every problem of the file, or the first of its certificates.
 */
export function parseDeployment(file: string, yaml: string, readPem: ReadPem): Deployment {
  return deployed(file, parseYaml(file, yaml), readPem);
}

/** What a command line can say of a deployment; every text as the user typed it. */
export interface DeploymentFlags {
  readonly api: string;
  readonly machineApi?: string;
  readonly siderolink: readonly string[];
  readonly caPem?: string;
  readonly stampReflectors?: readonly string[];
  /** Default: the API's host. */
  readonly name?: string;
  /** Default: `saas` for a host under `.omni.siderolabs.io`, else `on-prem`. */
  readonly kind?: DeploymentKind;
  readonly grpcTunnel?: boolean;
}

/** Builds a deployment from flags. Throws CatalogueError naming `command line` and the field, such as `omni.siderolink[0]`. */
export function deploymentFrom(flags: DeploymentFlags): Deployment {
  const { api, siderolink, machineApi, caPem, grpcTunnel = false, stampReflectors = [] } = flags;
  const apiHost = readEndpointUrl(api, ["https:"])?.host ?? "omni";
  const written = {
    version: 1,
    name: flags.name ?? apiHost,
    kind: flags.kind ?? (saasMachineApi(apiHost) === undefined ? "on-prem" : "saas"),
    omni: {
      api,
      siderolink: [...siderolink],
      stampReflectors: [...stampReflectors],
      grpcTunnel,
      ...(machineApi === undefined ? {} : { machineApi }),
      ...(caPem === undefined ? {} : { caPem }),
    },
  };
  return deployed("command line", written, () => {
    throw new TypeError("flags name no certificate file");
  });
}

/** SaaS names of UI/API and Machine API: `<account>.omni.siderolabs.io`, `<account>.siderolink.omni.siderolabs.io:443`. */
const SAAS_API = /^([a-z0-9-]+)\.omni\.siderolabs\.io$/i;

function saasMachineApi(apiHost: string): Endpoint | undefined {
  const account = SAAS_API.exec(apiHost)?.[1];
  return account === undefined
    ? undefined
    : { host: `${account}.siderolink.omni.siderolabs.io`, port: 443, secure: true };
}

function deployed(file: string, value: unknown, readPem: ReadPem): Deployment {
  const result = checked(deploymentSchema, value, file);
  if (!("output" in result)) {
    refuseProblems(result.problems);
    throw new TypeError("a failed check without a problem");
  }
  refuseProblems(conflicts(file, result.output));
  return completed(file, result.output, readPem);
}

function completed(file: string, written: Written, readPem: ReadPem): Deployment {
  const { omni, egress, network, catalogue } = written;
  const ca = (field: string, owner: Authority) => caOf(file, field, owner, readPem);
  const trustedAt = (field: string, owner: (Authority & { readonly url: Endpoint }) | undefined) =>
    owner === undefined ? undefined : trustedEndpoint(owner.url, ca(field, owner));
  return {
    name: written.name,
    kind: written.kind,
    omni: {
      api: omni.api,
      machineApi: omni.machineApi ?? (written.kind === "saas" ? saasMachineApi(omni.api.host) : undefined),
      siderolink: omni.siderolink,
      grpcTunnel: omni.grpcTunnel,
      caPem: ca("omni", omni),
      inTunnelAddress: omni.inTunnelAddress,
      stampReflectors: omni.stampReflectors,
      identityProvider: trustedAt("omni.identityProvider", omni.identityProvider),
      etcdBackup: trustedAt("omni.etcdBackup", omni.etcdBackup),
      vault: trustedAt("omni.vault", omni.vault),
    },
    egress: {
      nodesPullDirectly: egress?.nodesPullDirectly ?? true,
      mediaThroughOmni: egress?.mediaThroughOmni ?? false,
      httpProxy: egress?.httpProxy,
    },
    network: {
      resolvers: network?.resolvers ?? [],
      timeServers: network?.timeServers ?? [],
      networkTimeSecurity: network?.networkTimeSecurity ?? false,
    },
    airGapped: written.airGapped && {
      mirrors: written.airGapped.mirrors.map((mirror, index) => ({
        replaces: mirror.replaces,
        with: trustedEndpoint(mirror.with, ca(`airGapped.mirrors[${index}]`, mirror)),
      })),
    },
    catalogue: { version: catalogue?.version, extra: catalogue?.extra ?? [] },
  };
}

interface Authority {
  readonly caFile?: string;
  readonly caPem?: string;
}

function trustedEndpoint(endpoint: Endpoint, caPem: string | undefined): TrustedEndpoint {
  return caPem === undefined ? endpoint : { ...endpoint, caPem };
}

function caOf(file: string, field: string, owner: Authority, readPem: ReadPem): string | undefined {
  if (owner.caFile === undefined) return owner.caPem;
  const path = `${field}.caFile`;
  const text = readPem(owner.caFile, path);
  if (isPem(text)) return text;
  const expected = "a file of PEM certificates of at most 64 KiB, without a private key";
  throw new CatalogueError([{ code: "bad-value", file, path, value: JSON.stringify(owner.caFile), expected }]);
}

/** Rules that tie the fields of a deployment together. */
function conflicts(file: string, written: Written): Problem[] {
  const problems: Problem[] = [];
  const add = (path: string, value: string, expected: string) =>
    problems.push({ code: "bad-value", file, path, value, expected });
  const { omni, airGapped } = written;
  const authorities: [string, Authority | undefined][] = [
    ["omni", omni],
    ["omni.identityProvider", omni.identityProvider],
    ["omni.etcdBackup", omni.etcdBackup],
    ["omni.vault", omni.vault],
    ...(airGapped?.mirrors ?? []).map((mirror, index): [string, Authority] => [`airGapped.mirrors[${index}]`, mirror]),
  ];
  for (const [path, owner] of authorities) {
    if (owner?.caFile !== undefined && owner.caPem !== undefined) add(path, "caFile and caPem", "one of caFile, caPem");
  }
  const replaced = new Set<string>();
  for (const [index, { replaces }] of (airGapped?.mirrors ?? []).entries()) {
    const path = `airGapped.mirrors[${index}].replaces`;
    if (replaced.has(replaces)) add(path, `"${replaces}"`, "one mirror for each host");
    replaced.add(replaces);
  }
  if (written.network?.networkTimeSecurity && written.network.timeServers.length === 0) {
    add("network.networkTimeSecurity", "true", "network.timeServers, which it speaks of");
  }
  return problems;
}

/** Narrows what the check before has proved; a schema without its check is broken code. */
function endpointOf(endpoint: Endpoint | undefined): Endpoint {
  if (endpoint === undefined) throw new TypeError("an endpoint that was checked cannot be read");
  return endpoint;
}
