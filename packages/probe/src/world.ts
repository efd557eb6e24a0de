/** Everything a probe takes from outside: time, chance, names, the kernel's stamps and trust. */
import type { Clock } from "@lifeline/measure";
import type { ClockSample } from "./clock-sample.ts";
import { type KernelClock, openKernelClock } from "./kernel.ts";
import { createLinkWatch, type LinkWatch } from "./link-watch.ts";
import { createNameResolver, type NameResolver } from "./name-resolver.ts";
import { StampSessions } from "./stamp-sessions.ts";
import { createTrustStore, type TrustStore } from "./trust.ts";

/** The world a probe acts in; one per process. */
export interface ProbeWorld {
  readonly clock: Clock;
  /** Uniform in [0, 1): sequence numbers and query ids. */
  readonly random: () => number;
  readonly names: NameResolver;
  /** Undefined where the kernel's stamps cannot be read: round trips are then monotonic. */
  readonly kernel: KernelClock | undefined;
  readonly trust: TrustStore;
  /** The sessions of STAMP, one for each target; to be closed with the world. */
  readonly sessions: StampSessions;
  /** Key of authenticated STAMP, 16–1,024 bytes; undefined: none was given. A secret (S1). */
  readonly stampKey: Uint8Array | undefined;
  /** Value of Proxy-Authorization for a proxy (host:port); undefined: none. A secret (S1). */
  readonly proxyAuthorization: (proxy: string) => string | undefined;
  /** Takes what a time server's answer shows of this host's clock; undefined: nobody wants to know. */
  readonly onClockSample: ((sample: ClockSample) => void) | undefined;
  /** What the counters of the tunnel's interface have shown so far. */
  readonly link: LinkWatch;
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
  /** PEM certificates that `trust: public` means; default: Node's, with NODE_EXTRA_CA_CERTS. */
  readonly publicRoots?: readonly string[];
  /** See {@link ProbeWorld.stampKey}; default none. */
  readonly stampKey?: Uint8Array;
  /** See {@link ProbeWorld.proxyAuthorization}; default none. */
  readonly proxyAuthorization?: (proxy: string) => string | undefined;
  /** See {@link ProbeWorld.onClockSample}; default none. */
  readonly onClockSample?: (sample: ClockSample) => void;
  /** Where sysfs is, for the tunnel's interface; default /sys. */
  readonly sysRoot?: string;
  /** Where procfs is, for the tunnel's interface; default /proc. */
  readonly procRoot?: string;
  /** The kernel's stamps; `none`: as on a host where they cannot be read. Default: this host's. */
  readonly kernel?: KernelClock | "none";
}

/** Creates the world of the running host. Throws when `resolvers` holds what is no address. */
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
    proxyAuthorization: options.proxyAuthorization ?? (() => undefined),
    onClockSample: options.onClockSample,
    link: createLinkWatch(),
    sysRoot: options.sysRoot ?? "/sys",
    procRoot: options.procRoot ?? "/proc",
  };
}
