/**
 * What the targets of a node say of one another. Each question has a file of its own and leaves the other entries alone.
 *
 * 1. A name without an address of one family is no fault while it has one of the other.
 * 2. UDP silence is confirmed only by an answer over the same path. Otherwise it stays an open question (M4).
 * 3. A cause is sharpened only by evidence, which is said.
 * 4. A symptom names the fault it follows from; it keeps its own verdict.
 */
import type { Entry } from "../entry.ts";
import { withCertificate } from "./certificate.ts";
import type { Circumstances } from "./circumstances.ts";
import { withDrift } from "./dns-drift.ts";
import { withLoss } from "./loss.ts";
import { withName } from "./name.ts";
import { withPathMtu } from "./path-mtu.ts";
import { withProxy } from "./proxy.ts";
import { withRoot } from "./root.ts";
import { withTunnel } from "./tunnel.ts";
import { withConfirmation, withUdpEvidence } from "./udp-evidence.ts";

type Question = (entry: Entry, entries: readonly Entry[], circumstances: Circumstances) => Entry;

/** In this order: each may rest on what those before it have found. */
const QUESTIONS: readonly Question[] = [
  withName,
  withLoss,
  withCertificate,
  withDrift,
  withProxy,
  withPathMtu,
  withConfirmation,
  withTunnel,
  withUdpEvidence,
  withRoot,
];

/** The entries as their neighbours let them stand. */
export function crossExamine(entries: readonly Entry[], circumstances: Circumstances): readonly Entry[] {
  return QUESTIONS.reduce((known, question) => known.map((entry) => question(entry, known, circumstances)), entries);
}
