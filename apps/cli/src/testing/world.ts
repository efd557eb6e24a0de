/** What one run of a test takes from outside: a terminal of any size, a clock, an interrupt, and what was written. */
import { type Clock, systemClock } from "@lifeline/measure";
import { type LocalNodeOptions, type NodeFacts, openLocalNode } from "@lifeline/prober";
import type { CliWorld, Output } from "../world.ts";

/** What a test may choose. */
export interface TestWorldOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A terminal of that size; absent: a pipe. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
  readonly clock?: Clock;
  /** How this host is opened for probing, beside what every command gives. */
  readonly node?: Partial<LocalNodeOptions>;
  /** Facts that stand instead of this host's; an IPv4 node of Talos v1.13.2 where none are given. */
  readonly facts?: Partial<NodeFacts>;
  /** Whether the host runs no Talos, so that its version is not known. */
  readonly isOther?: true;
  readonly interrupt?: AbortSignal;
  /** Called with each text written to stdout. */
  readonly onWrite?: (text: string) => void;
}

/** A world that keeps what was written. */
export interface TestWorld extends CliWorld {
  said(): { readonly out: string; readonly err: string };
}

/** Creates a {@link TestWorld}. */
export function testWorld(options: TestWorldOptions = {}): TestWorld {
  const said = { out: "", err: "" };
  const output = (stream: "out" | "err"): Output => ({
    write: async (text) => {
      said[stream] += text;
      if (stream === "out") options.onWrite?.(text);
    },
    isTTY: options.terminal !== undefined,
    columns: () => options.terminal?.columns,
    rows: () => options.terminal?.rows,
  });
  return {
    stdout: output("out"),
    stderr: output("err"),
    env: options.env ?? {},
    clock: options.clock ?? systemClock,
    random: () => 0.5,
    reflect: async () => 0,
    host: {
      hostname: "here",
      openNode(given) {
        // Nothing answers at that resolver, so a test that looked up a name would fail and query no other.
        const node = openLocalNode({ ...given, resolvers: ["127.0.0.1:1"], ...options.node });
        const talos = options.isOther ? {} : { talosVersion: "v1.13.2" };
        const facts = { families: [4], ...talos } as const;
        return { ...node, facts: () => ({ ...node.facts(), ...facts, ...options.facts }) };
      },
    },
    interrupt: options.interrupt ?? new AbortController().signal,
    said: () => said,
  };
}
