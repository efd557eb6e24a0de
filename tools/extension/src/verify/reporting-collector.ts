/**
 * What the extension reports to and measures: the shipped collector of this checkout, and loopback ports that open and
 * close.
 */
import { mkdirSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { CollectorFixture, loopbackCatalogue, TurningTarget, turnTargets } from "@lifeline/harness";
import type { Clock } from "@lifeline/measure";

/** A boot of a node, as the collector counts it. */
export interface StoredBoot {
  readonly bootId: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly reports: number;
  readonly missing: number;
  readonly duplicates: number;
}

type Environment = Readonly<Record<string, string>>;

/** The port is free: the network namespace is this run's own. */
const ADDRESS = "127.0.0.1:9470";

/** Ports that open and close, and how often one of them does, ms: an agent seals a window at each change. */
const TURNING_PORTS = 4;
const TURN_EVERY_MS = 250;

/** Cadence of the measured ports, ms. */
const CADENCE_MS = 200;

/** A collector that enrols, with the ports that its nodes measure. */
export class ReportingCollector {
  readonly #fixture: CollectorFixture;
  readonly #closers: (() => void)[] = [];
  #environmentOfRestart: Environment = {};
  #onProbe: (atNs: number) => void = () => undefined;

  /** Starts it in `directory`. Rejects with a HarnessError when the collector does not start. */
  static async open(directory: string, clock: Clock): Promise<ReportingCollector> {
    mkdirSync(directory, { recursive: true });
    const targets = await Promise.all(Array.from({ length: TURNING_PORTS }, () => TurningTarget.open()));
    const turning = turnTargets(targets, TURN_EVERY_MS, clock);
    const probed = createServer();
    await new Promise<void>((resolve) => probed.listen(0, "127.0.0.1", resolve));
    const ports = [portOf(probed), ...targets.map(({ port }) => port)];
    const rows = ports.map((port, at) => ({ id: `extension-${at}`, port, cadenceMs: CADENCE_MS }));
    const options = { catalogue: loopbackCatalogue("extension", rows), listen: ADDRESS };
    const collector = new ReportingCollector(new CollectorFixture(directory, clock, options));
    collector.#closers.push(
      () => turning.stop(),
      () => probed.close(),
      ...targets.map((target) => () => target.close()),
    );
    probed.on("connection", (socket) => {
      collector.#onProbe(clock.monotonicNs());
      socket.destroy();
    });
    await collector.start();
    return collector;
  }

  private constructor(fixture: CollectorFixture) {
    this.#fixture = fixture;
  }

  /** Starts the collector; resolves when it is ready. */
  start(): Promise<void> {
    return this.#fixture.start();
  }

  stop(): Promise<void> {
    return this.#fixture.stop();
  }

  async close(): Promise<void> {
    await this.#fixture.kill();
    for (const close of this.#closers) close();
  }

  /** Resolves with the time of the next connection to the measured port, on the clock's monotonic reading. */
  nextProbe(): Promise<number> {
    return new Promise((resolve) => {
      this.#onProbe = resolve;
    });
  }

  /**
   * The environment of a new node: the collector, the fleet CA's fingerprint, and a join token for one start, or for
   * two without a disk.
   */
  async invite(hasDisk: boolean): Promise<Environment> {
    const joinToken = await this.#fixture.joinToken(hasDisk ? {} : { ephemeral: true, usesMax: 2 });
    const { fingerprint } = await this.#fixture.ca();
    const trusted = { LIFELINE_COLLECTOR: ADDRESS, LIFELINE_CA_FINGERPRINT: fingerprint };
    const invited = { ...trusted, LIFELINE_JOIN_TOKEN: joinToken };
    this.#environmentOfRestart = hasDisk ? trusted : invited;
    return invited;
  }

  /**
   * The environment of the invited node when it starts again: with the token only if it has no disk to keep its key on.
   */
  environmentOfRestart(): Environment {
    return this.#environmentOfRestart;
  }

  /** The boots of a node that have reported. Rejects with an RpcError. */
  async boots(nodeId: string): Promise<readonly StoredBoot[]> {
    const { boots } = await this.#fixture.query((client, as) => client.unary("getNode", { nodeId }, as));
    return boots.map((boot) => ({
      bootId: Buffer.from(boot.bootId).toString("hex"),
      firstSequence: Number(boot.firstSequence),
      lastSequence: Number(boot.lastSequence),
      reports: Number(boot.reports),
      missing: Number(boot.missingReports),
      duplicates: Number(boot.duplicateReports),
    }));
  }

  /** Of the key that holds a node's id; undefined when none does. */
  async keySha256(nodeId: string): Promise<string | undefined> {
    const { enrolments } = await this.#fixture.admin((client, as) => client.unary("listEnrolments", { nodeId }, as));
    return enrolments[0]?.keySha256;
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
