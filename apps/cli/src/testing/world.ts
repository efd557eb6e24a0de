/** The outside of one run in a test: what was written, a terminal of any size, a clock, and an end. */
import { type Clock, systemClock } from "@lifeline/measure";
import type { CliWorld, Host, Output } from "../world.ts";

/** What a test may choose. */
export interface TestWorldOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A terminal of that size; absent: a pipe. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
  readonly clock?: Clock;
  readonly host?: Partial<Host>;
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
      families: () => [4],
      siderolinkPrefix: () => undefined,
      talosVersion: () => "v1.13.2",
      // Nothing answers there: a test that looked up a name would fail, and ask nobody else.
      resolvers: ["127.0.0.1:1"],
      ...options.host,
    },
    interrupt: options.interrupt ?? new AbortController().signal,
    said: () => said,
  };
}
