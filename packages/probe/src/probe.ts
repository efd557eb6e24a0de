/** One attempt at a target, by the table of protocols. */
import { NS_PER_MS, type ProbeKind, type Sample, type Target } from "@lifeline/measure";
import { noteEvidence, type StepObserver, stepRecorder } from "./attempt-steps.ts";
import { probeDns } from "./dns.ts";
import { probeGrpc } from "./grpc.ts";
import { probeHttp } from "./http.ts";
import { probeLink } from "./link.ts";
import { probeMtu } from "./mtu.ts";
import { probeNtp } from "./ntp.ts";
import { probeNts } from "./nts.ts";
import type { ProbeResult } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";
import { probeRegistry } from "./registry.ts";
import { NO_WATCH, type SilenceWatch } from "./silence-watch.ts";
import { probeStamp } from "./stamp.ts";
import { probeTcp } from "./tcp.ts";
import { probeTls } from "./tls.ts";
import { attemptInTunnel } from "./tunnel-attempt.ts";
import { probeUdp } from "./udp.ts";
import type { ProbeWorld } from "./world.ts";

/** The protocol of each probe kind. */
const PROTOCOLS: { readonly [Kind in ProbeKind]: ProbeProtocol<Kind> } = {
  dns: probeDns,
  tcp: probeTcp,
  tls: probeTls,
  http: probeHttp,
  grpc: probeGrpc,
  udp: probeUdp,
  stamp: probeStamp,
  link: probeLink,
  mtu: probeMtu,
  ntp: probeNtp,
  nts: probeNts,
  registry: probeRegistry,
};

/**
 * Makes one attempt at `target` (M1). Resolves within about twice `timeoutMs`, because the name has a budget of its
 * own, and while `watch` wants it LATE_WATCH_MS later. `onStep` takes its steps as they happen. Never rejects because
 * of the network; a rejection is a defect of this package.
 */
export async function probe(
  target: Target,
  world: ProbeWorld,
  watch: SilenceWatch = NO_WATCH,
  onStep?: StepObserver,
): Promise<Sample> {
  const startedAtMs = world.clock.wallMs();
  const startedNs = world.clock.monotonicNs();
  const watched = watch === NO_WATCH ? world : worldWith(world, { watch });
  const noteStep = onStep === undefined ? undefined : stepRecorder(world.clock, onStep);
  const own = noteStep === undefined ? watched : worldWith(watched, { noteStep });
  const make = () => attempt(target, own);
  const result = await (target.inTunnel === true ? attemptInTunnel(target, own, make) : make());
  if (noteStep !== undefined) noteEvidence(noteStep, result.evidence);
  const tookMs = (world.clock.monotonicNs() - startedNs) / NS_PER_MS;
  // The end is the start plus a monotonic duration: a stepped wall clock cannot make it precede the start (M2).
  return { targetId: target.id, startedAtMs, endedAtMs: startedAtMs + tookMs, ...result };
}

/** The world of one attempt. The key is read when it is used. */
function worldWith(world: ProbeWorld, own: Partial<Pick<ProbeWorld, "watch" | "noteStep">>): ProbeWorld {
  return Object.assign(Object.create(world) as ProbeWorld, own);
}

function attempt<Kind extends ProbeKind>(target: Target, world: ProbeWorld): Promise<ProbeResult> {
  // The table pairs each kind with its own options. The compiler cannot follow the pair through a lookup.
  const options = target.options as Parameters<ProbeProtocol<Kind>>[1];
  return PROTOCOLS[options.probe as Kind](target, options, world);
}
