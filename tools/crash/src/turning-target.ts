/** Targets whose outcome turns so often that there is always something to seal. */
import { createServer, type Server } from "node:net";
import { type Clock, pause } from "@lifeline/measure";

/** A port of loopback. */
export interface TurningTarget {
  readonly port: number;
  /** Refuses from now on if it has listened, and the other way round. */
  turn(): void;
  close(): void;
}

/** A port that listens, until it is told to turn. */
export async function openTarget(): Promise<TurningTarget> {
  let server: Server | undefined;
  const listen = (port: number) =>
    new Promise<number>((settle) => {
      const opened = createServer((socket) => socket.destroy()).on("error", () => settle(port));
      opened.listen(port, "127.0.0.1", () => {
        server = opened;
        const address = opened.address();
        settle(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  const port = await listen(0);
  const close = () => {
    server?.close();
    server = undefined;
  };
  return {
    port,
    turn() {
      if (server === undefined) void listen(port);
      else close();
    },
    close,
  };
}

/** Turns one after another, one every `everyMs`. */
export function turnTargets(targets: readonly TurningTarget[], everyMs: number, clock: Clock): { stop(): void } {
  const stopped = new AbortController();
  void (async () => {
    for (let at = 0; !stopped.signal.aborted; at += 1) {
      targets[at % targets.length]?.turn();
      await pause(clock, everyMs, stopped.signal);
    }
  })();
  return { stop: () => stopped.abort() };
}
