/**
 * The cost of the collector's listener, which limits and schedules connections, compared with the grpc-js listener,
 * which does not.
 *
 * 1. One program serves both sides, with mutual TLS; only who accepts the connections differs. Sides are measured in
 *    turns, so that a machine that gets slower does so for both.
 * 2. Reports come at a steady rate from all connections, as a fleet's do. CPU is that of all threads of the server.
 */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readUsage, TestCa } from "@lifeline/harness";
import { NS_PER_MS, NS_PER_US, pause } from "@lifeline/measure";
import { createRpcClient, type DuplexCall, tlsCredentials } from "@lifeline/rpc";
import { reportPb } from "@lifeline/wire";
import { BenchError } from "../bench-error.ts";
import { type Distribution, distributionOf } from "../distribution.ts";
import { readLines } from "../line-reader.ts";
import { ownProgram } from "../own-program.ts";
import type { Workshop } from "../workshop.ts";

/** Connections of a turn: as many as a group of nodes of some size has. */
const CONNECTIONS = 200;
/** Handshakes under way at once: those of a group that reconnects. */
const TOGETHER = 20;
const REPORTS = 10_000;
const REPORTS_PER_S = 1_000;
/** Bytes of a report: ten windows, as they were measured. */
const REPORT_BYTES = 1_000;
/** Turns of each side. */
const TURNS = 3;
const ANSWER_MAX_MS = 60_000;

const SIDES = ["listener", "grpc-js"] as const;
type Side = (typeof SIDES)[number];

/** Orders to the server process. */
export interface AcknowledgerOrder {
  readonly side: Side;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** The figures of one side, over its turns. */
export interface SideFigures {
  /** CPU of a handshake with both certificates, ms. */
  readonly handshakeMs: Distribution;
  /** CPU of a report and its acknowledgement, µs. */
  readonly reportUs: Distribution;
  /** Resident memory of a connection with a stream, KB. */
  readonly connectionKb: Distribution;
}

/** The whole result. */
export interface ConnectionsResult {
  readonly bench: "connections";
  readonly connections: number;
  readonly reports: number;
  readonly sides: Readonly<Record<Side, SideFigures>>;
  /** The listener's medians in units of grpc-js's. */
  readonly ratios: { readonly handshake: number; readonly report: number; readonly connection: number };
}

/** Measures. Throws `child-failed` when a server ends, or an acknowledgement does not come. */
export async function measureConnections(workshop: Workshop): Promise<ConnectionsResult> {
  const files = await certificates(workshop);
  const turns: Record<Side, TurnFigures[]> = { listener: [], "grpc-js": [] };
  for (let turn = 1; turn <= TURNS; turn += 1) {
    for (const side of SIDES) {
      workshop.say(`${side}: turn ${turn} of ${TURNS}`);
      turns[side].push(await takeTurn(workshop, { side, ...files }, files));
    }
  }
  const figures = (side: Side): SideFigures => {
    const of = (name: keyof TurnFigures) => distributionOf(turns[side].map((turn) => turn[name]));
    return { handshakeMs: of("handshakeMs"), reportUs: of("reportUs"), connectionKb: of("connectionKb") };
  };
  const sides = { listener: figures("listener"), "grpc-js": figures("grpc-js") };
  const ratio = (name: keyof SideFigures) => sides.listener[name].p50 / sides["grpc-js"][name].p50;
  const ratios = { handshake: ratio("handshakeMs"), report: ratio("reportUs"), connection: ratio("connectionKb") };
  return { bench: "connections", connections: CONNECTIONS, reports: REPORTS, sides, ratios };
}

interface TurnFigures {
  readonly handshakeMs: number;
  readonly reportUs: number;
  readonly connectionKb: number;
}

interface Files {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly caPem: string;
  /** One for each connection, as nodes have. */
  readonly pairs: readonly Pair[];
}

interface Pair {
  readonly certPem: Buffer;
  readonly keyPem: Buffer;
}

async function certificates(workshop: Workshop): Promise<Files> {
  const folder = await workshop.folder();
  const ca = await TestCa.create("bench", workshop.clock);
  const server = await ca.server();
  const pairs: Pair[] = [];
  for (let at = 0; at < CONNECTIONS; at += 1) {
    const { certPem, keyPem } = await ca.node(`bench-${at}`);
    pairs.push({ certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem) });
  }
  const names = ["server.pem", "server.key", "ca.pem"].map((name) => join(folder, name));
  const [certFile, keyFile, caFile] = names as [string, string, string];
  await Promise.all([
    writeFile(certFile, server.certPem),
    writeFile(keyFile, server.keyPem),
    writeFile(caFile, ca.certPem),
  ]);
  return { certFile, keyFile, caFile, caPem: ca.certPem, pairs };
}

async function takeTurn(workshop: Workshop, order: AcknowledgerOrder, files: Files): Promise<TurnFigures> {
  const { side, certFile, keyFile, caFile } = order;
  const server = workshop.start(ownProgram("acknowledger", { side, certFile, keyFile, caFile }));
  const { port } = JSON.parse(await readLines(workshop.clock, server).next(ANSWER_MAX_MS)) as { port: number };
  // Each stream says that it is acknowledged: the first report opens the connection.
  const streams = files.pairs.map((pair) => openStream(port, files.caPem, pair));
  const before = await readUsage(server.pid);
  for (let at = 0; at < CONNECTIONS; at += TOGETHER) {
    await Promise.all(streams.slice(at, at + TOGETHER).map((stream) => stream.report()));
  }
  const open = await readUsage(server.pid);
  const { clock } = workshop;
  const startNs = clock.monotonicNs();
  const answers: Promise<void>[] = [];
  while (answers.length < REPORTS) {
    const dueReports = ((clock.monotonicNs() - startNs) / NS_PER_MS / 1_000) * REPORTS_PER_S;
    for (; answers.length < Math.min(dueReports, REPORTS); ) {
      const stream = streams[answers.length % CONNECTIONS];
      if (stream !== undefined) answers.push(stream.report());
    }
    await pause(clock, 5);
  }
  const late = pause(clock, ANSWER_MAX_MS).then(() => {
    throw new BenchError("child-failed", `${side}: reports were not acknowledged within ${ANSWER_MAX_MS} ms`);
  });
  await Promise.race([Promise.all(answers), late, server.failure]);
  const end = await readUsage(server.pid);
  for (const stream of streams) stream.close();
  await server.end();
  return {
    handshakeMs: (open.cpuNs - before.cpuNs) / CONNECTIONS / NS_PER_MS,
    reportUs: (end.cpuNs - open.cpuNs) / REPORTS / NS_PER_US,
    connectionKb: (open.rssBytes - before.rssBytes) / CONNECTIONS / 1_024,
  };
}

interface Stream {
  /** Resolves when it is acknowledged. */
  report(): Promise<void>;
  close(): void;
}

function openStream(port: number, caPem: string, pair: Pair): Stream {
  const credentials = tlsCredentials({ caPem, pair });
  const options = { "grpc.use_local_subchannel_pool": 1 };
  const client = createRpcClient(reportPb.ReportService, `127.0.0.1:${port}`, credentials, options);
  const waiting: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  let call: DuplexCall<object, reportPb.StreamResponse> | undefined;
  const listen = async (responses: AsyncIterable<reportPb.StreamResponse>) => {
    for await (const { message } of responses) if (message.case === "ack") waiting.shift()?.resolve();
  };
  let sequence = 0n;
  const report = new Uint8Array(randomBytes(REPORT_BYTES));
  const bootId = new Uint8Array(16);
  return {
    async report() {
      if (call === undefined) {
        call = client.duplex("stream") as DuplexCall<object, reportPb.StreamResponse>;
        listen(call.responses).catch((error: unknown) => {
          for (const { reject } of waiting) reject(new BenchError("child-failed", "a stream ended", { cause: error }));
        });
      }
      const acknowledged = new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }));
      sequence += 1n;
      await call.send({ message: { case: "report", value: { bootId, sequence, report } } });
      return acknowledged;
    },
    close: () => client.close(),
  };
}
