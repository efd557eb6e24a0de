/** Everything a probe takes from outside: time, chance, names, the kernel's stamps and trust. */
import type { Clock } from "@lifeline/measure";
import { type KernelClock, openKernelClock } from "./kernel.ts";
import { createNameResolver, type NameResolver } from "./name-resolver.ts";
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
  /** False leaves the kernel's stamps alone, as where they cannot be read; default true. */
  readonly kernelStamps?: boolean;
}

/** Creates the world of the running host. Throws when `resolvers` holds what is no address. */
export function createProbeWorld(options: ProbeWorldOptions): ProbeWorld {
  const { clock, random, publicRoots, kernelStamps = true } = options;
  return {
    clock,
    random,
    names: createNameResolver(options),
    kernel: kernelStamps ? openKernelClock() : undefined,
    trust: createTrustStore(publicRoots),
  };
}
