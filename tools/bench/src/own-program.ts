/** The bench's own programs, each a `main` in its folder, run by the Node that runs the bench. */
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { ProcessSpec } from "./workshop.ts";

/** What to start for the program in folder `name`, with `order` as its only argument, as JSON. */
export function ownProgram(
  name: "acknowledger" | "exporter-client" | "listener" | "prober",
  order: object,
  namespace?: string,
): ProcessSpec {
  const main = fileURLToPath(new URL(`./${name}/main${extname(import.meta.url)}`, import.meta.url));
  return {
    name,
    command: process.execPath,
    args: [...process.execArgv, main, JSON.stringify(order)],
    ...(namespace === undefined ? {} : { namespace }),
  };
}

/** The order of a program started so. The bench is the only one to give it. */
export function readOrder<T>(): T {
  return JSON.parse(process.argv[2] ?? "") as T;
}

/** Ends this program when its standard input ends: its parent has exited or needs it no longer. */
export function liveAsLongAsStdin(): void {
  process.stdin.on("end", () => process.exit(0)).resume();
}

/** Prints one JSON line, then ends this program. */
export function answerAndEnd(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
}
