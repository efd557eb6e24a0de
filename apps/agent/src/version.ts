/** The agent's version, as its package has it (a test holds them together): the bundle has no package.json beside it. */
export const AGENT_VERSION = "0.1.0";
