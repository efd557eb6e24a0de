/** The shipped collector with a CA of its own. It is restarted when it exits, as a supervisor would do. */
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COLLECTOR_NODE } from "@lifeline/bundle";
import { LOOPBACK_DEPLOYMENT, ShippedProgram } from "@lifeline/harness";
import { type Clock, pause } from "@lifeline/measure";
import { type MemoryLimit, makeMemoryLimit } from "./memory-limit.ts";

/** How long a program takes to notice that its clock was set, ms: three times its check interval. */
const CLOCK_TAKES_MS = 300;

/** Tokens by role. */
export interface RoleTokens {
  readonly admin: string;
  readonly reader: string;
  readonly witness: string;
}

/** Certificates of a PKI that is not the collector's, PEM. */
export interface OwnPki {
  readonly certPem: string;
  readonly keyPem: string;
  readonly caPem: string;
}

/** Where it listens, an address literal; and whose certificates it takes, by default its own CA's. */
export interface CollectorOptions {
  readonly host: string;
  readonly ownPki?: OwnPki;
}

/** The collector under attack. */
export class CollectorProcess {
  readonly dataDir: string;
  readonly tokens: RoleTokens;
  readonly limit: MemoryLimit;
  readonly #program: ShippedProgram;
  readonly #readyFile: string;
  readonly #clockFile: string;
  readonly #clock: Clock;
  #ports = { grpcPort: 0, httpPort: 0 };

  /** Keeps everything in `folder`. */
  constructor(folder: string, { host, ownPki }: CollectorOptions, clock: Clock) {
    this.#clock = clock;
    this.dataDir = join(folder, "store");
    this.#readyFile = join(folder, "ready");
    this.#clockFile = join(folder, "clock");
    const [admin, reader, witness] = [0, 1, 2].map(() => randomBytes(32).toString("base64url"));
    this.tokens = { admin, reader, witness } as RoleTokens;
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const files = ["--data-dir", this.dataDir, "--deployment", write("deployment.yaml", LOOPBACK_DEPLOYMENT)];
    const access = ["--access-tokens", write("access-tokens", `omni witness ${witness}\n`)];
    const listen = ["--listen", host.includes(":") ? `[${host}]:0` : `${host}:0`, "--http-listen", "127.0.0.1:0"];
    const identity =
      ownPki === undefined
        ? ["--identity-name", "127.0.0.1"]
        : ["cert", "key", "ca"].flatMap((kind) => {
            const pem = ownPki[`${kind}Pem` as keyof OwnPki];
            return [`--tls-${kind}`, write(`${kind}.pem`, pem)];
          });
    this.limit = makeMemoryLimit(`lifeline-attack-${process.pid}-${randomBytes(4).toString("hex")}`);
    this.#program = new ShippedProgram({
      room: "collector",
      args: [...files, ...access, ...listen, ...identity, "--ready-file", this.#readyFile],
      environment: {
        LIFELINE_ADMIN_TOKEN: this.tokens.admin,
        LIFELINE_READER_TOKEN: this.tokens.reader,
        ...COLLECTOR_NODE.environment,
      },
      clockFile: this.#clockFile,
      flags: COLLECTOR_NODE.flags,
      launcher: this.limit.launcher,
    });
  }

  get pid(): number | undefined {
    return this.#program.pid;
  }

  get isAlive(): boolean {
    return this.#program.isAlive;
  }

  get port(): number {
    return this.#ports.grpcPort;
  }

  get httpPort(): number {
    return this.#ports.httpPort;
  }

  get caPem(): string {
    return readFileSync(join(this.dataDir, "identity/ca.pem"), "utf8");
  }

  /** The CA's key, PEM. */
  get caKeyPem(): string {
    return readFileSync(join(this.dataDir, "identity/ca.key"), "utf8");
  }

  get fingerprint(): string {
    const { raw } = new X509Certificate(this.caPem);
    return `sha256:${createHash("sha256").update(raw).digest("hex")}`;
  }

  /** Starts it, unless it runs. Rejects with a HarnessError `not-started`. */
  async start(): Promise<void> {
    if (this.#program.isAlive) return;
    this.#ports = await this.#program.ready(this.#readyFile, this.#clock);
  }

  /** kill -9; resolves when it is dead. */
  async end(): Promise<void> {
    await this.#program.kill();
  }

  /** Sets its wall clock so far from the true one, ms. */
  async jump(byMs: number): Promise<void> {
    writeFileSync(this.#clockFile, String(byMs));
    await pause(this.#clock, CLOCK_TAKES_MS);
  }

  output(): string {
    return this.#program.output();
  }

  async close(): Promise<void> {
    await this.#program.kill();
    this.limit.close();
  }
}
