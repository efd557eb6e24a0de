/** A node's Hello, as the collector admits it. */
import { create, toBinary } from "@bufbuild/protobuf";
import { type AdmittedHello, admitHello } from "@lifeline/collector";
import { endpointName, type ProxyEndpoint } from "@lifeline/measure";
import { isNodeId, readMessage, reportPb } from "@lifeline/wire";
import { type Decoder, law, lawSame } from "../decoder.ts";
import { drawEncoding } from "../message-course.ts";
import { messageGrowth } from "../message-growth.ts";

const { HelloSchema } = reportPb;
type HelloInit = Parameters<typeof create<typeof HelloSchema>>[1];

const LEAST = { nodeId: "node-1", bootId: new Uint8Array(16) };
const FULL: HelloInit = {
  ...LEAST,
  agentVersion: "0.1.0",
  hostname: "node-1.example",
  roles: [1, 2],
  ipVersions: [4, 6],
  siderolinkPrefix: "fdae:41e4:649b:9303",
  grpcTunnel: false,
  talosVersion: "v1.14.0",
  planRevision: "0123456789abcdef",
  resolvers: ["10.0.0.53", "2001:db8::53"],
  machineApi: "grpc://omni.example:8090",
  sentUnixMs: 1_790_000_000_000n,
  gateways: ["10.0.0.1", "2001:db8::1"],
  addresses: ["10.0.0.7", "2001:db8::7", "::ffff:10.0.0.8"],
  proxy: {
    httpsProxy: "https://proxy.example:3128",
    httpsProxyFault: "HTTPS_PROXY: not a URL",
    httpsProxyLacksPort: true,
    httpProxy: "http://[2001:db8::9]:3128",
    noProxy: [".example", "10.0.0.0/8"],
  },
  talos: { siderolinkHost: "omni.example", siderolinkConnected: true, wireguardEndpoint: "192.0.2.1:51820" },
};
const VALID = [LEAST, FULL].map((init) => toBinary(HelloSchema, create(HelloSchema, init)));

/** A Hello with the contents of the decoded one. */
function helloOf({ facts, hostname, agentVersion, planRevision, addresses, observedEndpoint }: AdmittedHello) {
  const proxy = (endpoint: ProxyEndpoint | undefined) =>
    endpoint === undefined ? "" : `${endpoint.scheme ?? "http"}://${endpointName(endpoint.host, endpoint.port)}`;
  return create(HelloSchema, {
    ...LEAST,
    nodeId: facts.nodeId,
    hostname,
    agentVersion,
    planRevision,
    addresses: [...addresses],
    roles: facts.roles.map((role) => (role === "omni-host" ? 1 : 2)),
    ipVersions: [...facts.families],
    siderolinkPrefix: facts.siderolinkPrefix ?? "",
    ...(facts.grpcTunnel === undefined ? {} : { grpcTunnel: facts.grpcTunnel }),
    talosVersion: facts.talosVersion ?? "",
    resolvers: [...(facts.resolvers ?? [])],
    gateways: [...(facts.gateways ?? [])],
    machineApi: facts.machineApi ?? "",
    machineApiUnreadable: facts.machineApiUnreadable ?? "",
    ...(facts.proxy === undefined
      ? {}
      : {
          proxy: {
            httpsProxy: proxy(facts.proxy.https),
            httpsProxyFault: facts.proxy.httpsFault ?? "",
            httpsProxyLacksPort: facts.proxy.httpsLacksPort === true,
            httpProxy: proxy(facts.proxy.http),
            noProxy: [...facts.proxy.noProxy],
          },
        }),
    ...(observedEndpoint === undefined ? {} : { talos: { wireguardEndpoint: observedEndpoint } }),
  });
}

function check(input: Uint8Array) {
  const read = readMessage(HelloSchema, input);
  if (!read.ok) return "refused";
  const hello = read.value;
  const verdict = admitHello(hello, { kind: "unauthenticated" });
  if (verdict.kind !== "admitted") return "refused";
  const { hello: admitted } = verdict;
  law(isNodeId(admitted.facts.nodeId), "only a node id is admitted");
  law(admitted.addresses.length <= 16, "at most 16 addresses are kept");
  law((admitted.facts.resolvers?.length ?? 0) <= 16, "at most 16 resolvers are kept");
  law((admitted.facts.proxy?.noProxy.length ?? 0) <= 64, "at most 64 entries of NO_PROXY are kept");
  law(admitted.hostname.length <= 253, "a host name is within its length");
  for (const { count } of verdict.dropped) law(count >= 1, "what was dropped is counted");
  const again = admitHello(helloOf(admitted), { kind: "unauthenticated" });
  lawSame("what was taken is taken whole", again, { kind: "admitted", hello: admitted, dropped: [] });
  const another = { kind: "node", nodeId: `${hello.nodeId}-other`, keySha256: "", notAfterMs: 0 } as const;
  const refused = admitHello(hello, another);
  law(refused.kind === "another-node", "a node speaks only for itself");
  return "decoded";
}

/** admitHello, of a Hello's bytes. */
export const helloDecoder: Decoder = {
  name: "hello",
  draw: (random) => drawEncoding(random, HelloSchema, VALID),
  check,
  growth: messageGrowth(HelloSchema, VALID, (input) => readMessage(HelloSchema, input)),
};
