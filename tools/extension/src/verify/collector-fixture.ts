/**
 * What the extension reports to and measures: the shipped collector of this checkout, and loopback ports that open and
 * close.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { LOOPBACK_DEPLOYMENT, loopbackCatalogue, ShippedProgram, TurningTarget, turnTargets } from "@lifeline/harness";
import type { Clock } from "@lifeline/measure";
import { createRpcClient, tlsCredentials } from "@lifeline/rpc";
import { adminPb, queryPb } from "@lifeline/wire";

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

const CALL = { timeoutMs: 30_000 };

/** Ports that open and close, and how often one of them does, ms: an agent seals a window at each change. */
const TURNING_PORTS = 4;
const TURN_EVERY_MS = 250;

/** Cadence of the measured ports, ms. */
const CADENCE_MS = 200;

const newToken = () => randomBytes(32).toString("base64url");

/** A collector that enrols, with the ports that its nodes measure. */
export class CollectorFixture {
  readonly #readyFile: string;
  readonly #dataDir: string;
  readonly #clock: Clock;
  readonly #program: ShippedProgram;
  readonly #adminToken = newToken();
  readonly #readerToken = newToken();
  readonly #closers: (() => void)[] = [];
  #environmentOfRestart: Environment = {};
  #onProbe: (atNs: number) => void = () => undefined;

  /** Starts it in `directory`. Rejects with a HarnessError when the collector does not start. */
  static async open(directory: string, clock: Clock): Promise<CollectorFixture> {
    mkdirSync(directory, { recursive: true });
    const targets = await Promise.all(Array.from({ length: TURNING_PORTS }, () => TurningTarget.open()));
    const turning = turnTargets(targets, TURN_EVERY_MS, clock);
    const probed = createServer();
    await new Promise<void>((resolve) => probed.listen(0, "127.0.0.1", resolve));
    const files = writeFiles(directory, [portOf(probed), ...targets.map(({ port }) => port)]);
    const fixture = new CollectorFixture(directory, files, clock);
    fixture.#closers.push(
      () => turning.stop(),
      () => probed.close(),
      ...targets.map((target) => () => target.close()),
    );
    probed.on("connection", (socket) => {
      fixture.#onProbe(clock.monotonicNs());
      socket.destroy();
    });
    await fixture.start();
    return fixture;
  }

  private constructor(directory: string, files: readonly string[], clock: Clock) {
    this.#clock = clock;
    this.#readyFile = join(directory, "ready");
    this.#dataDir = join(directory, "store");
    const own = ["--data-dir", this.#dataDir, "--ready-file", this.#readyFile];
    const listen = ["--listen", ADDRESS, "--http-listen", "127.0.0.1:0", "--identity-name", "127.0.0.1"];
    this.#program = new ShippedProgram({
      room: "collector",
      args: [...files, ...own, ...listen],
      environment: { LIFELINE_ADMIN_TOKEN: this.#adminToken, LIFELINE_READER_TOKEN: this.#readerToken },
    });
  }

  /** Starts the collector; resolves when it is ready. */
  async start(): Promise<void> {
    await this.#program.ready(this.#readyFile, this.#clock);
  }

  stop(): Promise<void> {
    return this.#program.stop();
  }

  async close(): Promise<void> {
    await this.#program.kill();
    for (const close of this.#closers) close();
  }

  /** Resolves with the time of the next connection to the measured port, on the clock's monotonic reading. */
  nextProbe(): Promise<number> {
    return new Promise((resolve) => {
      this.#onProbe = resolve;
    });
  }

  get #credentials() {
    return tlsCredentials({ caPem: readFileSync(join(this.#dataDir, "identity/ca.pem"), "utf8") });
  }

  async #admin<T>(ask: (client: ReturnType<typeof adminClient>) => Promise<T>): Promise<T> {
    const client = adminClient(this.#credentials);
    return ask(client).finally(() => client.close());
  }

  /**
   * The environment of a new node: the collector, the fleet CA's fingerprint, and a join token for one start, or for
   * two without a disk.
   */
  async invite(hasDisk: boolean): Promise<Environment> {
    const options = hasDisk ? {} : { ephemeral: true, usesMax: 2 };
    const answer = await this.#admin((client) =>
      client.unary("createJoinToken", options, { ...CALL, bearerToken: this.#adminToken }),
    );
    const trusted = { LIFELINE_COLLECTOR: ADDRESS, LIFELINE_CA_FINGERPRINT: answer.caFingerprint };
    const invited = { ...trusted, LIFELINE_JOIN_TOKEN: answer.joinToken };
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
    const client = createRpcClient(queryPb.QueryService, ADDRESS, this.#credentials);
    try {
      const { boots } = await client.unary("getNode", { nodeId }, { ...CALL, bearerToken: this.#readerToken });
      return boots.map((boot) => ({
        bootId: Buffer.from(boot.bootId).toString("hex"),
        firstSequence: Number(boot.firstSequence),
        lastSequence: Number(boot.lastSequence),
        reports: Number(boot.reports),
        missing: Number(boot.missingReports),
        duplicates: Number(boot.duplicateReports),
      }));
    } finally {
      client.close();
    }
  }

  /** Of the key that holds a node's id; undefined when none does. */
  keySha256(nodeId: string): Promise<string | undefined> {
    return this.#admin(async (client) => {
      const asAdmin = { ...CALL, bearerToken: this.#adminToken };
      const { enrolments } = await client.unary("listEnrolments", { nodeId }, asAdmin);
      return enrolments[0]?.keySha256;
    });
  }
}

function adminClient(credentials: ReturnType<typeof tlsCredentials>) {
  return createRpcClient(adminPb.AdminService, ADDRESS, credentials);
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Writes deployment and catalogue. Returns the collector's arguments that name them. */
function writeFiles(directory: string, ports: readonly number[]): readonly string[] {
  const [deployment, catalogue] = [join(directory, "deployment.yaml"), join(directory, "catalogue.yaml")];
  writeFileSync(deployment, LOOPBACK_DEPLOYMENT);
  const rows = ports.map((port, at) => ({ id: `extension-${at}`, port, cadenceMs: CADENCE_MS }));
  writeFileSync(catalogue, loopbackCatalogue("extension", rows));
  return ["--deployment", deployment, "--catalogue", catalogue];
}
