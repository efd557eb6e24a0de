/** The roles a node may have: they decide which requirements apply to it. */

/** The names of the roles, as the configuration has them. */
export const NODE_ROLES = ["talos-node", "omni-host"] as const;

/** One role. */
export type NodeRole = (typeof NODE_ROLES)[number];
