/**
 * The agent, put together: schedule → probe → sample → window → report → spool → uplink.
 *
 * 1. Data flows one way. Only a plan comes back.
 * 2. What was sealed is spooled before it is sent (U1), and stopping seals what is open.
 * 3. Nothing here waits for the collector: without one, the agent measures and spools.
 */
import { LIFELINE_VERSION } from "@lifeline/measure";
import { Prober } from "@lifeline/prober";
import type { AgentConfig } from "./config.ts";
import { lastEndOf, openEnrolment } from "./enrol/open-enrolment.ts";
import { startIdleHint } from "./plan/idle-hint.ts";
import { readPlanFile } from "./plan/plan-file.ts";
import { PlanKeeper } from "./plan/plan-keeper.ts";
import { probeDefectLog } from "./probing/probe-defects.ts";
import { Reporter } from "./report/reporter.ts";
import { type Agent, RunningAgent } from "./running-agent.ts";
import { openState } from "./state/open-state.ts";
import { TalosWatch } from "./talos/view.ts";
import { channelCredentials } from "./uplink/credentials.ts";
import { makeHello } from "./uplink/hello.ts";
import { Uplink } from "./uplink/uplink.ts";
import { uplinkLog } from "./uplink/uplink-log.ts";
import type { AgentWorld } from "./world.ts";

/**
 * Starts an agent. Rejects with a ConfigError when its plan file or its state directory cannot be used. `onDefect`
 * takes an error that nothing handles; the agent should then be ended. By default it becomes an uncaught exception.
 */
export async function startAgent(
  config: AgentConfig,
  world: AgentWorld,
  onDefect: (error: unknown) => void = throwLater,
): Promise<Agent> {
  const { clock, random, log } = world;
  const { collector, stateDir, roles } = config;
  const filePlan = config.plan.kind === "file" ? readPlanFile(config.plan.path) : undefined;
  const state = await openState(config, world);
  const { bootId, spool } = state;
  const { nodeId } = state.identity;

  const plan = new PlanKeeper({ filePlan, stateDir, log });
  const talos = config.talos && new TalosWatch({ socketPath: config.talos.socket, clock, log });
  const enrolment = openEnrolment(config, nodeId, world);
  const sender = { nodeId, bootId, agentVersion: LIFELINE_VERSION, roles };
  const uplink =
    collector === undefined
      ? undefined
      : new Uplink(
          {
            collector,
            credentials: (end) => enrolment?.credentials(lastEndOf(end)) ?? channelCredentials(config.tls),
            hello: () => makeHello(sender, { ...world.observe(), talos: talos?.view() }, plan.revision()),
            spool,
            clock,
            random,
            events: { ...uplinkLog(collector, world), plan: (wire) => plan.admit(wire) },
          },
          onDefect,
        );
  enrolment?.keepRenewed(() => uplink?.redial());
  const reporter = new Reporter({ spool, uplink, bootId, clock, log, onDefect });
  const prober = new Prober({
    clock,
    nodeId,
    probe: world.probe,
    sealed: (windows, sealedAtMs, { missedTicks }) => reporter.report(windows, sealedAtMs, missedTicks),
    onDefect: probeDefectLog(log),
  });
  plan.follow((targets) => prober.setTargets(targets));
  const isIdle = uplink === undefined && plan.revision() === "";
  const endIdleHint = isIdle ? startIdleHint(clock, log) : undefined;
  return new RunningAgent({ ...state, plan, talos, enrolment, uplink, reporter, prober, endIdleHint, log });
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
