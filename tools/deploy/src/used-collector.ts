/** A collector with a report and a refused enrolment, and the metrics it exports then. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Collector, type Config, startCollector } from "@lifeline/collector";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { type ChannelCredentials, channelCredentials, createRpcClient, RpcError, tlsCredentials } from "@lifeline/rpc";
import { encodeReport, enrolPb, NO_SELF_METRICS, reportPb } from "@lifeline/wire";
import { pino } from "pino";

/** How often metrics are read until they are as expected, and for how long, ms: only a failure reaches the limit. */
const POLL_MS = 20;
const WAIT_MAX_MS = 120_000;

/** Starts a collector without a log. Rejects as startCollector does. */
export function startQuietly(config: Config, clock: Clock): Promise<Collector> {
  const onStoreCrash = (error: Error) => {
    throw error;
  };
  return startCollector(config, { clock, log: pino({ level: "silent" }), onStoreCrash });
}

/**
 * The exported metrics: each one's labels, and the values seen of each label. A histogram is also there by its family's
 * name.
 */
export type Exported = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

/** Reads the metrics of a collector. */
export async function scrape({ httpPort }: Collector): Promise<Exported> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`, { headers: { connection: "close" } })).text();
  const exported = new Map<string, Map<string, Set<string>>>();
  for (const [, name = ""] of text.matchAll(/^# TYPE (\w+)/gm)) exported.set(name, new Map());
  for (const [, name = "", labels = ""] of text.matchAll(/^(\w+)\{([^}]*)\}/gm)) {
    const known = exported.get(name) ?? new Map<string, Set<string>>();
    for (const [, label = "", value = ""] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      known.set(label, (known.get(label) ?? new Set()).add(value));
    }
    exported.set(name, known);
  }
  return exported;
}

/**
 * Sends hello and a report of a node, on a listener without TLS. Resolves when the collector has acknowledged the
 * report.
 */
export async function bringReport({ grpcPort }: Collector, nodeId: string, clock: Clock): Promise<void> {
  const client = createRpcClient(reportPb.ReportService, `127.0.0.1:${grpcPort}`, channelCredentials.createInsecure());
  const bootId = new Uint8Array(16).fill(1);
  const call = client.duplex("stream");
  const node = { nodeId, bootId, agentVersion: "1", hostname: nodeId };
  await call.send({ message: { case: "hello", value: { ...node, roles: [2], ipVersions: [4] } } });
  const sealedAtMs = Math.round(clock.wallMs());
  const report = encodeReport({ sealedAtMs, windows: [], selfMetrics: NO_SELF_METRICS });
  await call.send({
    message: { case: "report", value: { bootId, sequence: 1n, report, sentUnixMs: BigInt(sealedAtMs) } },
  });
  for await (const { message } of call.responses) if (message.case === "ack") break;
  client.close();
}

/** Tries to enrol with an invalid token. Resolves when the collector has refused it. */
export async function failToEnrol({ grpcPort }: Collector, dataDir: string): Promise<void> {
  const caPem = readFileSync(join(dataDir, "identity/ca.pem"), "utf8");
  const credentials: ChannelCredentials = tlsCredentials({ caPem, caMayBeIntermediate: true });
  const client = createRpcClient(enrolPb.EnrolService, `localhost:${grpcPort}`, credentials);
  try {
    await client.unary(
      "enrol",
      { joinToken: "none", certificateRequestDer: new Uint8Array(1) },
      { timeoutMs: WAIT_MAX_MS },
    );
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
  } finally {
    client.close();
  }
}

/** Waits until the metrics are as expected. Throws after two minutes. */
export async function exportedOnce(
  collector: Collector,
  isSo: (exported: Exported) => boolean,
  clock: Clock,
): Promise<Exported> {
  const lastNs = clock.monotonicNs() + WAIT_MAX_MS * NS_PER_MS;
  while (clock.monotonicNs() < lastNs) {
    const exported = await scrape(collector);
    if (isSo(exported)) return exported;
    await pause(clock, POLL_MS);
  }
  throw new Error(`not exported within ${WAIT_MAX_MS} ms: ${isSo}`);
}
