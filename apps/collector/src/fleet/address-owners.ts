/**
 * Which node owns an address that several nodes may claim.
 *
 * 1. The address of a node's authenticated stream is proven: no other node can make it up.
 * 2. An address in a Hello is a claim. It counts where no node has proven the address; else it changes nothing.
 * 3. Two nodes that have proven an address (NAT), or claim it while none has, share it.
 */
import type { Node } from "./node.ts";

/** Stands for more than one node. */
const SHARED = "";

/** What is needed of a node. */
type Addressed = Pick<Node, "nodeId" | "addresses" | "peerAddress">;

/** Claims that have no effect. */
export interface ContestedClaims {
  /** Of an address that another node's stream proves. */
  readonly byStream: number;
  /** Of an address that others claim too, and that no stream proves. */
  readonly byClaim: number;
}

/** No claim is contested. */
export const UNCONTESTED: ContestedClaims = { byStream: 0, byClaim: 0 };

/** The owners of all addresses at one time. */
export interface AddressOwners {
  readonly contested: ContestedClaims;
  /** Whether an address is that node's alone, or no other node's. */
  isOwn(address: string, nodeId: string): boolean;
}

/** Addresses at which others may observe a node: those it claims, and that of its stream. */
export function addressesOf({ addresses, peerAddress }: Addressed): readonly string[] {
  return peerAddress === undefined || addresses.includes(peerAddress) ? addresses : [...addresses, peerAddress];
}

/**
 * Indexes them. `areProven`: whether streams are authenticated. If not, any peer can pose as any node, and all are
 * claims.
 */
export function addressOwners(nodes: readonly Addressed[], areProven: boolean): AddressOwners {
  const proven = new Map<string, string>();
  for (const { nodeId, peerAddress } of areProven ? nodes : []) {
    if (peerAddress !== undefined) share(proven, peerAddress, nodeId);
  }
  const claimed = new Map<string, string>();
  const claims = new Map<string, number>();
  let byStream = 0;
  for (const node of nodes) {
    for (const address of addressesOf(node)) {
      if (areProven && address === node.peerAddress) continue;
      if (proven.has(address)) {
        byStream += 1;
        continue;
      }
      share(claimed, address, node.nodeId);
      claims.set(address, (claims.get(address) ?? 0) + 1);
    }
  }
  const byClaim = [...claims.values()].reduce((sum, count) => (count > 1 ? sum + count : sum), 0);
  return {
    contested: { byStream, byClaim },
    isOwn: (address, nodeId) => (proven.get(address) ?? claimed.get(address) ?? nodeId) === nodeId,
  };
}

function share(owners: Map<string, string>, address: string, nodeId: string): void {
  owners.set(address, owners.has(address) ? SHARED : nodeId);
}
