/**
 * The syntax of node ids, for agent and collector. Lower case only, because people, file systems and DNS do not
 * distinguish names that differ by case.
 */

/** Longest node id, characters: that of a DNS name (RFC 1035 §2.3.4), which may be a certificate's common name. */
export const MAX_NODE_ID_LENGTH = 253;

/** The syntax of a node id, for errors. */
export const NODE_ID_WANTED = `1 to ${MAX_NODE_ID_LENGTH} lower-case letters, digits, dots, hyphens and underscores, a letter or digit first and last`;

const NODE_ID = /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/;

/** Whether `text` is a node id. */
export function isNodeId(text: string): boolean {
  return text.length <= MAX_NODE_ID_LENGTH && NODE_ID.test(text);
}
