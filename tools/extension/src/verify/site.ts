/** What an enrolled node reports to and measures: the shipped collector of this checkout, and ports of loopback that turn. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createProgram, DEPLOYMENT, loopbackCatalogue, openTarget, turnTargets, untilReady } from "@lifeline/crash";
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

/** The site. */
export interface Site {
  /** What a node is told in its environment: where to report, whom to trust, and a token for one start, or for two without a disk. */
  invite(hasDisk: boolean): Promise<Readonly<Record<string, string>>>;
  /** What the node that was invited last is told again: its token only if it has no disk to have kept its key on. */
  remind(): Readonly<Record<string, string>>;
  boots(nodeId: string): Promise<readonly StoredBoot[]>;
  /** Of the key that holds the node's id; undefined: none does. */
  keySha256(nodeId: string): Promise<string | undefined>;
  /** When the port that is measured was first connected to since `forget`; undefined: not yet. */
  knockedNs(): number | undefined;
  forget(): void;
  stopCollector(): Promise<void>;
  startCollector(): Promise<void>;
  close(): Promise<void>;
}

/** The port is free: the network is this run's own. */
const ADDRESS = "127.0.0.1:9470";

const CALL = { timeoutMs: 5_000 };

/** Ports that turn, and how often one of them does, ms: so there is always something to seal. */
const TURNING_PORTS = 4;
const TURN_EVERY_MS = 250;

/** Cadence of the measured ports, ms. */
const CADENCE_MS = 200;

/** Opens it. Rejects with a CrashError when the collector does not come up. */
export async function openSite(folder: string, clock: Clock): Promise<Site> {
  mkdirSync(folder, { recursive: true });
  let knockedNs: number | undefined;
  const door = createServer((socket) => {
    knockedNs ??= clock.monotonicNs();
    socket.destroy();
  });
  await new Promise<void>((settle) => door.listen(0, "127.0.0.1", settle));
  const bound = door.address();
  const targets = await Promise.all(Array.from({ length: TURNING_PORTS }, openTarget));
  const turning = turnTargets(targets, TURN_EVERY_MS, clock);
  const ports = [typeof bound === "object" && bound !== null ? bound.port : 0, ...targets.map(({ port }) => port)];
  const [adminToken, readerToken] = [0, 1].map(() => randomBytes(32).toString("base64url")) as [string, string];
  const readyFile = join(folder, "ready");
  const dataDir = join(folder, "store");
  const collector = createProgram({
    room: "collector",
    args: [...writeFiles(folder, ports), "--data-dir", dataDir, "--ready-file", readyFile, "--listen", ADDRESS].concat([
      ...["--http-listen", "127.0.0.1:0", "--identity-name", "127.0.0.1"],
    ]),
    environment: { LIFELINE_ADMIN_TOKEN: adminToken, LIFELINE_READER_TOKEN: readerToken },
    clockFile: undefined,
  });
  const startCollector = async () => {
    rmSync(readyFile, { force: true });
    collector.start();
    await untilReady(readyFile, collector, clock);
  };
  await startCollector();
  const verified = tlsCredentials({ caPem: readFileSync(join(dataDir, "identity/authority.pem"), "utf8") });
  const admin = async <T>(ask: (client: ReturnType<typeof adminClient>) => Promise<T>): Promise<T> => {
    const client = adminClient(verified);
    return ask(client).finally(() => client.close());
  };
  let known: Readonly<Record<string, string>> = {};
  const asAdmin = { ...CALL, bearerToken: adminToken };
  return {
    async invite(hasDisk) {
      const wish = hasDisk ? {} : { ephemeral: true, usesMax: 2 };
      const answer = await admin((client) => client.unary("createJoinToken", wish, asAdmin));
      const trusted = { LIFELINE_COLLECTOR: ADDRESS, LIFELINE_AUTHORITY: answer.authorityFingerprint };
      const invited = { ...trusted, LIFELINE_JOIN_TOKEN: answer.joinToken };
      known = hasDisk ? trusted : invited;
      return invited;
    },
    remind: () => known,
    async boots(nodeId) {
      const client = createRpcClient(queryPb.QueryService, ADDRESS, verified);
      try {
        const { boots } = await client.unary("getNode", { nodeId }, { ...CALL, bearerToken: readerToken });
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
    },
    keySha256: (nodeId) =>
      admin(async (client) => {
        const { enrolments } = await client.unary("listEnrolments", { nodeId }, asAdmin);
        return enrolments[0]?.keySha256;
      }),
    knockedNs: () => knockedNs,
    forget() {
      knockedNs = undefined;
    },
    stopCollector: () => collector.stop(),
    startCollector,
    async close() {
      await collector.kill();
      turning.stop();
      door.close();
      for (const target of targets) target.close();
    },
  };
}

function adminClient(credentials: ReturnType<typeof tlsCredentials>) {
  return createRpcClient(adminPb.AdminService, ADDRESS, credentials);
}

/** Writes deployment and catalogue; the collector's arguments that name them. */
function writeFiles(folder: string, ports: readonly number[]): readonly string[] {
  const [deployment, catalogue] = ["deployment.yaml", "catalogue.yaml"].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  writeFileSync(deployment, DEPLOYMENT);
  const rows = ports.map((port, at) => ({ id: `extension-${at}`, port, cadenceMs: CADENCE_MS }));
  writeFileSync(catalogue, loopbackCatalogue("extension", rows));
  return ["--deployment", deployment, "--catalogue", catalogue];
}
