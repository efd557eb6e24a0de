/** The version of Lifeline, as its package.json files have it (a test compares them: a bundled program has none beside it). */
export const LIFELINE_VERSION = "0.1.0";
