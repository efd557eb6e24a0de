/** What is attacked: the shipped collector with an authority of its own, and what an administrator and attackers do there. */
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createProgram, DEPLOYMENT, type Program, untilReady } from "@lifeline/crash";
import { type KeyPair, makeKeyPair, signingRequestDer } from "@lifeline/identity";
import { type Clock, pause } from "@lifeline/measure";
import { type ChannelCredentials, createRpcClient, type DuplexCall, RpcError, tlsCredentials } from "@lifeline/rpc";
import { adminPb, encodeReport, enrolPb, NO_VITALS, queryPb, reportPb } from "@lifeline/wire";

/** A call fails after this long, ms. */
export const CALL = { timeoutMs: 5_000 };

/** No call finds itself on a connection under another identity. */
const OWN_CHANNEL = { "grpc.use_local_subchannel_pool": 1 };

/** A certificate and its key, as a node holds them. */
export interface NodeCredentials {
  readonly certPem: string;
  readonly keys: KeyPair;
}

/** A stream that a node speaks on. */
export interface NodeStream {
  /** What came first: `let in`, or the error it ended with. */
  readonly first: "let in" | RpcError;
  /** The error it ends with; undefined when it ends well. */
  readonly end: Promise<RpcError | undefined>;
  report(sequence: number, options?: { sealedAtMs?: number; bootId?: Uint8Array; bytes?: Uint8Array }): Promise<void>;
  /** Resolves when so many reports were acknowledged or refused. */
  answered(count: number): Promise<{ readonly acked: number; readonly refused: readonly string[] }>;
  close(): void;
}

/** The house under attack. */
export interface Stage {
  readonly clock: Clock;
  readonly port: number;
  readonly address: string;
  readonly authorityPem: string;
  readonly fingerprint: string;
  readonly readerToken: string;
  /** Everything that must never be seen: tokens, and private keys as PEM. */
  readonly secrets: Set<string>;
  /** A join token. */
  token(options?: {
    usesMax?: number;
    nodePattern?: string;
    lifetimeSeconds?: number;
    ephemeral?: boolean;
  }): Promise<string>;
  admin<T>(ask: (client: AdminClient, options: typeof CALL & { bearerToken: string }) => Promise<T>): Promise<T>;
  /** Enrols; `via` is another address that leads to the collector. Rejects with an RpcError. */
  enrol(joinToken: string, nodeId: string, options?: { keys?: KeyPair; via?: string }): Promise<NodeCredentials>;
  /** Renews a node's certificate. Rejects with an RpcError. */
  renew(of: NodeCredentials, nodeId: string): Promise<void>;
  /** Credentials of a client that trusts the authority. */
  client(of?: NodeCredentials): ChannelCredentials;
  speak(credentials: ChannelCredentials, nodeId: string, options?: SpeakOptions): Promise<NodeStream>;
  /** Reports of a node that are stored, and those that came again. */
  stored(nodeId: string): Promise<{ readonly reports: number; readonly duplicates: number }>;
  /** An address whose connections reach the collector from another source address of loopback. */
  from(sourceAddress: string): Promise<string>;
  /** Starts the shipped agent, pointed at an address. */
  agent(nodeId: string, collector: string, joinToken: string): Program;
  /** Sets the collector's wall clock so far from the true one, ms. */
  jump(byMs: number): Promise<void>;
  metrics(): Promise<string>;
  /** Adds the keys that the agents keep to the secrets; how many there are. */
  gatherKeys(): number;
  /** Everything the collector and the agents have printed, and what they have on their disks apart from their identities. */
  told(): string;
  close(): Promise<void>;
}

type AdminClient = ReturnType<typeof createRpcClient<typeof adminPb.AdminService>>;

/** How a node speaks, where it does not as an agent would. */
export interface SpeakOptions {
  readonly bootId?: Uint8Array;
  readonly address?: string;
  /** Keeps no limit on what it sends. */
  readonly isUnbounded?: boolean;
}

/** How long a program takes to notice that its clock was set, ms: thrice what it looks after. */
const CLOCK_TAKES_MS = 300;

/** Tries of what must come about soon, and the time between two, ms: ten seconds. */
const TRIES = 200;
const TRY_EVERY_MS = 50;

/** Waits until something holds; false: it did not within ten seconds. */
export async function comesAbout(clock: Clock, what: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (await what()) return true;
    await pause(clock, TRY_EVERY_MS);
  }
  return false;
}

/** Runs a call; `OK`, or the error it was refused with. */
export function refusalOf(call: Promise<unknown>): Promise<RpcError | "OK"> {
  return call.then(
    () => "OK" as const,
    (error: unknown) => {
      if (error instanceof RpcError) return error;
      throw error;
    },
  );
}

/** Builds the house. */
export async function openStage(clock: Clock): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-attack-"));
  const readyFile = join(folder, "ready");
  const clockFile = join(folder, "clock");
  const dataDir = join(folder, "store");
  writeFileSync(join(folder, "deployment.yaml"), DEPLOYMENT);
  writeFileSync(join(folder, "plan.yaml"), JSON.stringify({ targets: [] }));
  const [adminToken, readerToken] = [0, 1].map(() => randomBytes(32).toString("base64url")) as [string, string];
  const secrets = new Set([adminToken, readerToken]);
  const where = ["--data-dir", dataDir, "--deployment", join(folder, "deployment.yaml"), "--ready-file", readyFile];
  const listen = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--identity-name", "127.0.0.1"];
  const collector = createProgram({
    room: "collector",
    args: [...where, ...listen],
    environment: { LIFELINE_ADMIN_TOKEN: adminToken, LIFELINE_READER_TOKEN: readerToken },
    clockFile,
  });
  const agents: { readonly program: Program; readonly stateDir: string }[] = [];
  const closers: (() => void)[] = [];
  collector.start();
  await untilReady(readyFile, collector, clock);
  const { grpcPort: port, httpPort } = JSON.parse(readFileSync(readyFile, "utf8")) as Record<string, number>;
  const address = `127.0.0.1:${port}`;
  const authorityPem = readFileSync(join(dataDir, "identity/authority.pem"), "utf8");
  const { raw } = new X509Certificate(authorityPem);
  secrets.add(pemBody(readFileSync(join(dataDir, "identity/authority.key"), "utf8")));
  const verified = tlsCredentials({ caPem: authorityPem });
  const admin: Stage["admin"] = async (ask) => {
    const client = createRpcClient(adminPb.AdminService, address, verified);
    try {
      return await ask(client, { ...CALL, bearerToken: adminToken });
    } finally {
      client.close();
    }
  };
  const client: Stage["client"] = (of) =>
    of === undefined
      ? verified
      : tlsCredentials({
          caPem: authorityPem,
          pair: { certPem: Buffer.from(of.certPem), keyPem: Buffer.from(of.keys.privateKeyPem) },
        });
  return {
    clock,
    port: port ?? 0,
    address,
    authorityPem,
    fingerprint: `sha256:${createHash("sha256").update(raw).digest("hex")}`,
    readerToken,
    secrets,
    admin,
    client,
    async token(options = {}) {
      const { joinToken } = await admin((asked, by) => asked.unary("createJoinToken", { usesMax: 1, ...options }, by));
      secrets.add(joinToken.slice(joinToken.indexOf(".") + 1));
      return joinToken;
    },
    async enrol(joinToken, nodeId, { keys = makeKeyPair(), via = address } = {}) {
      secrets.add(pemBody(keys.privateKeyPem));
      const certificateRequestDer = signingRequestDer(keys.privateKeyPem, nodeId);
      const asked = createRpcClient(enrolPb.EnrolService, via, verified);
      try {
        const { certificateChainDer } = await asked.unary("enrol", { joinToken, certificateRequestDer }, CALL);
        return { certPem: new X509Certificate(certificateChainDer[0] ?? new Uint8Array()).toString(), keys };
      } finally {
        asked.close();
      }
    },
    async renew(of, nodeId) {
      const certificateRequestDer = await signingRequestDer(of.keys.privateKeyPem, nodeId);
      const asked = createRpcClient(enrolPb.EnrolService, address, client(of), OWN_CHANNEL);
      try {
        await asked.unary("renew", { certificateRequestDer }, CALL);
      } finally {
        asked.close();
      }
    },
    speak: (credentials, nodeId, options = {}) => speak(credentials, nodeId, { address, ...options }, clock, closers),
    async stored(nodeId) {
      const asked = createRpcClient(queryPb.QueryService, address, verified);
      try {
        const { boots } = await asked.unary("getNode", { nodeId }, { ...CALL, bearerToken: readerToken });
        const sum = (of: "reports" | "duplicateReports") => boots.reduce((all, boot) => all + Number(boot[of]), 0);
        return { reports: sum("reports"), duplicates: sum("duplicateReports") };
      } finally {
        asked.close();
      }
    },
    async from(localAddress) {
      const relay = createServer((socket) => {
        const onward = connect({ port: port ?? 0, host: "127.0.0.1", localAddress });
        onward.pipe(socket).pipe(onward);
        for (const [each, other] of [
          [socket, onward],
          [onward, socket],
        ] as const)
          each.on("error", () => {}).on("close", () => other.destroy());
      });
      await new Promise<void>((settle) => relay.listen(0, "127.0.0.1", settle));
      closers.push(() => relay.close());
      const bound = relay.address();
      return `127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`;
    },
    agent(nodeId, at, joinToken) {
      const stateDir = join(folder, `agent-${agents.length}`);
      mkdirSync(stateDir);
      const program = createProgram({
        room: "agent",
        args: ["--collector", at, "--plan", join(folder, "plan.yaml"), "--node-id", nodeId, "--log-level", "debug"],
        environment: {
          LIFELINE_STATE_DIR: stateDir,
          LIFELINE_JOIN_TOKEN: joinToken,
          LIFELINE_AUTHORITY: `sha256:${createHash("sha256").update(raw).digest("hex")}`,
        },
        clockFile: undefined,
      });
      agents.push({ program, stateDir });
      program.start();
      return program;
    },
    async jump(byMs) {
      writeFileSync(clockFile, String(byMs));
      await pause(clock, CLOCK_TAKES_MS);
    },
    metrics: async () => (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text(),
    gatherKeys() {
      const keys = agents.flatMap(({ stateDir }) => keysIn(join(stateDir, "identity")));
      for (const pem of keys) secrets.add(pemBody(pem));
      return keys.length;
    },
    told: () =>
      [collector, ...agents.map(({ program }) => program)].map((program) => program.printed()).join("") +
      [dataDir, ...agents.map(({ stateDir }) => stateDir)].map(contentOf).join(""),
    async close() {
      for (const close of closers) close();
      await Promise.all([collector, ...agents.map(({ program }) => program)].map((program) => program.kill()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The private keys of an agent's identity: the one in use, and the one that is to be certified next. */
function keysIn(identity: string): string[] {
  const credentials = readIfThere(join(identity, "credentials.json"));
  const next = readIfThere(join(identity, "next.key"));
  const inUse: unknown[] = credentials === "" ? [] : [Reflect.get(JSON.parse(credentials), "keyPem")];
  return [...inUse, next].filter((pem): pem is string => typeof pem === "string" && pem !== "");
}

/** What is in every file below a directory, apart from `identity`, byte for byte. */
function contentOf(directory: string): string {
  const entries = readdirSync(directory, { withFileTypes: true }).filter(({ name }) => name !== "identity");
  return entries
    .map((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return contentOf(path);
      return entry.isFile() ? readIfThere(path) : "";
    })
    .join("");
}

/** Empty where there is none: a program that lives may remove it meanwhile. */
function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "latin1") : "";
}

/** A PEM's base64 without its lines: what would be found of it whatever wraps it. */
function pemBody(pem: string): string {
  return pem.replace(/-----[^-]+-----|\s/g, "").slice(0, 64);
}

async function speak(
  credentials: ChannelCredentials,
  nodeId: string,
  { address = "", bootId = randomBytes(16), isUnbounded = false }: SpeakOptions,
  clock: Clock,
  closers: (() => void)[],
): Promise<NodeStream> {
  const client = createRpcClient(reportPb.ReportService, address, credentials, {
    ...OWN_CHANNEL,
    ...(isUnbounded ? { "grpc.max_send_message_length": -1 } : {}),
  });
  closers.push(() => client.close());
  const call = client.duplex("stream");
  const sentUnixMs = () => BigInt(clock.wallMs());
  await call
    .send({
      message: {
        case: "hello",
        value: { nodeId, bootId, roles: [reportPb.NodeRole.TALOS_NODE], ipVersions: [4], sentUnixMs: sentUnixMs() },
      },
    })
    // Its end says why.
    .catch(() => {});
  const seen = { acked: 0, refused: [] as string[] };
  const responses = call.responses[Symbol.asyncIterator]();
  const first = await responses.next().then(
    () => "let in" as const,
    (error: RpcError) => error,
  );
  const end = first === "let in" ? listen(responses, seen) : Promise.resolve(first);
  return {
    first,
    end,
    report: (sequence, options = {}) => send(call, sequence, { bootId, ...options }, clock),
    async answered(count) {
      await comesAbout(clock, () => seen.acked + seen.refused.length >= count);
      return { acked: seen.acked, refused: seen.refused };
    },
    close: () => client.close(),
  };
}

async function listen(
  responses: AsyncIterator<reportPb.StreamResponse>,
  seen: { acked: number; refused: string[] },
): Promise<RpcError | undefined> {
  try {
    for (let next = await responses.next(); next.done !== true; next = await responses.next()) {
      const { message } = next.value;
      if (message.case === "ack") seen.acked += message.value.reports.length;
      if (message.case === "refusal") seen.refused.push(message.value.code);
    }
    return undefined;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
}

function send(
  call: DuplexCall<never, reportPb.StreamResponse> | DuplexCall<object, reportPb.StreamResponse>,
  sequence: number,
  { bootId, sealedAtMs, bytes }: { bootId: Uint8Array; sealedAtMs?: number; bytes?: Uint8Array },
  clock: Clock,
): Promise<void> {
  const report = bytes ?? encodeReport({ sealedAtMs: sealedAtMs ?? clock.wallMs(), windows: [], vitals: NO_VITALS });
  const value = { bootId, sequence: BigInt(sequence), report, sentUnixMs: BigInt(clock.wallMs()) };
  return call.send({ message: { case: "report", value } } as never);
}
