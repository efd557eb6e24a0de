/** A fleet CA for runs: made here, or opened from a collector's own files. */
import { randomBytes } from "node:crypto";
import { createFleetCa, makeKeyPair, openFleetCa } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";

/** A certificate and its key, PEM; and the key's public half. */
export interface Pair {
  readonly certPem: string;
  readonly keyPem: string;
  readonly publicKeyDer: Buffer;
}

/** How long certificates last by default, ms: ten years, more than a run shifts any clock. */
const LIFETIME_MS = 3_650 * 24 * 3_600_000;

/** A CA that issues certificates for listeners and nodes. */
export class TestCa {
  readonly certPem: string;
  /** `sha256:` and hexadecimal. */
  readonly fingerprint: string;
  readonly #ca: Awaited<ReturnType<typeof openFleetCa>>;
  readonly #clock: Clock;
  readonly #lifetimeMs: number;

  /** Makes one; its certificates last `lifetimeMs`, by default ten years. */
  static async create(commonName: string, clock: Clock, lifetimeMs = LIFETIME_MS): Promise<TestCa> {
    const pems = await createFleetCa({ commonName, nowMs: clock.wallMs(), lifetimeMs, randomBytes });
    return TestCa.open(pems, clock, lifetimeMs);
  }

  /** Opens one from its PEM files. */
  static async open(
    pems: { readonly certPem: string; readonly keyPem: string },
    clock: Clock,
    lifetimeMs = LIFETIME_MS,
  ): Promise<TestCa> {
    return new TestCa(await openFleetCa(pems.certPem, pems.keyPem, randomBytes), clock, lifetimeMs);
  }

  private constructor(ca: Awaited<ReturnType<typeof openFleetCa>>, clock: Clock, lifetimeMs: number) {
    this.#ca = ca;
    this.#clock = clock;
    this.#lifetimeMs = lifetimeMs;
    this.certPem = ca.certPem;
    this.fingerprint = ca.fingerprint;
  }

  /** A certificate of a listener for `names`, by default 127.0.0.1. */
  async server(names: readonly string[] = ["127.0.0.1"]): Promise<Pair> {
    const { publicKeyDer, privateKeyPem: keyPem } = makeKeyPair();
    const { pem: certPem } = await this.#ca.issueServer({ publicKeyDer, names, ...this.#times() });
    return { certPem, keyPem, publicKeyDer };
  }

  /** A certificate of a node. */
  async node(nodeId: string): Promise<Pair> {
    const { publicKeyDer, privateKeyPem: keyPem } = makeKeyPair();
    const { pem: certPem } = await this.#ca.issueNode({ publicKeyDer, nodeId, ...this.#times() });
    return { certPem, keyPem, publicKeyDer };
  }

  #times() {
    return { nowMs: this.#clock.wallMs(), lifetimeMs: this.#lifetimeMs };
  }
}
