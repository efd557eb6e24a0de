/**
 * What is known of a node besides its own windows. All of it is an input, so that an audit can replay the judgement
 * (J1).
 */

/**
 * What a witness beside Omni received of one node's WireGuard datagrams. Times are on the clock that labels the node's
 * windows.
 */
export interface WitnessView {
  /** When the witness began to watch, ms since the epoch. */
  readonly watchingSinceMs: number;
  /** When the witness last reported, ms since the epoch. */
  readonly reportedAtMs: number;
  /**
   * When the latest datagram of this node arrived, ms since the epoch; undefined: none did while the witness watched.
   */
  readonly receivedAtMs: number | undefined;
  /** Since when they arrive without a pause of five seconds, ms since the epoch; undefined: none did. */
  readonly receivingSinceMs: number | undefined;
  /** The node's source address as the witness sees it. */
  readonly address: string;
}

/** Machines that report under one node id. */
export interface DuplicateNode {
  /** Address, or address and host name, of each machine; 2 to 8, sorted. */
  readonly peers: readonly string[];
  /** When the second machine first reported, ms since the epoch. */
  readonly sinceMs: number;
}

/** Whose clock a node's clock is compared with: the collector's, or without a collector that of its time server. */
export type ClockReference = "collector" | "time server";

/** What is known of a node besides its windows. */
export interface NodeContext {
  /** How people call the node. Undefined: not known. */
  readonly name?: string;
  /** How far the node's clock is behind the reference, ms; negative: ahead. Undefined: unknown. */
  readonly clockOffsetMs?: number;
  /** The reference of `clockOffsetMs`. Default: the collector. */
  readonly clockReference?: ClockReference;
  /** Undefined: no witness, or several nodes share the source address. */
  readonly witness?: WitnessView;
  readonly duplicate?: DuplicateNode;
  /**
   * When the node last reported, ms since the epoch on the clock that labels its windows, once that is too long ago for
   * its facts to hold (M4). Undefined: it reports, or there is no collector.
   */
  readonly silentSinceMs?: number;
  /**
   * The issuer that most nodes of the fleet see at a target, by target id. Undefined where fewer than three nodes do,
   * or where they disagree.
   */
  readonly fleetIssuer?: (targetId: string) => string | undefined;
  /** WireGuard endpoint that Talos reports (host:port), read by the agent with os:reader. Undefined: not read. */
  readonly observedEndpoint?: string;
}
