/**
 * The node's identity towards the collector: gained once with a join token, and kept up by renewing.
 *
 * 1. The collector's authority is the one whose fingerprint was configured; nothing secret is said to anybody else.
 * 2. Renewing needs no token. It begins at two thirds of a certificate's life, and goes on after its end.
 * 3. A node that is refused with its key tries a new one, if it has a token: an administrator may have readmitted it.
 * 4. What this process has gained ages by its own time since then: a wall clock that is days off decides for what was found at the start alone.
 * 5. One attempt at a time, each when the uplink dials or a renewal is due: how often is the uplink's backoff, or {@link RENEW_RETRY_MS}.
 */
import { X509Certificate } from "node:crypto";
import { signingRequestDer } from "@lifeline/identity";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import {
  type ChannelCredentials,
  createRpcClient,
  fetchAuthority,
  RpcError,
  RpcStatus,
  tlsCredentials,
} from "@lifeline/rpc";
import { enrolPb } from "@lifeline/wire";
import type { Logger } from "pino";
import { EnrolError } from "./enrol-error.ts";
import type { JoinTokenRead } from "./join-token.ts";
import { type Credentials, factsOf, type KeptCredentials } from "./kept-credentials.ts";

/** How long a call to enrol or renew may take, ms: a handshake, one commit and one signature. */
export const ENROL_WITHIN_MS = 10_000;

/** Share of a certificate's life after which it is renewed: a third is left for whatever is in the way. */
export const RENEW_AT_SHARE = 2 / 3;

/** A renewal is due up to this share of the life earlier, by chance, so that a fleet that joined together does not renew together. */
const RENEW_SPREAD_SHARE = 0.1;

/** How often it is looked whether a renewal is due, and how long after a failed one the next is tried, ms. */
export const RENEW_CHECK_MS = 60_000;
export const RENEW_RETRY_MS = 300_000;

/** What an enrolment needs. */
export interface EnrolmentOptions {
  /** host:port. */
  readonly collector: string;
  readonly nodeId: string;
  /** Of the collector's authority: `sha256:` and 64 hexadecimal characters. */
  readonly authority: string;
  readonly kept: KeptCredentials;
  /** The join token of now. */
  readonly token: () => JoinTokenRead;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** There is a later certificate: the connection of now still runs under the one before. */
  readonly onRenewed: () => void;
}

/** How the last connection ended, as far as it bears on the identity. */
export type LastEnd = "unauthenticated" | "permission-denied" | "other";

/** Counters since the start. */
export interface EnrolmentStats {
  readonly enrolled: number;
  readonly renewed: number;
  readonly failed: number;
  /** End of the certificate, ms since the epoch; undefined without one. */
  readonly notAfterMs: number | undefined;
}

/** Keeps the node's identity. */
export interface Enrolment {
  /** Credentials for the next connection; enrols or renews first where it must. Rejects with an EnrolError, a FirstContactError or an RpcError. */
  credentials(lastEnd: LastEnd): Promise<ChannelCredentials>;
  stats(): EnrolmentStats;
  /** Renews no more. */
  stop(): Promise<void>;
}

/** Starts to keep the identity up. */
export function startEnrolment(options: EnrolmentOptions): Enrolment {
  const { kept, clock, log, nodeId, authority } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let stats = { enrolled: 0, renewed: 0, failed: 0 };
  /** The one attempt under way. */
  let underWay: Promise<unknown> = Promise.resolve();
  /** When what is held was asked for; undefined: it was found. */
  let gainedNs: number | undefined;
  // Drawn once for each start: enough to spread a fleet.
  const spread = options.random() * RENEW_SPREAD_SHARE;

  /** The credentials that are for this node and this authority; others were left by another configuration. */
  const own = (): Credentials | undefined => {
    const credentials = kept.load();
    if (credentials === undefined) return undefined;
    const facts = factsOf(credentials);
    return facts.nodeId === nodeId && facts.authorityFingerprint === authority ? credentials : undefined;
  };
  const call = async (
    run: (by: Attempt) => Promise<Credentials>,
    what: "enrolled" | "renewed",
  ): Promise<Credentials> => {
    const askedNs = clock.monotonicNs();
    try {
      const gained = await run({ ...options, signal });
      await kept.save(gained);
      gainedNs = askedNs;
      stats = { ...stats, [what]: stats[what] + 1 };
      log.info({ notAfter: new Date(factsOf(gained).notAfterMs).toISOString() }, `the node has ${what}`);
      return gained;
    } catch (error) {
      stats = { ...stats, failed: stats.failed + 1 };
      throw error;
    }
  };
  /** Enrols with a key, or with the next one. */
  const gain = async (keyPem?: string): Promise<Credentials> => {
    const read = options.token();
    if (read.kind === "none") throw new EnrolError("no-token", `enrol: ${read.problem}`);
    return call((by) => enrol(by, read.token, keyPem), "enrolled");
  };
  /** Renews, or enrols where the key is good for nothing any more. */
  const renewOrGain = async (credentials: Credentials): Promise<Credentials> => {
    try {
      return await call((by) => renew(by, credentials), "renewed");
    } catch (error) {
      if (!isRefusal(error)) throw error;
      log.warn(
        { detail: error.message },
        "the certificate is not renewed: the node enrols anew, if it has a join token",
      );
      // What has lapsed or is not known there is the certificate; what is denied is the key.
      return gain(error.code === RpcStatus.UNAUTHENTICATED ? credentials.keyPem : undefined);
    }
  };
  /** The share of a certificate's life that is over. */
  const spentOf = (held: Credentials): number => {
    const { notBeforeMs, notAfterMs } = factsOf(held);
    const ageMs = gainedNs === undefined ? clock.wallMs() - notBeforeMs : (clock.monotonicNs() - gainedNs) / NS_PER_MS;
    return ageMs / (notAfterMs - notBeforeMs);
  };
  const alone = <T>(run: () => Promise<T>): Promise<T> => {
    const mine = underWay.then(run);
    underWay = mine.catch(() => {});
    return mine;
  };

  const credentials = (lastEnd: LastEnd): Promise<ChannelCredentials> =>
    alone(async () => {
      kept.readAgain();
      await kept.saveAgain();
      const held = own();
      if (held === undefined) return asChannel(await gain());
      const hasEnded = spentOf(held) >= 1;
      if (hasEnded || lastEnd === "unauthenticated") return asChannel(await renewOrGain(held));
      if (lastEnd === "permission-denied") return asChannel(await gainOrKeep(held, gain));
      return asChannel(held);
    });
  const renewIfDue = async (): Promise<boolean> => {
    await kept.saveAgain();
    const held = own();
    if (held === undefined || spentOf(held) < RENEW_AT_SHARE - spread) return false;
    await call((by) => renew(by, held), "renewed");
    return true;
  };
  const keepUp = async () => {
    for (let waitMs = RENEW_CHECK_MS; ; ) {
      await pause(clock, waitMs, signal);
      if (signal.aborted) return;
      waitMs = RENEW_CHECK_MS;
      try {
        if (await alone(renewIfDue)) options.onRenewed();
      } catch (error) {
        if (signal.aborted) return;
        log.warn(
          { detail: error instanceof Error ? error.message : String(error) },
          "the certificate could not be renewed yet",
        );
        waitMs = RENEW_RETRY_MS;
      }
    }
  };
  const keeping = keepUp();

  return {
    credentials,
    stats() {
      const held = own();
      return { ...stats, notAfterMs: held && factsOf(held).notAfterMs };
    },
    async stop() {
      stopping.abort();
      await keeping;
      await underWay;
    },
  };
}

/** What an attempt is made with. */
type Attempt = Pick<EnrolmentOptions, "collector" | "nodeId" | "authority" | "kept"> & { readonly signal: AbortSignal };

/** Channels of their own: no later call finds itself on a connection under another identity. */
const CHANNEL_OPTIONS = { "grpc.use_local_subchannel_pool": 1 };

async function enrol(
  { collector, nodeId, authority, kept, signal }: Attempt,
  joinToken: string,
  heldKeyPem: string | undefined,
): Promise<Credentials> {
  const bounds = { timeoutMs: ENROL_WITHIN_MS, signal };
  const { certificatePem } = await fetchAuthority(collector, authority, { ...bounds, channelOptions: CHANNEL_OPTIONS });
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

async function renew({ collector, nodeId, signal }: Attempt, credentials: Credentials): Promise<Credentials> {
  const { keyPem, authorityPem } = credentials;
  const certificateRequestDer = signingRequestDer(keyPem, nodeId);
  const client = createRpcClient(enrolPb.EnrolService, collector, asChannel(credentials), CHANNEL_OPTIONS);
  try {
    const answer = await client.unary("renew", { certificateRequestDer }, { timeoutMs: ENROL_WITHIN_MS, signal });
    return credentialsFrom(answer.certificateChainDer, keyPem, authorityPem);
  } finally {
    client.close();
  }
}

/** The credentials of an answer. Rejects with an RpcError when it is none that could be used: the collector has to be asked again. */
function credentialsFrom([leaf]: readonly Uint8Array[], keyPem: string, authorityPem: string): Credentials {
  try {
    const certPem = new X509Certificate(leaf ?? new Uint8Array()).toString();
    return { keyPem, certPem, authorityPem };
  } catch {
    throw new RpcError(RpcStatus.INTERNAL, "certificate_chain_der: got no certificate, want the node's first");
  }
}

function asChannel({ keyPem, certPem, authorityPem }: Credentials): ChannelCredentials {
  const pair = { certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem) };
  return tlsCredentials({ caPem: authorityPem, caMayBeIntermediate: true, pair });
}

/** A key that was refused may have been given up for a new one; without a token, or while it was not, the old one is all there is. */
async function gainOrKeep(held: Credentials, gain: () => Promise<Credentials>): Promise<Credentials> {
  try {
    return await gain();
  } catch (error) {
    if (error instanceof EnrolError || isRefusal(error)) return held;
    throw error;
  }
}

/** Whether the collector has answered, and will not. */
function isRefusal(error: unknown): error is RpcError {
  const refusals = [RpcStatus.UNAUTHENTICATED, RpcStatus.PERMISSION_DENIED, RpcStatus.ALREADY_EXISTS];
  return error instanceof RpcError && refusals.some((code) => code === error.code);
}
