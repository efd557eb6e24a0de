/** A collector that enrols, the relay before it, and agents that enrol through the relay. */
import { createHash, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CollectorFixture, Relay, ShippedProgram } from "@lifeline/harness";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { CrashError } from "./crash-error.ts";

/**
 * How long an agent may take to enrol once nothing interrupts it, ms: the uplink's longest backoff and a start, on a
 * busy machine.
 */
const ENROL_TIMEOUT_MS = 120_000;
const POLL_MS = 100;

/** The test bed. */
export class EnrolmentTestBed {
  readonly relay: Relay;
  readonly collector: CollectorFixture;
  readonly #folder = mkdtempSync(join(tmpdir(), "lifeline-crash-enrol-"));
  readonly #clock: Clock;
  readonly #agents: ShippedProgram[] = [];
  #fingerprint = "";

  /** Starts the collector. Rejects with a HarnessError `not-started`. */
  static async open(clock: Clock): Promise<EnrolmentTestBed> {
    const testBed = new EnrolmentTestBed(await Relay.open(clock), clock);
    await testBed.revive();
    testBed.#fingerprint = (await testBed.collector.ca()).fingerprint;
    return testBed;
  }

  private constructor(relay: Relay, clock: Clock) {
    this.relay = relay;
    this.#clock = clock;
    this.collector = new CollectorFixture(this.#folder, clock);
    writeFileSync(join(this.#folder, "plan.yaml"), JSON.stringify({ targets: [] }));
  }

  /** Starts the collector if it is not running, and points the relay at it. */
  async revive(): Promise<void> {
    await this.collector.start();
    this.relay.target(this.collector.grpcPort);
  }

  /** The agent of a node, not started. */
  agent(nodeId: string, joinToken: string): ShippedProgram {
    const stateDir = this.#stateDir(nodeId);
    mkdirSync(stateDir, { recursive: true });
    const plan = join(this.#folder, "plan.yaml");
    const agent = new ShippedProgram({
      room: "agent",
      args: ["--collector", `127.0.0.1:${this.relay.port}`, "--plan", plan, "--node-id", nodeId],
      environment: {
        LIFELINE_STATE_DIR: stateDir,
        LIFELINE_JOIN_TOKEN: joinToken,
        LIFELINE_CA_FINGERPRINT: this.#fingerprint,
      },
    });
    this.#agents.push(agent);
    return agent;
  }

  /** How often a join token was used. */
  async usesOf(joinToken: string): Promise<number> {
    const { tokens } = await this.collector.admin((client, as) => client.unary("listJoinTokens", {}, as));
    return tokens.find(({ id }) => joinToken.startsWith(`${id}.`))?.uses ?? 0;
  }

  /**
   * Waits until the node has a certificate for the key that the collector has on record; false: not within two minutes.
   * Rejects with a CrashError when the agent ends.
   */
  async untilEnrolled(nodeId: string, agent: ShippedProgram): Promise<boolean> {
    const startedNs = this.#clock.monotonicNs();
    while ((this.#clock.monotonicNs() - startedNs) / NS_PER_MS < ENROL_TIMEOUT_MS) {
      if (await this.#isEnrolled(nodeId)) return true;
      if (!agent.isAlive) throw new CrashError(`the agent ended while it enrolled: ${agent.tail()}`);
      await pause(this.#clock, POLL_MS);
    }
    return false;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents, this.collector].map((program) => program.kill()));
    await this.relay.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #isEnrolled(nodeId: string): Promise<boolean> {
    const kept = join(this.#stateDir(nodeId), "identity/credentials.json");
    if (!existsSync(kept)) return false;
    const { certPem } = JSON.parse(readFileSync(kept, "utf8")) as { certPem: string };
    const spki = new X509Certificate(certPem).publicKey.export({ format: "der", type: "spki" });
    const { enrolments } = await this.collector.admin((client, as) => client.unary("listEnrolments", { nodeId }, as));
    return enrolments[0]?.keySha256 === createHash("sha256").update(spki).digest("hex");
  }

  #stateDir(nodeId: string): string {
    return join(this.#folder, "agents", nodeId);
  }
}
