/** A packet capture at the client's interface: the reference for reported round trips. */
import { pause } from "@lifeline/measure";
import { BenchError } from "../bench-error.ts";
import { TCPDUMP } from "../debian-packages.ts";
import { CAPTURE_MAX_BYTES, type CapturedPacket, readPcap } from "../pcap.ts";
import type { Workshop } from "../workshop.ts";

/** A running capture. */
export interface Capture {
  /** Ends the capture; throws `malformed-capture` when the kernel dropped a packet. */
  stop(): Promise<CapturedPacket[]>;
}

/** Bytes kept of a packet: IPv4 and TCP headers with all their options, 60 each, are within 120. */
const SNAPLEN_BYTES = 120;
/**
 * How long the last packets take to reach tcpdump, ms: libpcap hands its buffer over once a second (tcpdump.c,
 * pcap_set_timeout).
 */
const SETTLE_MS = 1_500;

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
  const parts: Buffer[] = [];
  let bytes = 0;
  process.stdout.on("data", (part: Buffer) => {
    bytes += part.length;
    // One part beyond the bound is kept, so that reading says why it refuses.
    if (bytes - part.length <= CAPTURE_MAX_BYTES) parts.push(part);
  });
  await process.hasSaid("listening on");
  return {
    async stop() {
      await pause(workshop.clock, SETTLE_MS);
      await process.end();
      const dropped = /(\d+) packets? dropped by kernel/.exec(process.complaint())?.[1];
      if (dropped !== "0")
        throw new BenchError("malformed-capture", `capture: ${dropped ?? "unknown"} packets dropped`);
      return readPcap(Buffer.concat(parts));
    },
  };
}
