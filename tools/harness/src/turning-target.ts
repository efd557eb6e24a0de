/** Ports of loopback that open and close so often that an agent always has a window to seal. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { type Clock, pause } from "@lifeline/measure";

/** A port that listens until it is turned. */
export class TurningTarget {
  readonly port: number;
  #server: Server | undefined;

  static async open(): Promise<TurningTarget> {
    const server = listener();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TurningTarget(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Closes the port if it listens, and opens it again otherwise. */
  turn(): void {
    if (this.#server === undefined) this.#reopen();
    else this.close();
  }

  close(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  #reopen(): void {
    const server = listener();
    // Another process has the port now: the target stays closed until its next turn.
    server.on("error", () => {
      if (this.#server === server) this.#server = undefined;
    });
    server.listen(this.port, "127.0.0.1");
    this.#server = server;
  }
}

function listener(): Server {
  return createServer((socket) => socket.destroy());
}

/** Turns one target after another, one every `everyMs`. */
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
