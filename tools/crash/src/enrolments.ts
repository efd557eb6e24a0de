/**
 * Enrolments, with agent and collector killed and cut off at random moments of them: each node must come in at last, under one key, for
 * one use of its token.
 */
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { createRpcClient, type RpcClient, tlsCredentials } from "@lifeline/rpc";
import { adminPb } from "@lifeline/wire";
import { between, pick, type Random } from "./chance.ts";
import { CrashError } from "./crash-error.ts";
import { createProgram, type Program, untilReady } from "./program.ts";
import { type Relay, startRelay } from "./relay.ts";
import { DEPLOYMENT } from "./stage.ts";

/** What came of them. */
export interface EnrolmentBalance {
  readonly enrolments: number;
  /** Nodes that hold a certificate of the key the collector has for them. */
  readonly enrolled: number;
  /** Uses of tokens beyond one for each node. */
  readonly usesTooMany: number;
  /** Kills and cuts that were played. */
  readonly blows: number;
}

/** Most blows an enrolment takes, and when each falls, ms after the one before: an agent is up and asks within half a second. */
const BLOWS_MAX = 3;
const BLOW_AFTER_MS = { least: 0, most: 700 };

/** How long an agent may take to come in once it is left alone, ms: the longest backoff of the uplink and a start. */
const COMES_IN_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 100;

const CALL = { timeoutMs: 5_000 };

/** Plays `count` enrolments. Rejects with a CrashError. */
export async function playEnrolments(
  count: number,
  random: Random,
  clock: Clock,
  onEnrolment: (nth: number) => void,
): Promise<EnrolmentBalance> {
  const stage = await openEnrolStage(clock);
  let enrolled = 0;
  let usesTooMany = 0;
  let blows = 0;
  try {
    for (let nth = 1; nth <= count; nth += 1) {
      onEnrolment(nth);
      const nodeId = `enrol-${nth}`;
      const token = await stage.token(nodeId);
      const agent = stage.agent(nodeId, token);
      agent.start();
      for (let left = Math.floor(random() * (BLOWS_MAX + 1)); left > 0; left -= 1) {
        await pause(clock, between(random, BLOW_AFTER_MS.least, BLOW_AFTER_MS.most));
        await strike(stage, agent, random);
        blows += 1;
      }
      const cameIn = await stage.untilIn(nodeId, agent);
      if (cameIn) enrolled += 1;
      usesTooMany += (await stage.usesOf(token)) - 1;
      await agent.kill();
    }
    return { enrolments: count, enrolled, usesTooMany, blows };
  } finally {
    await stage.close();
  }
}

async function strike(stage: EnrolStage, agent: Program, random: Random): Promise<void> {
  const blow = pick(random, ["agent", "collector", "both", "way"] as const);
  if (blow === "way") stage.relay.reset();
  else
    await Promise.all([
      ...(blow === "collector" ? [] : [agent.kill()]),
      ...(blow === "agent" ? [] : [stage.collector.kill()]),
    ]);
  await stage.revive();
  agent.start();
}

interface EnrolStage {
  readonly relay: Relay;
  readonly collector: Program;
  agent(nodeId: string, token: string): Program;
  /** A token with one use, for that node alone. */
  token(nodeId: string): Promise<string>;
  usesOf(token: string): Promise<number>;
  /** Whether the node holds a certificate for the key that the collector has for it, within the time it may take. */
  untilIn(nodeId: string, agent: Program): Promise<boolean>;
  revive(): Promise<void>;
  close(): Promise<void>;
}

async function openEnrolStage(clock: Clock): Promise<EnrolStage> {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-crash-enrol-"));
  const relay = await startRelay(clock);
  const readyFile = join(folder, "ready");
  const deployment = join(folder, "deployment.yaml");
  writeFileSync(deployment, DEPLOYMENT);
  const plan = join(folder, "plan.yaml");
  writeFileSync(plan, JSON.stringify({ targets: [] }));
  const adminToken = randomBytes(32).toString("base64url");
  const clockFile = join(folder, "clock");
  const where = ["--data-dir", join(folder, "store"), "--deployment", deployment, "--ready-file", readyFile];
  const listen = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--identity-name", "127.0.0.1"];
  const collector = createProgram({
    room: "collector",
    args: [...where, ...listen],
    environment: { LIFELINE_ADMIN_TOKEN: adminToken },
    clockFile,
  });
  const agents: Program[] = [];
  const port = () => (JSON.parse(readFileSync(readyFile, "utf8")) as { grpcPort: number }).grpcPort;
  const authorityPem = () => readFileSync(join(folder, "store/identity/ca.pem"), "utf8");
  const fingerprint = () =>
    `sha256:${createHash("sha256").update(new X509Certificate(authorityPem()).raw).digest("hex")}`;
  const asked = async <T>(ask: (client: RpcClient<typeof adminPb.AdminService>) => Promise<T>): Promise<T> => {
    const credentials = tlsCredentials({ caPem: authorityPem() });
    const client = createRpcClient(adminPb.AdminService, `127.0.0.1:${port()}`, credentials);
    try {
      return await ask(client);
    } finally {
      client.close();
    }
  };
  const asAdmin = { ...CALL, bearerToken: adminToken };
  const revive = async () => {
    if (!collector.isAlive) {
      rmSync(readyFile, { force: true });
      collector.start();
      await untilReady(readyFile, collector, clock);
    }
    relay.target(port());
  };
  const stateDir = (nodeId: string) => join(folder, "agents", nodeId);
  const isIn = async (nodeId: string): Promise<boolean> => {
    const kept = join(stateDir(nodeId), "identity/credentials.json");
    if (!existsSync(kept)) return false;
    const { certPem } = JSON.parse(readFileSync(kept, "utf8")) as { certPem: string };
    const spki = new X509Certificate(certPem).publicKey.export({ format: "der", type: "spki" });
    const { enrolments } = await asked((client) => client.unary("listEnrolments", { nodeId }, asAdmin));
    return enrolments[0]?.keySha256 === createHash("sha256").update(spki).digest("hex");
  };
  await revive();
  return {
    relay,
    collector,
    revive,
    agent(nodeId, token) {
      mkdirSync(stateDir(nodeId), { recursive: true });
      const args = ["--collector", `127.0.0.1:${relay.port}`, "--plan", plan, "--node-id", nodeId];
      const environment = {
        LIFELINE_STATE_DIR: stateDir(nodeId),
        LIFELINE_JOIN_TOKEN: token,
        LIFELINE_CA_FINGERPRINT: fingerprint(),
      };
      const agent = createProgram({ room: "agent", args, environment, clockFile });
      agents.push(agent);
      return agent;
    },
    token: async (nodePattern) =>
      (await asked((client) => client.unary("createJoinToken", { usesMax: 1, nodePattern }, asAdmin))).joinToken,
    async usesOf(token) {
      const { tokens } = await asked((client) => client.unary("listJoinTokens", {}, asAdmin));
      return tokens.find(({ id }) => token.startsWith(`${id}.`))?.uses ?? 0;
    },
    async untilIn(nodeId, agent) {
      const startedNs = clock.monotonicNs();
      while ((clock.monotonicNs() - startedNs) / NS_PER_MS < COMES_IN_WITHIN_MS) {
        if (await isIn(nodeId)) return true;
        if (!agent.isAlive) throw new CrashError("not-drained", agent.printed().slice(-600));
        await pause(clock, LOOK_EVERY_MS);
      }
      return false;
    },
    async close() {
      await Promise.all([...agents, collector].map((program) => program.kill()));
      await relay.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
