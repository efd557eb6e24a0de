/** The shipped collector with a fleet CA of its own, on loopback. It may be killed and started again. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COLLECTOR_NODE } from "@lifeline/bundle";
import type { Clock } from "@lifeline/measure";
import { type ChannelCredentials, createRpcClient, type RpcClient, tlsCredentials } from "@lifeline/rpc";
import { adminPb, queryPb } from "@lifeline/wire";
import { LOOPBACK_DEPLOYMENT } from "./loopback-catalogue.ts";
import { type ProgramOptions, ShippedProgram } from "./shipped-program.ts";
import { TestCa } from "./test-ca.ts";

/** How long an administrator's call may take, ms. */
const CALL_TIMEOUT_MS = 30_000;

/** Characters of its log that are kept. */
const OUTPUT_MAX_CHARS = 100_000;

/** What differs between collectors. */
export interface CollectorOptions extends Pick<ProgramOptions, "clockFile" | "launcher" | "outputMaxChars"> {
  /** Text of the catalogue. Default: the published one. */
  readonly catalogue?: string;
  /** Further arguments. Default none. */
  readonly args?: readonly string[];
  /** Address and port of its gRPC listener. Default 127.0.0.1:0, a free port. */
  readonly listen?: string;
  /** Certificates of another PKI than the collector's own, PEM. Default: it makes its own CA. */
  readonly pki?: Readonly<Record<"certPem" | "keyPem" | "caPem", string>> | undefined;
}

/** Options of a join token; see `lifeline token create`. */
export interface JoinTokenOptions {
  readonly usesMax?: number;
  readonly nodePattern?: string;
  readonly ephemeral?: boolean;
  readonly lifetimeSeconds?: number;
}

type AdminClient = RpcClient<typeof adminPb.AdminService>;
type QueryClient = RpcClient<typeof queryPb.QueryService>;
type As = { readonly timeoutMs: number; readonly bearerToken: string };

/** A collector. It is not started yet. */
export class CollectorFixture {
  readonly program: ShippedProgram;
  readonly adminToken: string = randomBytes(32).toString("base64url");
  readonly readerToken: string = randomBytes(32).toString("base64url");
  /** Its store and identity. */
  readonly dataDir: string;
  readonly #folder: string;
  readonly #clock: Clock;
  #ports = { grpcPort: 0, httpPort: 0 };

  /** Keeps everything in `folder`, which exists. */
  constructor(
    folder: string,
    clock: Clock,
    { catalogue, args = [], listen: address = "127.0.0.1:0", pki, ...program }: CollectorOptions = {},
  ) {
    this.#folder = folder;
    this.dataDir = join(folder, "store");
    this.#clock = clock;
    const files = ["--data-dir", this.dataDir, "--deployment", this.#write("deployment.yaml", LOOPBACK_DEPLOYMENT)];
    if (catalogue !== undefined) files.push("--catalogue", this.#write("catalogue.yaml", catalogue));
    const listen = ["--listen", address, "--http-listen", "127.0.0.1:0"];
    const pem = (kind: "cert" | "key" | "ca") => [
      `--tls-${kind}`,
      this.#write(`${kind}.pem`, pki?.[`${kind}Pem`] ?? ""),
    ];
    const identity =
      pki === undefined ? ["--identity-name", "127.0.0.1"] : [...pem("cert"), ...pem("key"), ...pem("ca")];
    this.program = new ShippedProgram({
      room: "collector",
      args: [...files, ...listen, ...identity, "--ready-file", this.#readyFile, ...args],
      flags: COLLECTOR_NODE.flags,
      environment: {
        ...COLLECTOR_NODE.environment,
        LIFELINE_ADMIN_TOKEN: this.adminToken,
        LIFELINE_READER_TOKEN: this.readerToken,
      },
      outputMaxChars: OUTPUT_MAX_CHARS,
      ...program,
    });
  }

  /** Starts it, unless it runs; resolves when it serves. Rejects with a HarnessError `not-started`. */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.program.isAlive && this.#ports.grpcPort !== 0) return;
    this.#ports = await this.program.ready(this.#readyFile, this.#clock, signal);
  }

  async kill(): Promise<void> {
    this.#ports = { grpcPort: 0, httpPort: 0 };
    await this.program.kill();
  }

  /** Stops it as an operator does; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#ports = { grpcPort: 0, httpPort: 0 };
    await this.program.stop();
  }

  /** 0 until it serves. */
  get grpcPort(): number {
    return this.#ports.grpcPort;
  }

  get httpPort(): number {
    return this.#ports.httpPort;
  }

  /** `host:port` of its gRPC listener. */
  get address(): string {
    return `127.0.0.1:${this.grpcPort}`;
  }

  /** Its SQLite database. */
  get database(): string {
    return join(this.dataDir, "collector.db");
  }

  /** Its fleet CA, to issue certificates behind its back. */
  ca(lifetimeMs?: number): Promise<TestCa> {
    const keyPem = readFileSync(join(this.dataDir, "identity/ca.key"), "utf8");
    return TestCa.open({ certPem: this.caPem, keyPem }, this.#clock, lifetimeMs);
  }

  /** Credentials of a client that trusts it and has no certificate. */
  credentials(): ChannelCredentials {
    return tlsCredentials({ caPem: this.caPem });
  }

  /** Calls it as an administrator. Rejects with an RpcError. */
  async admin<T>(call: (client: AdminClient, as: As) => Promise<T>): Promise<T> {
    const client = createRpcClient(adminPb.AdminService, this.address, this.credentials());
    return call(client, { timeoutMs: CALL_TIMEOUT_MS, bearerToken: this.adminToken }).finally(() => client.close());
  }

  /** Queries it as a reader. Rejects with an RpcError. */
  async query<T>(call: (client: QueryClient, as: As) => Promise<T>): Promise<T> {
    const client = createRpcClient(queryPb.QueryService, this.address, this.credentials());
    return call(client, { timeoutMs: CALL_TIMEOUT_MS, bearerToken: this.readerToken }).finally(() => client.close());
  }

  /** Makes a join token. Rejects with an RpcError. */
  async joinToken(options: JoinTokenOptions = {}): Promise<string> {
    return (await this.admin((client, as) => client.unary("createJoinToken", options, as))).joinToken;
  }

  /** A join token in a file and the CA's fingerprint, as an agent's configuration has them. */
  async enrol(): Promise<{ readonly caFingerprint: string; readonly tokenFile: string }> {
    const { fingerprint: caFingerprint } = await this.ca();
    return { caFingerprint, tokenFile: this.#write("join-token", await this.joinToken()) };
  }

  /** Certificate of its own CA, PEM. */
  get caPem(): string {
    return readFileSync(join(this.dataDir, "identity/ca.pem"), "utf8");
  }

  get #readyFile(): string {
    return join(this.#folder, "ready");
  }

  #write(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }
}
