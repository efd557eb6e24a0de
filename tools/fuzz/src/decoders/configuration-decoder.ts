/** Configuration files: the agent's and the collector's. */
import { type AgentConfig, parseConfig as parseAgentConfig } from "@lifeline/agent";
import { type Config, parseConfig } from "@lifeline/collector";
import type { Random } from "@lifeline/harness";
import { endpointName } from "@lifeline/measure";
import { ConfigError } from "@lifeline/settings";
import { isNodeId } from "@lifeline/wire";
import { type Decoder, isReread, law, lawSame, unlessRefused } from "../decoder.ts";
import { DOCUMENT_BYTES, drawDocument } from "../document-draw.ts";
import { byteGrowth } from "../growth.ts";

const AGENT_TREES = [
  {},
  { collector: "127.0.0.1:9470", stateDir: "/var/lib/lifeline", nodeId: "node-1", roles: ["talos-node", "omni-host"] },
  { collector: "c.example:9470", tls: { caFile: "ca.pem", certFile: "n.pem", keyFile: "n.key" }, logLevel: "debug" },
  { plan: { file: "plan.yaml" }, spool: { maxBytes: 67_108_864, maxAgeHours: 72 }, resolvers: ["10.0.0.53:53"] },
  { plan: "collector", allowPlaintext: true, collector: "[2001:db8::1]:1", hostsFile: "h", stampKeyFile: "k" },
  { talos: { socket: "/system/run/machined/machine.sock" } },
];
const AGENT_TEXTS = [
  "collector: c.example:9470 # there\nstateDir: /var/lib/lifeline\nroles: [talos-node]\ntls: { caFile: a, certFile: b, keyFile: c }\n",
  'nodeId: "n"\nspool:\n  maxBytes: 8388608\nresolvers:\n  - "10.0.0.53:53"\n  - "[::1]:53"\n',
];

/** A file that says the same, every default written out. */
function agentFile({ plan, ...config }: AgentConfig): string {
  const file = plan.kind === "collector" ? "collector" : { file: plan.path };
  return JSON.stringify({ ...config, plan: file });
}

const drawAgent = (random: Random) => drawDocument(random, AGENT_TREES, AGENT_TEXTS);

function readAgent(input: Uint8Array): AgentConfig | undefined {
  const text = Buffer.from(input).toString();
  return unlessRefused(ConfigError, () => parseAgentConfig("/etc/a.yaml", text));
}

/** parseConfig of the agent. */
export const agentConfigDecoder: Decoder = {
  name: "agent-config",
  draw: drawAgent,
  growth: byteGrowth(drawAgent, DOCUMENT_BYTES, readAgent),
  check(input) {
    const config = readAgent(input);
    if (config === undefined) return "refused";
    law(config.nodeId === undefined || isNodeId(config.nodeId), "a node id is one");
    law(config.stateDir.length >= 1 && config.stateDir.length <= 4_096, "a path is within its length");
    law(config.spool.maxBytes >= 8 * 1024 * 1024, "the spool holds the largest report");
    law((config.resolvers?.length ?? 0) <= 8, "at most 8 resolvers");
    if (!isReread(input)) return "decoded";
    const again = parseAgentConfig("/etc/again.yaml", agentFile(config));
    lawSame("decode∘encode = id", again, config);
    return "decoded";
  },
};

const NEEDED = { dataDir: "/data", deployment: "/site.yaml" };
const COLLECTOR_TREES = [
  NEEDED,
  { ...NEEDED, listen: "127.0.0.1:0", httpListen: "[::1]:9471", retentionDays: 7, maxStreams: 100, readyFile: "r" },
  { ...NEEDED, listen: "0.0.0.0:9470", tls: { certFile: "c", keyFile: "k", caFile: "ca" }, catalogue: "c.yaml" },
  { ...NEEDED, allowPlaintext: true, listen: "h.example:1", catalogueExtras: ["a.yaml", "/b.yaml"], httpNames: ["h"] },
];
const COLLECTOR_TEXTS = [
  'dataDir: data\ndeployment: site.yaml # beside\nlisten: "127.0.0.1:9470"\ntls:\n  certFile: c.pem\n  keyFile: k.pem\nretentionDays: 30\n',
];

/** A file that says the same, every default written out. */
function collectorFile({ listen, httpListen, tls, handshakeMaxBytes, ...config }: Config): string {
  const places = {
    listen: endpointName(listen.host, listen.port),
    httpListen: endpointName(httpListen.host, httpListen.port),
  };
  return JSON.stringify({ ...config, ...places, tls: { ...tls, handshakeMaxBytes } });
}

const drawCollector = (random: Random) => drawDocument(random, COLLECTOR_TREES, COLLECTOR_TEXTS);

function readCollector(input: Uint8Array): Config | undefined {
  const text = Buffer.from(input).toString();
  return unlessRefused(ConfigError, () => parseConfig("/etc/c.yaml", text));
}

/** parseConfig of the collector. */
export const collectorConfigDecoder: Decoder = {
  name: "collector-config",
  draw: drawCollector,
  growth: byteGrowth(drawCollector, DOCUMENT_BYTES, readCollector),
  check(input) {
    const config = readCollector(input);
    if (config === undefined) return "refused";
    law(config.retentionDays >= 1 && config.retentionDays <= 3_650, "retention is within its range");
    law(config.maxStreams >= 1 && config.maxStreams <= 20_000, "streams are within their range");
    law(config.catalogueExtras.length <= 16, "at most 16 files of own rows");
    if (!isReread(input)) return "decoded";
    lawSame("decode∘encode = id", parseConfig("/etc/again.yaml", collectorFile(config)), config);
    return "decoded";
  },
};
