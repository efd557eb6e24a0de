/**
 * The shipped collector and one shipped agent, a relay between them that can be cut, and the ports that are measured.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGENT_NODE } from "@lifeline/bundle";
import {
  CollectorFixture,
  loopbackCatalogue,
  Relay,
  ShippedProgram,
  type TestCa,
  TurningTarget,
  turnTargets,
} from "@lifeline/harness";
import type { Clock } from "@lifeline/measure";
import { type ChannelCredentials, tlsCredentials } from "@lifeline/rpc";

/** The measured agent's node. */
export const NODE_ID = "soaked";

/**
 * Ports that are measured, and rows for each: sixty targets. Two rows for a port double what a larger fleet costs it.
 */
const PORTS = 30;
const ROWS_PER_PORT = 2;

/**
 * Ports that turn, and how often one of them does, ms: each every four seconds, and every turn seals a window early.
 */
const TURNING_PORTS = 8;
const TURN_EVERY_MS = 500;

/** The fastest cadence a target may have, ms. */
const CADENCE_MS = 100;

/** How long certificates of simulated nodes last, ms: a day, because these nodes never renew. */
const LIFETIME_MS = 24 * 3_600_000;

/** Characters of the agent's log that are kept. */
const OUTPUT_MAX_CHARS = 100_000;

/**
 * An hour, the least there is: the agent renews every forty minutes. A day, the least there is: a shorter soak's
 * database grows.
 */
const BOUNDS = ["--node-certificate-hours", "1", "--retention-days", "1"];

/** Everything that runs. */
export class TestBed {
  readonly collector: CollectorFixture;
  readonly relay: Relay;
  readonly #folder: string;
  readonly #targets: readonly TurningTarget[];
  readonly #turning: { stop(): void };
  readonly #known = new Map<string, Promise<ChannelCredentials>>();
  #agent: ShippedProgram | undefined;
  #ca: TestCa | undefined;

  /**
   * Starts everything. Rejects with a HarnessError `not-started`, or with an AbortError; nothing is left running then.
   */
  static async open(clock: Clock, signal: AbortSignal): Promise<TestBed> {
    const folder = mkdtempSync(join(tmpdir(), "lifeline-soak-"));
    const targets = await Promise.all(Array.from({ length: PORTS }, () => TurningTarget.open()));
    const testBed = new TestBed(folder, clock, targets, await Relay.open(clock));
    try {
      await testBed.#start(signal);
      return testBed;
    } catch (error) {
      await testBed.close();
      throw error;
    }
  }

  private constructor(folder: string, clock: Clock, targets: readonly TurningTarget[], relay: Relay) {
    this.#folder = folder;
    this.#targets = targets;
    this.relay = relay;
    this.#turning = turnTargets(targets.slice(0, TURNING_PORTS), TURN_EVERY_MS, clock);
    const rows = targets.flatMap(({ port }, at) =>
      Array.from({ length: ROWS_PER_PORT }, (_, twin) => ({ id: `soak-${at}-${twin}`, port, cadenceMs: CADENCE_MS })),
    );
    const catalogue = loopbackCatalogue("soak", rows);
    this.collector = new CollectorFixture(folder, clock, { catalogue, args: BOUNDS });
  }

  get agent(): ShippedProgram {
    if (this.#agent === undefined) throw new TypeError("the agent is not started");
    return this.#agent;
  }

  /** Credentials of a simulated node: always with the same key. */
  node(nodeId: string): Promise<ChannelCredentials> {
    const credentials = this.#known.get(nodeId) ?? this.#issue(nodeId);
    this.#known.set(nodeId, credentials);
    return credentials;
  }

  async close(): Promise<void> {
    await this.#agent?.stop();
    await this.collector.program.stop();
    this.#turning.stop();
    await this.relay.close();
    for (const target of this.#targets) target.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #start(signal: AbortSignal): Promise<void> {
    await this.collector.start(signal);
    this.relay.target(this.collector.grpcPort);
    this.#ca = await this.collector.ca(LIFETIME_MS);
    const stateDir = join(this.#folder, "agent");
    mkdirSync(stateDir);
    const config = join(this.#folder, "agent.yaml");
    const [collector, enrol] = [`127.0.0.1:${this.relay.port}`, await this.collector.enrol()];
    writeFileSync(config, JSON.stringify({ collector, stateDir, nodeId: NODE_ID, logLevel: "warn", enrol }));
    const { flags, environment } = AGENT_NODE;
    const args = ["--config", config];
    this.#agent = new ShippedProgram({ room: "agent", args, flags, environment, outputMaxChars: OUTPUT_MAX_CHARS });
    this.#agent.start();
  }

  async #issue(nodeId: string): Promise<ChannelCredentials> {
    if (this.#ca === undefined) throw new TypeError("the collector is not started");
    const { certPem, keyPem } = await this.#ca.node(nodeId);
    const pair = { certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem) };
    return tlsCredentials({ caPem: this.#ca.certPem, pair });
  }
}
