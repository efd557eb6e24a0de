/** A packet capture at the client's interface: the reference for reported round trips. */
import { type Capture, captureOf } from "@lifeline/lab";
import { TCPDUMP } from "../debian-packages.ts";
import type { Workshop } from "../workshop.ts";

/** Bytes kept of a packet: IPv4 and TCP headers with all their options, 60 each, are within 120. */
const SNAPLEN_BYTES = 120;

/** Starts tcpdump on `device` inside `namespace`; it captures once this resolves. */
export async function startCapture(
  workshop: Workshop,
  { namespace, device }: { readonly namespace: string; readonly device: string },
): Promise<Capture> {
  // Not --immediate-mode: the kernel would wake tcpdump for every packet before TCP sees it, and that alone puts 10 µs
  // on every round trip the kernel measures.
  const stamps = ["--time-stamp-precision=nano", "-U"];
  // As root throughout: tcpdump's change of user would undo its dying with the bench.
  const rest = ["-Z", "root", "-n", "-s", String(SNAPLEN_BYTES), "-w", "-", "tcp or udp or icmp"];
  const process = workshop.start({
    name: TCPDUMP.command,
    command: TCPDUMP.command,
    args: ["-i", device, ...stamps, ...rest],
    namespace,
  });
  return captureOf(workshop.clock, process);
}
