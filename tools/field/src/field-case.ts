/** A field case: a setup that people reported, as data, and what Lifeline must say there. */
import type { ModeRequest } from "@lifeline/lab";

/** What the node is like. */
export interface NodeSetup {
  /** Families of its only link; default IPv4 alone. */
  readonly families?: readonly (4 | 6)[];
  /** Default: the world's resolver, over the first family. */
  readonly resolvers?: readonly string[];
  readonly search?: string;
  /** Lines of the hosts file. */
  readonly hosts?: readonly string[];
  /** Kernel arguments; default none of Omni's. */
  readonly cmdline?: string;
  /** Default v1.13.0, the last version without Network Time Security. */
  readonly talosVersion?: string;
}

/** Rows that must be there, and how. A row of the check's and of the agent's must match alike. */
export interface ExpectedRow {
  readonly requirement: string;
  /** Of the target's host and port; default any. */
  readonly target?: string;
  readonly probe?: string;
  readonly verdict: "met" | "degraded" | "unmet" | "unknown" | "not-applicable";
  /** Default: any, for a row that is not met. */
  readonly cause?: string;
  /** Who must act: the words before the colon of the next step. */
  readonly owner?: string;
  /** A name, an address or a port that evidence or next step must have. */
  readonly names?: string;
}

/** The case. */
export interface FieldCase {
  /** Kebab-case, with the number of its kind; stable, for scripts. */
  readonly name: string;
  readonly what: string;
  readonly node?: NodeSetup;
  /** Name → addresses. Names under {@link SITE} are Omni's site; all others are public hosts. */
  readonly zone: Readonly<Record<string, readonly string[]>>;
  /** What the world's services do wrong. */
  readonly modes?: readonly Omit<ModeRequest, "client">[];
  /** Rules of the world's own packet filter (nftables), in a chain of its input. */
  readonly filter?: readonly string[];
  /** Parts of the deployment that differ from {@link siteDeployment}'s. */
  readonly deployment?: Readonly<Record<string, unknown>>;
  readonly omni?: Readonly<Record<string, unknown>>;
  /** Environment of check and agent. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The process stalls for so long, so late in the run, ms. */
  readonly stall?: { readonly atMs: number; readonly forMs: number };
  /** What the rows must be; or words of the refusal, where the deployment must be refused. */
  readonly expected: readonly ExpectedRow[] | { readonly refused: string };
}

/** The domain of the site's own names (`.test`: RFC 6761 §6.2). */
export const SITE = "site.test";

/** Omni's name. */
export const OMNI = `omni.${SITE}`;
