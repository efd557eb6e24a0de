/** The version of Lifeline. A bundled program has no package.json, so a test compares this with all of them. */
export const LIFELINE_VERSION = "0.1.0";
