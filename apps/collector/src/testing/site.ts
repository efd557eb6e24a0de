/** A small site, a collector in it, and a raw client that may say whatever the wire carries. For tests. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Clock, Evidence, ManualClock, Reason } from "@lifeline/measure";
import { channelCredentials, createRpcClient, type RpcError } from "@lifeline/rpc";
import { followRun, type Window, windowOf } from "@lifeline/window";
import { encodeReport, NO_VITALS, reportPb } from "@lifeline/wire";
import { pino } from "pino";
import { type Collector, startCollector } from "../collector.ts";
import type { Config } from "../config/config.ts";
import { testConfig } from "./config.ts";

const SITE = `
version: 1
name: test
kind: on-prem
omni: { api: "https://127.0.0.1:8443", siderolink: ["127.0.0.1:50180"] }
`;
/** How a row of a test's catalogue differs from the others. */
export interface RowWish {
  readonly obligation?: string;
  readonly port?: number;
}

/** A row of a test's catalogue, YAML: `probe` is measured at a service of the deployment. */
export function requirementRow(id: string, service: string, protocol: string, probe: string, wish: RowWish = {}) {
  const { obligation = "required", port = 443 } = wish;
  return `
  - id: ${id}
    purpose: test
    source: { document: d, version: v1.13, section: s }
    from: talos-node
    deployments: [on-prem]
    obligation: ${obligation}
    protocol: ${protocol}
    port: ${port}
    place: { kind: service, service: ${service} }
    published: { value: x }
    effective: { value: x, evidence: [] }
    probes: [${probe}]`;
}

/** A catalogue of those rows, YAML. */
export function catalogueOf(...rows: readonly string[]): string {
  return `
schema: 1
version: v1.13
title: test
requirements:${rows.join("")}
`;
}

const TCP = requirementRow("api-tcp", "api", "tcp", "{ probe: tcp, acceptReset: false }");
const UDP = "{ probe: udp, payloadBytes: 16 }";
const CATALOGUE = catalogueOf(TCP, requirementRow("siderolink-udp", "siderolink", "udp", UDP));

/** A target of the plan. */
export const TARGET = "api-tcp|tcp|127.0.0.1:8443|ipv4";

/** The boot that a client speaks for unless told otherwise. */
export const BOOT: Uint8Array = new Uint8Array(16).fill(1);

/** Writes the site's files: a plan of two targets. */
export function writeSite(directory: string): void {
  writeFileSync(join(directory, "site.yaml"), SITE);
  writeFileSync(join(directory, "catalogue.yaml"), CATALOGUE);
}

/** Starts a collector in a directory that {@link writeSite} has filled. `lines` takes what it logs. */
export function startIn(
  directory: string,
  clock: Clock,
  lines: string[] = [],
  { config = {}, ...more }: { readonly quotaBytes?: number; readonly config?: Partial<Config> } = {},
): Promise<Collector> {
  const log = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
  const onDeath = (error: Error) => {
    throw error;
  };
  return startCollector(testConfig(directory, config), { clock, log, onDeath, ...more });
}

/** A client that has said nothing yet. */
export function dialAs(port: number, nodeId: string) {
  const client = createRpcClient(reportPb.ReportService, `127.0.0.1:${port}`, channelCredentials.createInsecure());
  const call = client.duplex("stream");
  const seen: reportPb.StreamResponse[] = [];
  const ended: Promise<RpcError | undefined> = (async () => {
    for await (const response of call.responses) seen.push(response);
    return undefined;
  })().catch((error: RpcError) => error);
  const of = <C extends "ack" | "plan" | "refusal">(kind: C) =>
    seen.flatMap(({ message }) =>
      message.case === kind ? [message.value as Extract<typeof message, { case: C }>["value"]] : [],
    );
  return {
    call,
    ended,
    hello: (more: Readonly<Record<string, unknown>> = {}) =>
      call.send({
        message: {
          case: "hello",
          value: {
            nodeId,
            bootId: BOOT,
            agentVersion: "1",
            hostname: "h1",
            roles: [2],
            ipVersions: [4],
            ...more,
          },
        },
      }),
    report: (
      sequence: number | bigint,
      report: Uint8Array,
      { bootId = BOOT, sentMs = 0 }: { bootId?: Uint8Array; sentMs?: number } = {},
    ) =>
      call.send({
        message: { case: "report", value: { bootId, sequence: BigInt(sequence), report, sentUnixMs: BigInt(sentMs) } },
      }),
    acked: () => of("ack").flatMap(({ reports }) => reports.map(({ sequence }) => Number(sequence))),
    /** Acknowledgements of none. */
    notices: () => of("ack").filter(({ reports }) => reports.length === 0).length,
    refusals: () => of("refusal"),
    plans: () => of("plan"),
    close: () => client.close(),
  };
}

/** A window of one sample that has just ended. */
export function windowOfOne(
  endMs: number,
  targetId = TARGET,
  reason: Reason = "answered",
  evidence: Evidence = {},
): Window {
  const outcome = { reason, phase: "connect" } as const;
  const sample = { targetId, startedAtMs: endMs - 1, endedAtMs: endMs, outcome, phases: {}, evidence };
  return windowOf(followRun(undefined, sample), endMs - 1_000, endMs);
}

/** What a report of {@link reportBytes} holds. */
export interface ReportWish {
  readonly sealedAtMs: number;
  /** Default {@link TARGET}. */
  readonly targetId?: string;
  /** Default `answered`. */
  readonly reason?: Reason;
  readonly evidence?: Evidence;
  /** How many windows, all alike; default 1. */
  readonly windows?: number;
  /** Three texts of that length besides. */
  readonly evidenceChars?: number;
  /** And as many addresses of that length. */
  readonly texts?: number;
}

/** A report whose windows hold one sample each, that ended when it was sealed. */
export function reportBytes(wish: ReportWish): Uint8Array {
  const { sealedAtMs, targetId = TARGET, reason = "answered", windows = 1, evidenceChars = 0, texts = 0 } = wish;
  const text = "x".repeat(evidenceChars);
  const answers = Array.from({ length: texts }, () => text);
  const evidence = {
    ...(texts === 0 ? {} : { answers }),
    ...(evidenceChars === 0 ? {} : { code: text, alpn: text, tlsVersion: text }),
    ...wish.evidence,
  };
  const one = windowOfOne(sealedAtMs, targetId, reason, evidence);
  return encodeReport({ sealedAtMs, windows: Array.from({ length: windows }, () => one), vitals: NO_VITALS });
}

/** The value of one series; 0 where there is none. */
export async function metricOf({ httpPort }: Collector, series: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

/** Lets the judge's time come, and its turn (turns.ts). */
export async function judged(clock: ManualClock): Promise<void> {
  clock.advance(30);
  await nextTurn();
}

/** Waits for what must come about, by default within 10 s. */
export async function until(what: () => boolean, withinMs = 10_000): Promise<void> {
  for (let tries = 0; tries < withinMs / 5; tries++) {
    if (what()) return;
    await sleep(5);
  }
  throw new Error(`not within ${withinMs} ms: ${what}`);
}
