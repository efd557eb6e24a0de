/**
 * What a node may be called: one rule for the agent that says it and the collector that admits it. Lower case alone, so that no two nodes
 * differ by case only: people, file systems and DNS take such names for one.
 */

/** Longest node id, characters: that of a DNS name (RFC 1035 §2.3.4), which may be a certificate's common name. */
export const MAX_NODE_ID_LENGTH = 253;

/** What errors say a node id must be. */
export const NODE_ID_WANTED = `1 to ${MAX_NODE_ID_LENGTH} lower-case letters, digits, dots, hyphens and underscores, a letter or digit first and last`;

const NODE_ID = /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/;

/** Whether `text` may name a node. */
export function isNodeId(text: string): boolean {
  return text.length <= MAX_NODE_ID_LENGTH && NODE_ID.test(text);
}
