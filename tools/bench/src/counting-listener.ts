/** The probed listener of the bench, in a process of its own; it counts the connections it accepts. */
import { readLines } from "./line-reader.ts";
import { ownProgram } from "./own-program.ts";
import type { Workshop } from "./workshop.ts";

/** A running listener. */
export interface Listener {
  readonly ports: readonly number[];
  /** Port of a STAMP reflector on the same address. */
  readonly reflectorPort: number;
  /** Connections accepted since the start, in the order of `ports`. */
  accepted(): Promise<readonly number[]>;
}

/** What to listen on. */
export interface ListenerOrder {
  readonly address: string;
  /** A second address that has the same ports, counted with the first's. */
  readonly twin?: string;
  /** How many ports. */
  readonly ports: number;
  /** Absent: plain TCP. A connection that sends nothing is counted like one that completes a handshake. */
  readonly tls?: { readonly certPem: string; readonly keyPem: string };
}

/** How long the listener may take to answer, ms. */
const ANSWER_MAX_MS = 20_000;

/** Starts a listener on `ports` free ports of `address`, inside `namespace` if one is given. */
export async function startListener(
  workshop: Workshop,
  { namespace, ...order }: ListenerOrder & { readonly namespace?: string },
): Promise<Listener> {
  const process = workshop.start(ownProgram("listener", order, namespace));
  const lines = readLines(workshop.clock, process);
  const first = JSON.parse(await lines.next(ANSWER_MAX_MS)) as Pick<Listener, "ports" | "reflectorPort">;
  return {
    ...first,
    async accepted() {
      process.stdin.write("count\n");
      return (JSON.parse(await lines.next(ANSWER_MAX_MS)) as { readonly accepted: readonly number[] }).accepted;
    },
  };
}
