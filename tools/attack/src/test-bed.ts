/** The attacked system: the shipped programs, and the actions of an administrator, honest nodes and attackers. */
import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGENT_NODE } from "@lifeline/bundle";
import { Relay, ShippedProgram } from "@lifeline/harness";
import { type KeyPair, makeKeyPair, signingRequestDer } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { type ChannelCredentials, createRpcClient, tlsCredentials } from "@lifeline/rpc";
import { enrolPb } from "@lifeline/wire";
import { CollectorProcess } from "./collector-process.ts";
import { type FloodAccount, type FloodJob, flood } from "./flood.ts";
import { Honest, type HonestIdentity, type HonestWaits } from "./honest.ts";
import { type NodeStream, OWN_CHANNEL, openStream, type StreamOptions } from "./node-stream.ts";
import { EVENT_WITHIN_MS } from "./poll.ts";
import { contentOf, keysIn, pemBody } from "./secrets.ts";

/** A call is an event: it fails only when its answer never comes. */
export const CALL = { timeoutMs: EVENT_WITHIN_MS };

/** How long the honest nodes may take to be calm after a start of the collector, before the next attack begins, ms. */
const CALM_WITHIN_MS = 10_000;

/** A certificate and its key, as a node holds them. */
export interface NodeCredentials {
  readonly certPem: string;
  readonly keys: KeyPair;
}

/** How a test bed is built. */
export interface TestBedOptions {
  readonly clock: Clock;
  /** How long each flood lasts. */
  readonly seconds: number;
  /** Where the collector listens, an address literal. Default 127.0.0.1. */
  readonly host?: string;
}

/** A series in the text of metrics; not a number where it has none. */
export function seriesIn(metrics: string, name: string): number {
  const line = metrics.split("\n").find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

/** Builds it. */
export async function openTestBed(options: TestBedOptions): Promise<TestBed> {
  const testBed = new TestBed(options);
  try {
    await testBed.open();
    return testBed;
  } catch (error) {
    await testBed.close();
    throw error;
  }
}

/** The fixture of every attack. */
export class TestBed {
  readonly clock: Clock;
  /** Of the attack that is being played (attack.ts), s. */
  leastSeconds = 0;
  readonly collector: CollectorProcess;
  readonly honest: Honest;
  readonly folder: string = mkdtempSync(join(tmpdir(), "lifeline-attack-"));
  /** Everything that must never be seen: tokens, and private keys as PEM. */
  readonly secrets = new Set<string>();
  readonly #agents: { readonly program: ShippedProgram; readonly stateDir: string }[] = [];
  readonly #seconds: number;
  readonly #closers: (() => unknown)[] = [];

  constructor({ clock, seconds, host = "127.0.0.1" }: TestBedOptions) {
    this.clock = clock;
    this.#seconds = seconds;
    this.collector = new CollectorProcess(this.folder, { host }, clock);
    this.honest = new Honest(clock);
  }

  async open(): Promise<void> {
    writeFileSync(join(this.folder, "plan.yaml"), JSON.stringify({ targets: [] }));
    await this.collector.start();
    const { adminToken, readerToken, witnessToken } = this.collector;
    for (const secret of [adminToken, readerToken, witnessToken]) this.secrets.add(secret);
    this.secrets.add(pemBody(this.collector.caKeyPem));
    const token = await this.token({ usesMax: 3 });
    const identities = await Promise.all(
      ["bystander-1", "bystander-2", "bystander-3"].map((id) => this.#identity(token, id)),
    );
    const [reporting, coming] = [identities.slice(0, 2), identities.slice(2)];
    const { address, caPem } = this;
    this.honest.tell({ kind: "start", address, caPem, reporting, coming });
    await this.honest.isCalmWithin(CALM_WITHIN_MS, await this.honest.measure());
  }

  /** Starts the collector after it has exited, and gives the honest nodes its address. */
  async revive(): Promise<void> {
    await this.collector.start();
    this.honest.tell({ kind: "address", address: this.address });
  }

  /** A collector that has done nothing yet, on the same data; resolves when honest nodes are back. */
  async startFresh(usual: HonestWaits): Promise<void> {
    await this.collector.kill();
    await this.revive();
    await this.honest.isCalmWithin(CALM_WITHIN_MS, usual);
  }

  /** How long each flood lasts. */
  get seconds(): number {
    return Math.max(this.#seconds, this.leastSeconds);
  }

  get port(): number {
    return this.collector.grpcPort;
  }

  get address(): string {
    return this.collector.address;
  }

  get caPem(): string {
    return this.collector.caPem;
  }

  get readerToken(): string {
    return this.collector.readerToken;
  }

  /** A join token, of one use unless `options` say otherwise. */
  async token(options: Parameters<CollectorProcess["joinToken"]>[0] = {}): Promise<string> {
    const joinToken = await this.collector.joinToken({ usesMax: 1, ...options });
    this.secrets.add(joinToken.slice(joinToken.indexOf(".") + 1));
    return joinToken;
  }

  /** Enrols; `via` is another address that leads to the collector. Rejects with an RpcError. */
  async enrol(
    joinToken: string,
    nodeId: string,
    { keys = makeKeyPair(), via = this.address }: { keys?: KeyPair; via?: string } = {},
  ): Promise<NodeCredentials> {
    this.secrets.add(pemBody(keys.privateKeyPem));
    const certificateRequestDer = signingRequestDer(keys.privateKeyPem, nodeId);
    const asked = createRpcClient(enrolPb.EnrolService, via, this.client());
    try {
      const { certificateChainDer } = await asked.unary("enrol", { joinToken, certificateRequestDer }, CALL);
      return { certPem: new X509Certificate(certificateChainDer[0] ?? new Uint8Array()).toString(), keys };
    } finally {
      asked.close();
    }
  }

  /** Enrols a node by a token of its own. */
  async node(nodeId: string): Promise<NodeCredentials> {
    return this.enrol(await this.token(), nodeId);
  }

  /** Renews a node's certificate. Rejects with an RpcError. */
  async renew(of: NodeCredentials, nodeId: string): Promise<void> {
    const certificateRequestDer = signingRequestDer(of.keys.privateKeyPem, nodeId);
    const asked = createRpcClient(enrolPb.EnrolService, this.address, this.client(of), OWN_CHANNEL);
    try {
      await asked.unary("renew", { certificateRequestDer }, CALL);
    } finally {
      asked.close();
    }
  }

  /** Credentials of a client that trusts the CA. */
  client(of?: NodeCredentials): ChannelCredentials {
    const { caPem } = this;
    if (of === undefined) return tlsCredentials({ caPem });
    const pair = { certPem: Buffer.from(of.certPem), keyPem: Buffer.from(of.keys.privateKeyPem) };
    return tlsCredentials({ caPem, pair });
  }

  async openStream(credentials: ChannelCredentials, nodeId: string, options: StreamOptions = {}): Promise<NodeStream> {
    const stream = await openStream(credentials, nodeId, { address: this.address, ...options }, this.clock);
    this.#closers.push(() => stream.close());
    return stream;
  }

  /** Reports of a node that are stored, and those that came again. */
  async stored(nodeId: string): Promise<{ readonly reports: number; readonly duplicates: number }> {
    const { boots } = await this.collector.query((client, as) => client.unary("getNode", { nodeId }, as));
    const sum = (of: "reports" | "duplicateReports") => boots.reduce((all, boot) => all + Number(boot[of]), 0);
    return { reports: sum("reports"), duplicates: sum("duplicateReports") };
  }

  /** An address whose connections reach the collector from another source address of loopback. */
  async from(localAddress: string): Promise<string> {
    const relay = await Relay.open(this.clock, { targetPort: this.port, localAddress });
    this.#closers.push(() => relay.close());
    return `127.0.0.1:${relay.port}`;
  }

  /** Floods the collector from loopback addresses that no honest node uses, for the length of a flood. */
  flood(
    job: Omit<FloodJob, "host" | "port" | "seconds"> & Partial<Pick<FloodJob, "host" | "port">>,
  ): Promise<FloodAccount> {
    return flood({ host: "127.0.0.1", port: this.port, seconds: this.seconds, ...job });
  }

  /**
   * Starts the shipped agent of a node, pointed at an address. It measures nothing, whatever its plan. Without
   * `measuresNothing`, never point it at a real collector, because a real plan probes other hosts.
   */
  agent(nodeId: string, at: string, joinToken: string, { measuresNothing = true } = {}): ShippedProgram {
    const stateDir = join(this.folder, `agent-${nodeId}`);
    mkdirSync(stateDir, { recursive: true });
    const plan = measuresNothing ? ["--plan", join(this.folder, "plan.yaml")] : [];
    const program = new ShippedProgram({
      room: "agent",
      args: ["--collector", at, ...plan, "--node-id", nodeId, "--log-level", "debug"],
      environment: {
        LIFELINE_STATE_DIR: stateDir,
        LIFELINE_JOIN_TOKEN: joinToken,
        LIFELINE_CA_FINGERPRINT: this.collector.fingerprint,
        ...AGENT_NODE.environment,
      },
      flags: AGENT_NODE.flags,
    });
    this.#agents.push({ program, stateDir });
    program.start();
    return program;
  }

  async metrics(): Promise<string> {
    return (
      await fetch(`http://127.0.0.1:${this.collector.httpPort}/metrics`, { headers: { connection: "close" } })
    ).text();
  }

  /** A series of the collector, as its metrics name it; not a number where it has none. */
  async series(name: string): Promise<number> {
    return seriesIn(await this.metrics(), name);
  }

  /** Adds the keys that the agents keep to the secrets; how many there are. */
  gatherKeys(): number {
    const keys = this.#agents.flatMap(({ stateDir }) => keysIn(join(stateDir, "identity")));
    for (const pem of keys) this.secrets.add(pemBody(pem));
    return keys.length;
  }

  /**
   * Everything the collector and the agents have printed, and what they have on their disks apart from their
   * identities.
   */
  output(): string {
    const programs = [this.collector.program, ...this.#agents.map(({ program }) => program)];
    const printed = programs.map((program) => program.output());
    const kept = [this.collector.dataDir, ...this.#agents.map(({ stateDir }) => stateDir)].map(contentOf);
    return [...printed, ...kept].join("");
  }

  async close(): Promise<void> {
    for (const close of this.#closers) close();
    await Promise.all([
      this.honest.close(),
      this.collector.close(),
      ...this.#agents.map(({ program }) => program.kill()),
    ]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #identity(token: string, nodeId: string): Promise<HonestIdentity> {
    const { certPem, keys } = await this.enrol(token, nodeId);
    return { nodeId, certPem, keyPem: keys.privateKeyPem };
  }
}
