/**
 * The node's certificate from the fleet CA: gained once with a join token, and renewed.
 *
 * 1. The fleet CA is the one whose fingerprint is configured. No secret goes to any other peer.
 * 2. Renewing needs no token. It begins at two thirds of a certificate's life, and is still tried after its end.
 * 3. A node that is refused with its key tries a new key, if it has a token: an administrator may have readmitted it.
 * 4. A certificate that this process has gained ages by monotonic time. A wall clock that is days off affects only a
 *    certificate that was found at the start.
 * 5. One attempt runs at a time, when the uplink dials or a renewal is due. The uplink's backoff, or {@link
 *    RENEW_RETRY_MS}, limits how often.
 */
import { X509Certificate } from "node:crypto";
import { signingRequestDer } from "@lifeline/identity";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import {
  type ChannelCredentials,
  createRpcClient,
  fetchFleetCa,
  RpcError,
  RpcStatus,
  tlsCredentials,
} from "@lifeline/rpc";
import { enrolPb } from "@lifeline/wire";
import type { Logger } from "pino";
import { EnrolError } from "./enrol-error.ts";
import type { JoinTokenRead } from "./join-token.ts";
import { type Credentials, factsOf, type KeptCredentials } from "./kept-credentials.ts";

/** Timeout of a call to enrol or renew, ms: a handshake, one commit and one signature. */
const ENROL_TIMEOUT_MS = 10_000;

/** Share of a certificate's life after which it is renewed: a third is left for failed attempts. */
const RENEW_AT_SHARE = 2 / 3;

/**
 * A renewal is due up to this share of the life earlier, at random, so that a fleet that joined together does not renew
 * together.
 */
const RENEW_SPREAD_SHARE = 0.1;

/** Time between checks whether a renewal is due, and from a failed renewal to the next, ms. */
export const RENEW_CHECK_MS = 60_000;
export const RENEW_RETRY_MS = 300_000;

/** What an enrolment needs. */
export interface EnrolmentOptions {
  /** host:port. */
  readonly collector: string;
  readonly nodeId: string;
  /** Fingerprint of the fleet CA: `sha256:` and 64 hexadecimal characters. */
  readonly caFingerprint: string;
  readonly kept: KeptCredentials;
  /** Reads the join token as it is now. */
  readonly token: () => JoinTokenRead;
  /** Timeout of a call to enrol or renew, ms; default {@link ENROL_TIMEOUT_MS}. */
  readonly timeoutMs?: number | undefined;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** How the last connection ended, as far as it concerns the certificate. */
export type LastEnd = "unauthenticated" | "permission-denied" | "other";

/** Counters since the start. */
export interface EnrolmentStats {
  readonly enrolled: number;
  readonly renewed: number;
  readonly failed: number;
  /** End of the certificate, ms since the epoch; undefined without one. */
  readonly notAfterMs: number | undefined;
}

/** Keeps the node's certificate valid. */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #stopping = new AbortController();
  /** When a renewal is due, as a share of the certificate's life. Drawn once for each start, which spreads a fleet. */
  readonly #renewAtShare: number;
  readonly #stats = { enrolled: 0, renewed: 0, failed: 0 };
  /** The one attempt that runs. */
  #attempt: Promise<unknown> = Promise.resolve();
  #renewing: Promise<void> = Promise.resolve();
  /** When the certificate was requested; undefined: it was found at the start. */
  #gainedNs: number | undefined;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.#renewAtShare = RENEW_AT_SHARE - options.random() * RENEW_SPREAD_SHARE;
  }

  /**
   * Credentials for the next connection. Enrols or renews first where that is needed. Rejects with an EnrolError, a
   * FirstContactError or an RpcError.
   */
  credentials(lastEnd: LastEnd): Promise<ChannelCredentials> {
    return this.#alone(async () => asChannel(await this.#next(lastEnd)));
  }

  /**
   * Renews the certificate when it is due, until stopped. `onRenewed`: connections still run under the certificate
   * before.
   */
  keepRenewed(onRenewed: () => void): void {
    this.#renewing = this.#renewWhenDue(onRenewed);
  }

  /** Counters since the start. */
  stats(): EnrolmentStats {
    const held = this.#own();
    return { ...this.#stats, notAfterMs: held && factsOf(held).notAfterMs };
  }

  /** Renews no more, and ends the attempt that runs. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#renewing;
    await this.#attempt;
  }

  async #next(lastEnd: LastEnd): Promise<Credentials> {
    const { kept } = this.#options;
    kept.readAgain();
    await kept.saveAgain();
    const held = this.#own();
    if (held === undefined) return this.#gain();
    if (this.#spentShare(held) >= 1 || lastEnd === "unauthenticated") return this.#renewOrGain(held);
    return lastEnd === "permission-denied" ? gainOrKeep(held, () => this.#gain()) : held;
  }

  async #renewWhenDue(onRenewed: () => void): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    for (let waitMs = RENEW_CHECK_MS; ; ) {
      await pause(clock, waitMs, signal);
      if (signal.aborted) return;
      waitMs = RENEW_CHECK_MS;
      try {
        if (await this.#alone(() => this.#renewIfDue())) onRenewed();
      } catch (error) {
        if (signal.aborted) return;
        const detail = error instanceof Error ? error.message : String(error);
        log.warn({ detail, retryInMs: RENEW_RETRY_MS }, "certificate not renewed; the agent tries again");
        waitMs = RENEW_RETRY_MS;
      }
    }
  }

  async #renewIfDue(): Promise<boolean> {
    await this.#options.kept.saveAgain();
    const held = this.#own();
    if (held === undefined || this.#spentShare(held) < this.#renewAtShare) return false;
    await this.#call((by) => renew(by, held), "renewed");
    return true;
  }

  /** Renews, or enrols where the collector refuses to renew. */
  async #renewOrGain(held: Credentials): Promise<Credentials> {
    try {
      return await this.#call((by) => renew(by, held), "renewed");
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#options.log.warn(
        { detail: error.message },
        "renewal refused; the node enrols again if it has a join token",
      );
      // UNAUTHENTICATED is about the certificate, which has lapsed or is unknown there; PERMISSION_DENIED is about the
      // key.
      return this.#gain(error.code === RpcStatus.UNAUTHENTICATED ? held.keyPem : undefined);
    }
  }

  /** Enrols with a key, or with a new one. */
  async #gain(keyPem?: string): Promise<Credentials> {
    const read = this.#options.token();
    if (read.kind === "none") throw new EnrolError("no-token", `enrol: ${read.problem}`);
    return this.#call((by) => enrol(by, read.token, keyPem), "enrolled");
  }

  async #call(run: (by: Attempt) => Promise<Credentials>, what: "enrolled" | "renewed"): Promise<Credentials> {
    const { clock, kept, log, timeoutMs = ENROL_TIMEOUT_MS } = this.#options;
    const requestedNs = clock.monotonicNs();
    try {
      const gained = await run({ ...this.#options, bounds: { timeoutMs, signal: this.#stopping.signal } });
      await kept.save(gained);
      this.#gainedNs = requestedNs;
      this.#stats[what] += 1;
      log.info({ notAfter: new Date(factsOf(gained).notAfterMs).toISOString() }, `the node has ${what}`);
      return gained;
    } catch (error) {
      this.#stats.failed += 1;
      throw error;
    }
  }

  /** The credentials of this node by this fleet CA. Others were left by another configuration. */
  #own(): Credentials | undefined {
    const { kept, nodeId, caFingerprint } = this.#options;
    const credentials = kept.load();
    if (credentials === undefined) return undefined;
    const facts = factsOf(credentials);
    return facts.nodeId === nodeId && facts.caFingerprint === caFingerprint ? credentials : undefined;
  }

  /** The share of a certificate's life that is over. */
  #spentShare(held: Credentials): number {
    const { clock } = this.#options;
    const { notBeforeMs, notAfterMs } = factsOf(held);
    const gainedNs = this.#gainedNs;
    const ageMs = gainedNs === undefined ? clock.wallMs() - notBeforeMs : (clock.monotonicNs() - gainedNs) / NS_PER_MS;
    return ageMs / (notAfterMs - notBeforeMs);
  }

  #alone<T>(run: () => Promise<T>): Promise<T> {
    const own = this.#attempt.then(run);
    this.#attempt = own.catch(() => {});
    return own;
  }
}

/** What an attempt is made with. */
type Attempt = Pick<EnrolmentOptions, "collector" | "nodeId" | "caFingerprint" | "kept"> & {
  readonly bounds: { readonly timeoutMs: number; readonly signal: AbortSignal };
};

/** A channel of its own for each call: no call reuses a connection under another certificate. */
const CHANNEL_OPTIONS = { "grpc.use_local_subchannel_pool": 1 };

async function enrol(
  { collector, nodeId, caFingerprint, kept, bounds }: Attempt,
  joinToken: string,
  heldKeyPem: string | undefined,
): Promise<Credentials> {
  const { certificatePem } = await fetchFleetCa(collector, caFingerprint, {
    ...bounds,
    channelOptions: CHANNEL_OPTIONS,
  });
  const keyPem = heldKeyPem ?? (await kept.nextKey()).privateKeyPem;
  const certificateRequestDer = signingRequestDer(keyPem, nodeId);
  const channel = tlsCredentials({ caPem: certificatePem, caMayBeIntermediate: true });
  const client = createRpcClient(enrolPb.EnrolService, collector, channel, CHANNEL_OPTIONS);
  try {
    const answer = await client.unary("enrol", { joinToken, certificateRequestDer }, bounds);
    return credentialsFrom(answer.certificateChainDer, keyPem, certificatePem);
  } finally {
    client.close();
  }
}

async function renew({ collector, nodeId, bounds }: Attempt, credentials: Credentials): Promise<Credentials> {
  const { keyPem, caPem } = credentials;
  const certificateRequestDer = signingRequestDer(keyPem, nodeId);
  const client = createRpcClient(enrolPb.EnrolService, collector, asChannel(credentials), CHANNEL_OPTIONS);
  try {
    const answer = await client.unary("renew", { certificateRequestDer }, bounds);
    return credentialsFrom(answer.certificateChainDer, keyPem, caPem);
  } finally {
    client.close();
  }
}

/** The credentials of an answer. Throws an RpcError when the answer has no certificate: the call is to be repeated. */
function credentialsFrom([leaf]: readonly Uint8Array[], keyPem: string, caPem: string): Credentials {
  try {
    const certPem = new X509Certificate(leaf ?? new Uint8Array()).toString();
    return { keyPem, certPem, caPem };
  } catch {
    throw new RpcError(RpcStatus.INTERNAL, "certificate_chain_der: got no certificate, want the node's first");
  }
}

function asChannel({ keyPem, certPem, caPem }: Credentials): ChannelCredentials {
  const pair = { certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem) };
  return tlsCredentials({ caPem, caMayBeIntermediate: true, pair });
}

/**
 * Enrols with a new key, in case an administrator has readmitted the node. Without a token, or when that is refused,
 * the old key stays.
 */
async function gainOrKeep(held: Credentials, gain: () => Promise<Credentials>): Promise<Credentials> {
  try {
    return await gain();
  } catch (error) {
    if (error instanceof EnrolError || isRefusal(error)) return held;
    throw error;
  }
}

/** Whether the collector has answered with a refusal. */
function isRefusal(error: unknown): error is RpcError {
  const refusals = [RpcStatus.UNAUTHENTICATED, RpcStatus.PERMISSION_DENIED, RpcStatus.ALREADY_EXISTS];
  return error instanceof RpcError && refusals.some((code) => code === error.code);
}
