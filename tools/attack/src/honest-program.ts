/**
 * The process of the honest nodes. Two nodes send a small report ten times a second, like an agent whose targets change
 * outcome. One node reconnects once a second. Their waits are the cost of an attack to other nodes.
 */
import { randomBytes } from "node:crypto";
import { guardProcess, NS_PER_MS, pause, systemClock, type Target } from "@lifeline/measure";
import { createRpcClient, tlsCredentials } from "@lifeline/rpc";
import { encodeReport, NO_SELF_METRICS, planFromWire, reportPb } from "@lifeline/wire";
import type { HonestAccount, HonestIdentity, HonestOrder } from "./honest.ts";
import { windowFor } from "./windows.ts";

/** As often as an agent's early seals come. */
const REPORT_EVERY_MS = 100;
const WINDOWS_PER_REPORT = 2;
const ANSWERED = { reason: "answered" } as const;
const CONNECT_EVERY_MS = 1_000;
const AGAIN_AFTER_MS = 250;
/** Timeout of an attempt to connect, which is then made again, ms: as long as an agent's uplink waits. */
const TIMEOUT_MS = 20_000;

guardProcess();

const world = { address: "", caPem: "" };
const msSince = (ns: number) => (systemClock.monotonicNs() - ns) / NS_PER_MS;

/** A connection that has sent its hello. */
function dial({ nodeId, certPem, keyPem }: HonestIdentity, bootId: Uint8Array) {
  const pair = { certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem) };
  const credentials = tlsCredentials({ caPem: world.caPem, pair });
  const own = { "grpc.use_local_subchannel_pool": 1 };
  const client = createRpcClient(reportPb.ReportService, world.address, credentials, own);
  const call = client.duplex("stream");
  const about = { nodeId, bootId, roles: [reportPb.NodeRole.TALOS_NODE], ipVersions: [4] };
  const hello = { ...about, sentUnixMs: BigInt(systemClock.wallMs()) };
  // Its end says why not.
  call.send({ message: { case: "hello", value: hello } }).catch(() => {});
  const end = () => {
    call.cancel();
    client.close();
  };
  return { call, end };
}

/** A node that reports. */
class ReportingNode {
  readonly #identity: HonestIdentity;
  readonly #bootId = randomBytes(16);
  /** What has no acknowledgement yet. */
  readonly #pending = new Map<number, { readonly dueNs: number; readonly report: Uint8Array }>();
  #targets: readonly Target[] = [];
  #call: ReturnType<typeof dial>["call"] | undefined;
  #sequence = 0;
  ackMs: number[] = [];
  refused = 0;

  constructor(identity: HonestIdentity) {
    this.#identity = identity;
  }

  async run(): Promise<never> {
    this.#tick();
    for (;;) {
      await this.#session().catch(() => {});
      this.#call = undefined;
      await pause(systemClock, AGAIN_AFTER_MS);
    }
  }

  /** How long those wait that wait still, ms. */
  waitingMs(): readonly number[] {
    return [...this.#pending.values()].map(({ dueNs }) => msSince(dueNs));
  }

  async #session(): Promise<void> {
    const { call, end } = dial(this.#identity, this.#bootId);
    try {
      for await (const { message } of call.responses) {
        if (message.case === "plan") {
          this.#targets = planOf(message.value);
          this.#call = call;
          for (const sequence of this.#pending.keys()) this.#send(sequence);
        }
        if (message.case === "ack") for (const { sequence } of message.value.reports) this.#settle(Number(sequence));
        if (message.case === "refusal") {
          this.refused += 1;
          this.#pending.delete(Number(message.value.report?.sequence));
        }
      }
    } finally {
      end();
    }
  }

  #settle(sequence: number): void {
    const pending = this.#pending.get(sequence);
    if (pending === undefined) return;
    this.#pending.delete(sequence);
    this.ackMs.push(msSince(pending.dueNs));
  }

  #tick(): void {
    systemClock.after(REPORT_EVERY_MS, () => this.#tick());
    if (this.#targets.length === 0) return;
    this.#sequence += 1;
    const sealedAtMs = systemClock.wallMs();
    const windows = this.#targets.slice(0, WINDOWS_PER_REPORT).map((target) => windowFor(target, sealedAtMs, ANSWERED));
    const report = encodeReport({ sealedAtMs, windows, selfMetrics: NO_SELF_METRICS });
    this.#pending.set(this.#sequence, { dueNs: systemClock.monotonicNs(), report });
    this.#send(this.#sequence);
  }

  #send(sequence: number): void {
    const report = this.#pending.get(sequence)?.report;
    if (report === undefined || this.#call === undefined) return;
    const sentUnixMs = BigInt(systemClock.wallMs());
    const value = { bootId: this.#bootId, sequence: BigInt(sequence), report, sentUnixMs };
    this.#call.send({ message: { case: "report", value } }).catch(() => {});
  }
}

function planOf(plan: reportPb.Plan): readonly Target[] {
  const read = planFromWire(plan);
  return read.ok ? read.value.targets : [];
}

/** A node that connects, gets its plan, leaves, and comes again. */
class ComingNode {
  readonly #identity: HonestIdentity;
  #sinceNs: number | undefined;
  admitMs: number[] = [];

  constructor(identity: HonestIdentity) {
    this.#identity = identity;
  }

  async run(): Promise<never> {
    for (;;) {
      const sinceNs = systemClock.monotonicNs();
      this.#sinceNs = sinceNs;
      while (!(await this.#isAdmitted())) await pause(systemClock, AGAIN_AFTER_MS);
      this.admitMs.push(msSince(sinceNs));
      this.#sinceNs = undefined;
      await pause(systemClock, CONNECT_EVERY_MS);
    }
  }

  waitingMs(): readonly number[] {
    return this.#sinceNs === undefined ? [] : [msSince(this.#sinceNs)];
  }

  async #isAdmitted(): Promise<boolean> {
    const { call, end } = dial(this.#identity, randomBytes(16));
    const timer = systemClock.after(TIMEOUT_MS, end);
    try {
      const first = await call.responses[Symbol.asyncIterator]().next();
      return first.done !== true && first.value.message.case === "plan";
    } catch {
      return false;
    } finally {
      timer.cancel();
      end();
    }
  }
}

let reporting: readonly ReportingNode[] = [];
let coming: readonly ComingNode[] = [];

function account(): HonestAccount {
  return {
    ackMs: reporting.flatMap((node) => node.ackMs),
    waitingMs: reporting.flatMap((node) => node.waitingMs()),
    admitMs: coming.flatMap((node) => [...node.admitMs, ...node.waitingMs()]),
    admissions: coming.reduce((sum, { admitMs }) => sum + admitMs.length, 0),
    refused: reporting.reduce((sum, { refused }) => sum + refused, 0),
  };
}

process.on("message", (order: HonestOrder) => {
  switch (order.kind) {
    case "start":
      Object.assign(world, { address: order.address, caPem: order.caPem });
      reporting = order.reporting.map((identity) => new ReportingNode(identity));
      coming = order.coming.map((identity) => new ComingNode(identity));
      for (const node of [...reporting, ...coming]) void node.run();
      return;
    case "address":
      world.address = order.address;
      return;
    case "begin":
      for (const node of reporting) Object.assign(node, { ackMs: [], refused: 0 });
      for (const node of coming) node.admitMs = [];
      return;
    case "account":
      process.send?.(account());
      return;
  }
});
// The harness is gone.
process.on("disconnect", () => process.exit(0));
