/**
 * One attempt step by step, for a person who watches it.
 *
 * 1. An attempt that is not traced makes no text: callers write `world.noteStep?.(…)`.
 * 2. A step holds no credential, cookie or query string (S1). Callers pass the parts of a request that are none of
 *    these, and {@link pathOnly} cuts a path.
 * 3. Text of a peer is made visible and bounded here, whoever noted it (S2).
 */
import { type ChainCertificate, type Clock, type Evidence, NS_PER_MS, visibleText } from "@lifeline/measure";

/** What a step belongs to. */
export const STEP_KINDS = ["dns", "tcp", "proxy", "tls", "http", "grpc", "udp", "time", "tunnel", "mtu"] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** One step. */
export interface AttemptStep {
  /** Monotonic time since the attempt began, ns. */
  readonly atNs: number;
  readonly kind: StepKind;
  /** One line of visible text, at most {@link STEP_MAX_CHARS}. */
  readonly text: string;
}

/** Takes each step as it happens. */
export type StepObserver = (step: AttemptStep) => void;

/** Notes a step that happens now. */
export type NoteStep = (kind: StepKind, text: string) => void;

/** Most characters of a step before hidden ones are made visible: two names of a certificate and their dates. */
const STEP_MAX_CHARS = 640;

/** Notes steps for `observer`. Their time counts from now. */
export function stepRecorder(clock: Clock, observer: StepObserver): NoteStep {
  const startedNs = clock.monotonicNs();
  return (kind, text) => {
    const bounded = text.length <= STEP_MAX_CHARS ? text : `${text.slice(0, STEP_MAX_CHARS)}…`;
    observer({ atNs: clock.monotonicNs() - startedNs, kind, text: visibleText(bounded) });
  };
}

/** `0.42 ms`. */
export function stepMs(ns: number): string {
  return `${(ns / NS_PER_MS).toFixed(2)} ms`;
}

/** A path without query and fragment. */
export function pathOnly(path: string): string {
  return path.replace(/[?#].*$/s, "");
}

/** Notes a certificate chain, leaf first. */
export function noteChain(note: NoteStep | undefined, chain: readonly ChainCertificate[]): void {
  if (note === undefined) return;
  for (const { subject, issuer, notBefore, notAfter, anchor } of chain) {
    const trusted = anchor ? ", a CA that this host trusts" : "";
    note("tls", `certificate ${subject}, issuer ${issuer}, valid from ${notBefore} to ${notAfter}${trusted}`);
  }
}

/** Notes what the evidence of an attempt says beyond its steps. */
export function noteEvidence(note: NoteStep, { link, time, pathMtuBytes, bodyBytes, ...more }: Evidence): void {
  const { contentType = "no content type", pageTitle, retryAfterMs } = more;
  if (link !== undefined) {
    const silent = `nothing received for ${link.rxFrozenMs} ms, ${link.txPacketsSince} packets sent in that time`;
    note(
      "tunnel",
      `${link.name}: ${link.rxBytes} bytes received, ${link.txBytes} sent, MTU ${link.mtuBytes}; ${silent}`,
    );
  }
  if (time !== undefined) {
    const offset = time.offsetUs === undefined ? "not known" : `${time.offsetUs} µs behind the server`;
    note("time", `stratum ${time.stratum}, root delay ${time.rootDelayUs} µs, this host's clock ${offset}`);
  }
  if (pathMtuBytes !== undefined) note("mtu", `largest packet that came back: ${pathMtuBytes} bytes`);
  if (bodyBytes !== undefined) {
    const title = pageTitle === undefined ? "" : `, titled "${pageTitle}"`;
    note("http", `a body of ${bodyBytes} bytes where none is expected: ${contentType}${title}`);
  }
  if (retryAfterMs !== undefined) note("http", `asks to be left alone for ${retryAfterMs} ms`);
}
