/** What is known of a node beside its own windows. All of it is an input, so that an audit can be replayed (J1). */

/** What a witness beside Omni has heard of one node's WireGuard datagrams; times are on the clock that labelled the node's windows. */
export interface WitnessView {
  /** When it began to watch, ms since the epoch. */
  readonly watchingSinceMs: number;
  /** When it last reported, ms since the epoch. */
  readonly reportedAtMs: number;
  /** When the latest datagram of this node arrived, ms since the epoch; undefined: none has since it began to watch. */
  readonly receivedAtMs: number | undefined;
  /** Source address that stands for the node there. */
  readonly address: string;
}

/** Two machines that speak under one node id. */
export interface DuplicateNode {
  /** Where they spoke from: address, or address and host name; at least two, sorted, at most 8. */
  readonly peers: readonly string[];
  /** When it was first seen, ms since the epoch. */
  readonly sinceMs: number;
}

/** Whose clock a node's clock is compared with: the collector's, or without a collector that of the node's time server. */
export type ClockReference = "collector" | "time server";

/** What is known of a node that its windows do not show. */
export interface NodeContext {
  /** How far the node's clock is behind the reference, ms; negative: ahead. Undefined: not known. */
  readonly clockOffsetMs?: number;
  /** The reference of `clockOffsetMs`. Default: the collector. */
  readonly clockReference?: ClockReference;
  /** Undefined: no witness, or one that cannot tell this node from another behind the same address. */
  readonly witness?: WitnessView;
  readonly duplicate?: DuplicateNode;
  /**
   * The issuer that most nodes of the fleet see at a target, by target id; undefined where fewer than three nodes do, or where they are
   * of several minds.
   */
  readonly fleetIssuer?: (targetId: string) => string | undefined;
  /** Where Talos says that its WireGuard peer is (host:port), read by the agent with os:reader; undefined: not asked. */
  readonly observedEndpoint?: string;
}
