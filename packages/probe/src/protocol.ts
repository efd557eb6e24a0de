/** The one signature that every protocol file implements. */
import type { ProbeKind, ProbeOptions, Target } from "@lifeline/measure";
import type { ProbeResult } from "./probe-result.ts";
import type { ProbeWorld } from "./world.ts";

/** The options of one probe kind. */
export type OptionsOf<Kind extends ProbeKind> = Extract<ProbeOptions, { readonly probe: Kind }>;

/**
 * One attempt (M1). Never rejects on what a network, a peer or this host may do: that is a result. It holds no socket, timer
 * or listener once it has resolved.
 */
export type ProbeProtocol<Kind extends ProbeKind> = (
  target: Target,
  options: OptionsOf<Kind>,
  world: ProbeWorld,
) => Promise<ProbeResult>;
