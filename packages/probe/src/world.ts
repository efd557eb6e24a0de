/** Everything that a probe takes from outside (M2): time, randomness, names, the kernel's stamps and trust. */
import type { Clock } from "@lifeline/measure";
import { AddressTurns } from "./address-turns.ts";
import type { NoteStep } from "./attempt-steps.ts";
import type { ClockSample } from "./clock-sample.ts";
import { type KernelClock, openKernelClock } from "./kernel.ts";
import { LinkWatch } from "./link-watch.ts";
import { createNameResolver, type NameResolver } from "./name-resolver.ts";
import { PacketPacing } from "./packet-pacing.ts";
import type { ProxyCredentials } from "./proxy-tunnel.ts";
import { NO_WATCH, type SilenceWatch } from "./silence-watch.ts";
import { StampSessions } from "./stamp-sessions.ts";
import { createTrustStore, type TrustStore } from "./trust.ts";

/** What a probe takes from outside; one per process. */
export interface ProbeWorld {
  readonly clock: Clock;
  /** Uniform in [0, 1): sequence numbers and query ids. */
  readonly random: () => number;
  readonly names: NameResolver;
  /** Undefined where the kernel's stamps cannot be read: round trips are then measured by `clock`. */
  readonly kernel: KernelClock | undefined;
  readonly trust: TrustStore;
  /** The sessions of STAMP, one for each target. The owner of the world closes them. */
  readonly sessions: StampSessions;
  /** Key of authenticated STAMP, 16–1,024 bytes; undefined: none. A secret (S1). */
  readonly stampKey: Uint8Array | undefined;
  /** The credentials for a proxy, by its proxyName; undefined: none. A secret (S1). */
  readonly proxyCredentials: (proxy: string) => ProxyCredentials | undefined;
  /** Receives a clock sample from each answer of a time server; undefined: none is taken. */
  readonly onClockSample: ((sample: ClockSample) => void) | undefined;
  /** Whose turn it is among a host's addresses. */
  readonly turns: AddressTurns;
  /** Keeps packets to one time server apart. */
  readonly pacing: PacketPacing;
  /** What the counters of the tunnel's interface showed so far. */
  readonly link: LinkWatch;
  /** The owner of the attempt; without one it ends at its threshold. */
  readonly watch: SilenceWatch;
  /** Notes a step of the one attempt; absent: the attempt is not traced. */
  readonly noteStep?: NoteStep;
  /** Where sysfs and procfs are. */
  readonly sysRoot: string;
  readonly procRoot: string;
}

/** What a {@link ProbeWorld} is made from. */
export interface ProbeWorldOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** `address:port` of each resolver; default: those of /etc/resolv.conf. */
  readonly resolvers?: readonly string[];
  /** Path of the hosts file; default /etc/hosts. */
  readonly hostsFile?: string;
  /** Path of the resolv.conf with the search list; default /etc/resolv.conf. */
  readonly resolvConf?: string;
  /** PEM certificates that `trust: public` means; default: Node's, with NODE_EXTRA_CA_CERTS. */
  readonly publicRoots?: readonly string[];
  /** See {@link ProbeWorld.stampKey}; default none. */
  readonly stampKey?: Uint8Array;
  /** See {@link ProbeWorld.proxyCredentials}; default none. */
  readonly proxyCredentials?: (proxy: string) => ProxyCredentials | undefined;
  /** See {@link ProbeWorld.onClockSample}; default none. */
  readonly onClockSample?: (sample: ClockSample) => void;
  /** Where sysfs is, for the tunnel's interface; default /sys. */
  readonly sysRoot?: string;
  /** Where procfs is, for the tunnel's interface; default /proc. */
  readonly procRoot?: string;
  /** The kernel's stamps; `none`: as on a host where they cannot be read. Default: this host's. */
  readonly kernel?: KernelClock | "none";
}

/** Creates the world of this host. Throws when `resolvers` holds something other than addresses. */
export function createProbeWorld(options: ProbeWorldOptions): ProbeWorld {
  const { clock, random, publicRoots } = options;
  const kernel = options.kernel === "none" ? undefined : (options.kernel ?? openKernelClock());
  return {
    clock,
    random,
    names: createNameResolver(options),
    kernel,
    sessions: new StampSessions({ clock, random, kernel }),
    trust: createTrustStore(publicRoots),
    stampKey: options.stampKey,
    proxyCredentials: options.proxyCredentials ?? (() => undefined),
    onClockSample: options.onClockSample,
    turns: new AddressTurns(),
    pacing: new PacketPacing(),
    link: new LinkWatch(),
    watch: NO_WATCH,
    sysRoot: options.sysRoot ?? "/sys",
    procRoot: options.procRoot ?? "/proc",
  };
}
