/**
 * Agent, collector, the relay between them, and ports that open and close so often that the agent always has a window
 * to seal.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOOPBACK_DEPLOYMENT, Relay, ShippedProgram, TestCa, TurningTarget, turnTargets } from "@lifeline/harness";
import type { Clock } from "@lifeline/measure";
import { type Disk, makeDisk } from "./disk.ts";

/** The agent's node. */
const NODE_ID = "crash-1";

/** Targets of the plan: with twelve early seals a minute each, some three reports a second. */
const TARGETS = 16;

/** How often one of them turns, ms. */
const TURN_EVERY_MS = 150;

/** The fastest cadence that a plan may have, ms. */
const CADENCE_MS = 100;

/** Sizes of the disks, bytes: room for an hour of reports, and filled in a moment. */
const AGENT_DISK_BYTES = 24 * 1024 * 1024;
const COLLECTOR_DISK_BYTES = 64 * 1024 * 1024;

type Side = "agent" | "collector";

/** Both programs and what can be broken around them. */
export class TestBed {
  readonly agent: ShippedProgram;
  readonly collector: ShippedProgram;
  readonly relay: Relay;
  readonly agentDisk: Disk;
  readonly collectorDisk: Disk;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #targets: readonly TurningTarget[];
  readonly #turning: { stop(): void };
  readonly #shiftsMs = { agent: 0, collector: 0 };

  /** Starts both programs. Rejects with a HarnessError `not-started`. */
  static async open(clock: Clock): Promise<TestBed> {
    const folder = mkdtempSync(join(tmpdir(), "lifeline-crash-"));
    const relay = await Relay.open(clock);
    const targets = await Promise.all(Array.from({ length: TARGETS }, () => TurningTarget.open()));
    const ca = await TestCa.create("crash", clock);
    const [server, node] = [await ca.server(), await ca.node(NODE_ID)];
    const testBed = new TestBed(folder, clock, relay, targets, { ca: ca.certPem, server, node });
    await testBed.revive();
    return testBed;
  }

  private constructor(folder: string, clock: Clock, relay: Relay, targets: readonly TurningTarget[], pems: Pems) {
    this.#folder = folder;
    this.#clock = clock;
    this.relay = relay;
    this.#targets = targets;
    this.#turning = turnTargets(targets, TURN_EVERY_MS, clock);
    this.agentDisk = makeDisk(join(folder, "agent"), AGENT_DISK_BYTES);
    this.collectorDisk = makeDisk(join(folder, "collector"), COLLECTOR_DISK_BYTES);
    const ca = this.#write("ca.pem", pems.ca);
    this.agent = this.#agentProgram(ca, pems);
    this.collector = this.#collectorProgram(ca, pems);
  }

  /** The collector's database. */
  get database(): string {
    return join(this.collectorDisk.path, "store", "collector.db");
  }

  /** Shifts a wall clock, ms, on top of earlier shifts. */
  jump(side: Side, byMs: number): void {
    this.#shiftsMs[side] += byMs;
    writeFileSync(this.#clockFile(side), String(this.#shiftsMs[side]));
  }

  /** Restarts each program that has exited, and points the relay at the collector. */
  async revive(): Promise<void> {
    this.agent.start();
    if (this.collector.isAlive) return;
    const { grpcPort } = await this.collector.ready<{ grpcPort: number }>(this.#path("ready"), this.#clock);
    this.relay.target(grpcPort);
  }

  async close(): Promise<void> {
    await Promise.all([this.agent.kill(), this.collector.kill()]);
    this.#turning.stop();
    await this.relay.close();
    for (const target of this.#targets) target.close();
    for (const disk of [this.agentDisk, this.collectorDisk]) disk.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #agentProgram(ca: string, { node }: Pems): ShippedProgram {
    const stateDir = join(this.agentDisk.path, "state");
    mkdirSync(stateDir, { recursive: true });
    const plan = this.#write(
      "plan.yaml",
      JSON.stringify({ targets: this.#targets.map(({ port }) => planTarget(port)) }),
    );
    return new ShippedProgram({
      room: "agent",
      args: ["--collector", `127.0.0.1:${this.relay.port}`, "--plan", plan, "--node-id", NODE_ID],
      environment: {
        LIFELINE_TLS_CA_FILE: ca,
        LIFELINE_TLS_CERT_FILE: this.#write("node.pem", node.certPem),
        LIFELINE_TLS_KEY_FILE: this.#write("node.key", node.keyPem),
        LIFELINE_STATE_DIR: stateDir,
        LIFELINE_LOG_LEVEL: "debug",
      },
      clockFile: this.#clockFile("agent"),
    });
  }

  #collectorProgram(ca: string, { server }: Pems): ShippedProgram {
    const deployment = this.#write("deployment.yaml", LOOPBACK_DEPLOYMENT);
    const files = ["--data-dir", join(this.collectorDisk.path, "store"), "--deployment", deployment];
    const pair = ["--tls-cert", this.#write("server.pem", server.certPem)];
    const tls = [...pair, "--tls-key", this.#write("server.key", server.keyPem), "--tls-ca", ca];
    const listen = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--ready-file", this.#path("ready")];
    return new ShippedProgram({
      room: "collector",
      args: [...files, ...tls, ...listen],
      clockFile: this.#clockFile("collector"),
    });
  }

  #clockFile(side: Side): string {
    return this.#path(`${side}.clock`);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #write(name: string, text: string): string {
    writeFileSync(this.#path(name), text, { mode: 0o600 });
    return this.#path(name);
  }
}

interface Pems {
  readonly ca: string;
  readonly server: { readonly certPem: string; readonly keyPem: string };
  readonly node: { readonly certPem: string; readonly keyPem: string };
}

function planTarget(port: number) {
  const options = { probe: "tcp", acceptReset: false };
  return { requirementId: "crash", host: "127.0.0.1", port, family: 4, options, cadenceMs: CADENCE_MS, timeoutMs: 100 };
}
