/** Connections by the name that their peer has authenticated as. */
import type { Socket } from "node:net";
import { CONNECTIONS_PER_NAME_MAX } from "./connection-limits.ts";
import { oldestOf } from "./connections-by-source.ts";
import type { RefusedConnection } from "./secure-connection.ts";

/** Closes the oldest connection of a name that has too many. */
export class ConnectionsByName {
  readonly #onRefused: (why: RefusedConnection) => void;
  readonly #byName = new Map<string, Set<Socket>>();

  constructor(onRefused: (why: RefusedConnection) => void) {
    this.#onRefused = onRefused;
  }

  add(name: string, socket: Socket): void {
    const sockets = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, sockets);
    if (sockets.size >= CONNECTIONS_PER_NAME_MAX) {
      const oldest = oldestOf(sockets);
      sockets.delete(oldest);
      this.#onRefused("too-many-of-name");
      oldest.destroy();
    }
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#byName.get(name) === sockets) this.#byName.delete(name);
    });
  }
}
