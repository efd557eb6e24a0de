/**
 * Connects the creator to a TCP port inside a host through a socket file, which, unlike a port, belongs to no network.
 *
 * The file is in the host's own `/run`, reached through `/proc`: it is removed with the host and never appears in a
 * folder of the machine.
 */
import type { Host } from "./host.ts";

/** A running relay. */
export interface Relay {
  /**
   * Path to connect to from outside, e.g. by `net.connect({ path })` or as gRPC target `unix:PATH`; shorter than 108
   * bytes.
   */
  readonly path: string;
  close(): Promise<void>;
}

/** Joins each connection to the file with one of its own to the port; either side's end or error ends both. */
const RELAY = `
  const net = require("node:net");
  const [path, port, address] = process.argv.slice(1);
  net.createServer({ allowHalfOpen: true }, (outer) => {
    const inner = net.connect({ port: Number(port), host: address, allowHalfOpen: true });
    for (const [from, to] of [[outer, inner], [inner, outer]]) from.on("error", () => to.destroy()).pipe(to);
  }).listen(path, () => console.log("listening"));`;

/** Opens a relay to `port` (1–65,535) at `address` (default 127.0.0.1) inside `host`; one for each port and address. */
export async function openRelay(host: Host, port: number, address = "127.0.0.1"): Promise<Relay> {
  const inside = `/run/lifeline/to-${port}-${address.replaceAll(/[^0-9a-f]/g, "-")}`;
  const relay = host.spawn(process.execPath, ["-e", RELAY, inside, String(port), address]);
  await relay.hasSaid("listening");
  return { path: `/proc/${host.pid}/root${inside}`, close: async () => void (await relay.end()) };
}
