/** The signature of every protocol. */
import type { ProbeKind, ProbeOptions, Target } from "@lifeline/measure";
import type { ProbeResult } from "./probe-result.ts";
import type { ProbeWorld } from "./world.ts";

/** The options of one probe kind. */
export type OptionsOf<Kind extends ProbeKind> = Extract<ProbeOptions, { readonly probe: Kind }>;

/**
 * One attempt (M1). Never rejects because of the network, the peer or this host: that is a result. It holds no socket,
 * timer or listener after it has resolved.
 */
export type ProbeProtocol<Kind extends ProbeKind> = (
  target: Target,
  options: OptionsOf<Kind>,
  world: ProbeWorld,
) => Promise<ProbeResult>;
