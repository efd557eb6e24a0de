/** The network between agent and collector: a TCP relay on loopback whose ways can be broken. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Clock, pause } from "@lifeline/measure";

/** What it does with what passes. `partition`: nothing in or out, connections stay; `half-open`: what the collector says is lost. */
export type RelayMode = "pass" | "partition" | "half-open" | "slow";

/** A relay. */
export interface Relay {
  readonly port: number;
  /** Where it connects to; 0: refuses. */
  target(port: number): void;
  mode(mode: RelayMode): void;
  /** Resets every connection, whatever is under way on it. */
  reset(): void;
  close(): Promise<void>;
}

/** How long each piece is held back when slow, ms. */
const SLOW_MS = 40;

/** Starts to listen on a free port. */
export async function startRelay(clock: Clock): Promise<Relay> {
  let mode: RelayMode = "pass";
  let targetPort = 0;
  const pairs = new Set<readonly [Socket, Socket]>();
  const carry = (from: Socket, to: Socket, toAgent: boolean) => {
    from.on("data", (bytes) => {
      // What a partition swallows is gone from this connection: it is cut when the network is whole again, as one that was lost.
      if (mode === "partition" || (mode === "half-open" && toAgent)) return void broken.add(from);
      if (mode !== "slow") return void to.write(bytes);
      from.pause();
      void pause(clock, SLOW_MS).then(() => {
        to.write(bytes);
        from.resume();
      });
    });
  };
  const broken = new Set<Socket>();
  const server: Server = createServer((agent) => {
    if (targetPort === 0) return void agent.resetAndDestroy();
    const collector = connect(targetPort, "127.0.0.1");
    const pair = [agent, collector] as const;
    pairs.add(pair);
    carry(agent, collector, false);
    carry(collector, agent, true);
    for (const [socket, other] of [pair, [collector, agent] as const]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        broken.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
  const cut = (which: (pair: readonly [Socket, Socket]) => boolean) => {
    for (const pair of [...pairs].filter(which)) for (const socket of pair) socket.resetAndDestroy();
  };
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    target(port) {
      targetPort = port;
    },
    mode(next) {
      mode = next;
      if (next === "pass") cut((pair) => pair.some((socket) => broken.has(socket)));
    },
    reset: () => cut(() => true),
    close: () =>
      new Promise((settle) => {
        cut(() => true);
        server.close(() => settle());
      }),
  };
}
