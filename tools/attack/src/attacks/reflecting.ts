/** Attacks with a forged source address: make two reflectors answer each other. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { ShippedProgram } from "@lifeline/harness";
import { pause } from "@lifeline/measure";
import { type Attack, outcomeOf } from "../attack.ts";
import { within } from "../poll.ts";
import type { TestBed } from "../test-bed.ts";

/**
 * An unauthenticated STAMP test packet (RFC 8762 §4.2.1): number 7, timestamp, an error estimate whose multiplier is 1,
 * zeros.
 */
const PACKET = Buffer.alloc(44);
PACKET.writeUInt32BE(7, 0);
PACKET.writeUInt8(1, 13);

/** The port of an unused socket of that address. */
async function freePort(address: string): Promise<number> {
  const socket = createSocket("udp4").bind(0, address);
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

function reflectorAt(address: string, port: number): ShippedProgram {
  const args = ["--listen", `${address}:${port}`];
  return new ShippedProgram({ room: "reflector", args });
}

/** Datagrams that a reflector has answered, once it has stopped. */
function reflectedBy(reflector: ShippedProgram): number {
  const last = reflector.output().trim().split("\n").at(-1) ?? "";
  return Number((JSON.parse(last) as { reflected?: number }).reflected);
}

/**
 * Sends one datagram to the first under the address of the second, and counts what both have answered. The first is
 * stopped meanwhile, so that the datagram waits in its socket while the sender's socket makes room for the second's.
 */
async function forge({ clock, seconds }: TestBed, ports: readonly [number, number]): Promise<readonly number[]> {
  const [first, second] = [reflectorAt("127.0.0.1", ports[0]), reflectorAt("127.0.0.2", ports[1])];
  const isUp = (program: ShippedProgram) => within(clock, () => program.output().includes('"reflecting"'));
  try {
    first.start();
    await isUp(first);
    if (first.pid === undefined) throw new Error(first.output());
    process.kill(first.pid, "SIGSTOP");
    const forger = createSocket("udp4").bind(ports[1], "127.0.0.2");
    await once(forger, "listening");
    await new Promise((settle) => forger.send(PACKET, ports[0], "127.0.0.1", settle));
    forger.close();
    await once(forger, "close");
    second.start();
    await isUp(second);
    process.kill(first.pid, "SIGCONT");
    await pause(clock, seconds * 1_000);
    await Promise.all([first.stop(), second.stop()]);
    return [first, second].map(reflectedBy);
  } finally {
    await Promise.all([first.kill(), second.kill()]);
  }
}

export const reflecting: readonly Attack[] = [
  {
    name: "reflector-loop",
    position: "anywhere",
    tries:
      "sends a reflector a datagram with another reflector's source address, from another port and from the same port",
    async run(testBed) {
      const [one, two] = [await freePort("127.0.0.1"), await freePort("127.0.0.2")];
      const apart = await forge(testBed, [one, two]);
      const alike = await forge(testBed, [one, one]);
      const isOver = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0) <= 1;
      return outcomeOf(
        [`at another port they answered ${apart.join(" and ")} datagrams`, isOver(apart)],
        [`at the same port ${alike.join(" and ")}`, isOver(alike)],
      );
    },
  },
];
