/** Everything that can change a node. The set is closed: node-state.ts handles each kind. */
import type { LearnedRedirect, Resolution } from "@lifeline/catalogue";
import type { Incident, IncidentState, PreviousVerdict, RowVerdict } from "@lifeline/verdict";
import type { Report } from "@lifeline/wire";
import type { ClockSample, Node, NodeDescription, Session } from "./node.ts";

/** What the store keeps of a node beside its description. */
type StoredContact = Pick<Node, "firstSeenMs" | "lastReportMs" | "clockOffsetMs" | "peerAddress">;

/** One change of a node. Times are ms since the epoch by the collector's clock, unless they say otherwise. */
export type NodeEvent =
  /** A Hello was admitted, and the store has it. */
  | { readonly kind: "described"; readonly description: NodeDescription }
  /** The hosts of redirects that it should measure have changed. */
  | { readonly kind: "redirects-kept"; readonly redirects: readonly LearnedRedirect[] }
  /** What it should measure was resolved, in a fleet of so many active nodes. */
  | { readonly kind: "planned"; readonly resolution: Resolution; readonly fleetSize: number; readonly nowMs: number }
  /** A boot (hexadecimal id) has opened a stream. */
  | {
      readonly kind: "stream-opened";
      readonly bootId: string;
      readonly peerAddress: string | undefined;
      readonly nowMs: number;
    }
  /** That stream is now the node's live one. */
  | { readonly kind: "session-started"; readonly session: Session }
  /** A stream has ended; it may have been replaced before. */
  | { readonly kind: "session-ended"; readonly session: Session | undefined }
  /** A message showed what the node's clock reads; without a sample the offset is an estimate. */
  | {
      readonly kind: "clock-observed";
      readonly offsetMs: number | undefined;
      readonly sample: ClockSample | undefined;
      /** Whether the message may have been held back for minutes. */
      readonly mayBeDelayed: boolean;
    }
  /** The collector's wall clock was set by `stepMs`, positive: ahead. */
  | {
      readonly kind: "collector-clock-stepped";
      readonly stepMs: number;
      readonly nowMs: number;
      readonly monotonicNs: number;
    }
  /** Its reports have to wait, or no longer. */
  | { readonly kind: "throttled"; readonly isThrottled: boolean }
  /** The store has a report that arrived at that time. */
  | { readonly kind: "report-stored"; readonly receivedAtMs: number }
  /** Windows of a stored report are to be judged by; `isCounted`: and added to the counters. */
  | {
      readonly kind: "report-taken";
      readonly report: Report;
      readonly receivedAtMs: number;
      readonly isCounted: boolean;
    }
  /** It was judged live. */
  | {
      readonly kind: "judged";
      readonly rows: readonly RowVerdict[];
      readonly incidents: IncidentState;
      readonly deferredIncidents: ReadonlySet<string>;
    }
  /** Late windows show that the incident of a target is still open. */
  | { readonly kind: "late-incident-opened"; readonly incident: Incident }
  /** Late windows show that the incident of a target ended in the past. */
  | { readonly kind: "late-incident-closed"; readonly targetId: string }
  /** Read from the store. */
  | { readonly kind: "contact-rehydrated"; readonly contact: StoredContact }
  | { readonly kind: "verdicts-rehydrated"; readonly previous: ReadonlyMap<string, PreviousVerdict> }
  | { readonly kind: "incidents-rehydrated"; readonly incidents: IncidentState }
  /** The fleet no longer has it. */
  | { readonly kind: "pruned" };
