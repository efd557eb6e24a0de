/** The collector under attack: the shipped one with a CA of its own, in a memory cgroup where there is one. */
import { randomBytes, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CollectorFixture, type CollectorOptions } from "@lifeline/harness";
import type { Clock } from "@lifeline/measure";
import { type MemoryLimit, makeMemoryLimit } from "./memory-limit.ts";
import { within } from "./poll.ts";

/** The collector under attack. */
export class CollectorProcess extends CollectorFixture {
  readonly witnessToken: string;
  readonly limit: MemoryLimit;
  readonly #clockFile: string;
  readonly #clock: Clock;

  /** Keeps everything in `folder`. Listens at a free port of `host`, an address literal. */
  constructor(folder: string, { host, pki }: Pick<CollectorOptions, "pki"> & { readonly host: string }, clock: Clock) {
    const witnessToken = randomBytes(32).toString("base64url");
    const tokensFile = join(folder, "access-tokens");
    writeFileSync(tokensFile, `omni witness ${witnessToken}\n`, { mode: 0o600 });
    const limit = makeMemoryLimit(`lifeline-attack-${process.pid}-${randomBytes(4).toString("hex")}`);
    const clockFile = join(folder, "clock");
    super(folder, clock, {
      args: ["--access-tokens", tokensFile],
      listen: host.includes(":") ? `[${host}]:0` : `${host}:0`,
      pki,
      clockFile,
      launcher: limit.launcher,
      // All of it is searched for secrets.
      outputMaxChars: Number.POSITIVE_INFINITY,
    });
    this.witnessToken = witnessToken;
    this.limit = limit;
    this.#clockFile = clockFile;
    this.#clock = clock;
  }

  /** Private key of its CA, PEM. */
  get caKeyPem(): string {
    return readFileSync(join(this.dataDir, "identity/ca.key"), "utf8");
  }

  get fingerprint(): string {
    return `sha256:${new X509Certificate(this.caPem).fingerprint256.replaceAll(":", "").toLowerCase()}`;
  }

  /** Sets its clock to `byMs` beside the machine's. Resolves when it has noticed; rejects when it does not. */
  async jump(byMs: number): Promise<void> {
    writeFileSync(this.#clockFile, String(byMs));
    const hasNoticed = await within(this.#clock, async () => {
      const fromMs = this.#clock.wallMs() + byMs;
      const { generatedUnixMs } = await this.admin((client, by) => client.unary("listJoinTokens", {}, by));
      return Number(generatedUnixMs) >= fromMs && Number(generatedUnixMs) <= this.#clock.wallMs() + byMs;
    });
    if (!hasNoticed) throw new Error(`the collector has not set its clock by ${byMs} ms`);
  }

  /** Ends it and removes its cgroup. */
  async close(): Promise<void> {
    await this.kill();
    this.limit.close();
  }
}
