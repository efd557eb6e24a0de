/** A TCP relay on loopback whose connections can be broken. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type Clock, pause } from "@lifeline/measure";

/** What it does with data. `partition`: drops all, keeps the connections. `half-open`: drops what the server sends. */
export type RelayMode = "pass" | "partition" | "half-open" | "slow";

/** Where it connects to and from. */
export interface RelayOptions {
  /** The server's port on 127.0.0.1; 0: connections are reset. Default 0. */
  readonly targetPort?: number;
  /** Address that it connects from. Default: the kernel's choice. */
  readonly localAddress?: string;
}

/** How long `slow` holds each piece back, ms. */
const SLOW_MS = 40;

/** The two sockets of one relayed connection. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Data was dropped: TCP would have lost the connection, so it is reset when the network is whole again. */
  isBroken: boolean;
}

/** A relay. */
export class Relay {
  readonly #clock: Clock;
  readonly #localAddress: string | undefined;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #mode: RelayMode = "pass";
  #targetPort: number;

  /** Listens on a free port of 127.0.0.1. */
  static async open(clock: Clock, options: RelayOptions = {}): Promise<Relay> {
    const relay = new Relay(clock, options);
    relay.#listener.listen(0, "127.0.0.1");
    await once(relay.#listener, "listening");
    return relay;
  }

  private constructor(clock: Clock, { targetPort = 0, localAddress }: RelayOptions) {
    this.#clock = clock;
    this.#targetPort = targetPort;
    this.#localAddress = localAddress;
    this.#listener = createServer((client) => this.#accept(client));
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Sets the port that new connections are relayed to; 0: they are reset. */
  target(port: number): void {
    this.#targetPort = port;
  }

  mode(mode: RelayMode): void {
    this.#mode = mode;
    if (mode !== "pass") return;
    for (const pair of this.#pairs) if (pair.isBroken) reset(pair);
  }

  /** Resets every connection and drops all data in flight. */
  reset(): void {
    for (const pair of this.#pairs) reset(pair);
  }

  async close(): Promise<void> {
    this.reset();
    this.#listener.close();
    await once(this.#listener, "close");
  }

  #accept(client: Socket): void {
    if (this.#targetPort === 0) return void client.resetAndDestroy();
    const from = this.#localAddress === undefined ? {} : { localAddress: this.#localAddress };
    const server = connect({ port: this.#targetPort, host: "127.0.0.1", ...from });
    const pair: Pair = { client, server, isBroken: false };
    this.#pairs.add(pair);
    client.on("data", (bytes) => this.#carry(pair, client, server, bytes));
    server.on("data", (bytes) => this.#carry(pair, server, client, bytes));
    for (const socket of [client, server]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#pairs.delete(pair);
        client.destroy();
        server.destroy();
      });
    }
  }

  #carry(pair: Pair, from: Socket, to: Socket, bytes: Buffer): void {
    if (this.#mode === "partition" || (this.#mode === "half-open" && from === pair.server)) {
      pair.isBroken = true;
      return;
    }
    if (this.#mode !== "slow") return void to.write(bytes);
    from.pause();
    void pause(this.#clock, SLOW_MS).then(() => {
      to.write(bytes);
      from.resume();
    });
  }
}

function reset({ client, server }: Pair): void {
  for (const socket of [client, server]) socket.resetAndDestroy();
}
