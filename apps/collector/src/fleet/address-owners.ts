/**
 * Whose an address is, where several nodes may say that it is theirs.
 *
 * 1. A node's authenticated stream comes from somewhere, and that no other node can make up: such an address is proven.
 * 2. What a node names in its Hello is a claim. It counts where nobody has proven the address; else it gives and takes nothing.
 * 3. Two nodes that have proven an address (NAT), or name it while nobody has, share it.
 */
import type { Node } from "./node.ts";

/** Stands for more than one node. */
const SHARED = "";

/** As much of a node as is looked at. */
export type Addressed = Pick<Node, "nodeId" | "addresses" | "peerAddress">;

/** Claims that gave their node nothing. */
export interface ContestedClaims {
  /** Of an address from which another node's stream comes. */
  readonly byStream: number;
  /** Of an address that others name as well, and from which no stream comes. */
  readonly byClaim: number;
}

/** No claim is contested. */
export const UNCONTESTED: ContestedClaims = { byStream: 0, byClaim: 0 };

/** The owners of all addresses at a moment. */
export interface AddressOwners {
  readonly contested: ContestedClaims;
  /** Whether an address is that node's alone, or nobody's that was looked at. */
  isOwn(address: string, nodeId: string): boolean;
}

/** Where a node may be seen from: what it says of itself, and where its stream comes from. */
export function addressesOf({ addresses, peerAddress }: Addressed): readonly string[] {
  return peerAddress === undefined || addresses.includes(peerAddress) ? addresses : [...addresses, peerAddress];
}

/** Looks them up; `areProven` is whether streams are authenticated. Without, whoever reaches the port is any node, and all are claims. */
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
