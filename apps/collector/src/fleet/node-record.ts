/** A node as the store keeps it. */
import type { NodeRecord } from "../store/record.ts";
import type { Node, ObservedFrom } from "./node.ts";

/** What is stored of a node beside the times at which it was in contact. */
type Described = Pick<Node, "facts" | "hostname" | "agentVersion" | "addresses" | "observedEndpoint" | "peerAddress">;

/** The record of a node that was described at `seenAtMs`. */
export function nodeRecordOf(node: Described, seenAtMs: number, clockOffsetMs: number | undefined): NodeRecord {
  const { facts, hostname, agentVersion, addresses, observedEndpoint, peerAddress } = node;
  const observedFrom: ObservedFrom = { addresses, observedEndpoint, peerAddress };
  return {
    nodeId: facts.nodeId,
    hostname,
    agentVersion,
    factsJson: JSON.stringify(facts),
    seenFromJson: JSON.stringify(observedFrom),
    seenAtMs,
    clockOffsetMs,
  };
}
