/** Judging with all that it knows of nodes: witnesses, the fleet's issuers, signs of interception. */
import { loadInterception } from "@lifeline/catalogue";
import type { Clock } from "@lifeline/measure";
import type { Logger } from "pino";
import type { SelfMetrics } from "../export/self-metrics.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { WitnessReceiver } from "../fleet/witness-service.ts";
import { Witnesses } from "../fleet/witnesses.ts";
import { AffectedNodes } from "../judging/affected-nodes.ts";
import { FleetIssuers } from "../judging/fleet-issuer.ts";
import { JudgementContexts } from "../judging/judgement-contexts.ts";
import { Judging, type JudgingEvents } from "../judging/judging.ts";
import type { Store } from "../store/store.ts";
import type { NodeScheduler } from "../streams/node-scheduler.ts";

const NS_PER_S = 1e9;

interface JudgingSources {
  readonly fleet: Fleet;
  readonly store: Store;
  readonly scheduler: NodeScheduler;
  readonly clock: Clock;
  readonly log: Logger;
  readonly selfMetrics: SelfMetrics;
  /** Whether nodes' streams are authenticated. */
  readonly areProven: boolean;
}

/** The parts that others need. */
export interface JudgingAssembly {
  readonly judging: Judging;
  readonly issuers: FleetIssuers;
  readonly receiver: WitnessReceiver;
}

/** Puts it together. A witness's report has the nodes judged that it affects. */
export function assembleJudging(sources: JudgingSources): JudgingAssembly {
  const { fleet, store, scheduler, clock, log, selfMetrics, areProven } = sources;
  const witnesses = new Witnesses({ clock, nodes: fleet.nodes, areProven });
  const issuers = new FleetIssuers();
  const contexts = new JudgementContexts({ witnesses, issuers, interception: loadInterception() });
  const events = judgingEvents(selfMetrics, log);
  const judging = new Judging({ fleet, store, scheduler, clock, contexts, issuers, events });
  const affected = new AffectedNodes((node) => witnesses.viewOf(node));
  const onReport = () => {
    for (const node of affected.take(fleet.nodes.values(), clock.wallMs())) judging.touch(node);
  };
  return { judging, issuers, receiver: new WitnessReceiver({ clock, witnesses, onReport }) };
}

function judgingEvents(selfMetrics: SelfMetrics, log: Logger): JudgingEvents {
  return {
    onJudged: (durationNs) => selfMetrics.judgeSeconds.observe(durationNs / NS_PER_S),
    onIncident(nodeId, change, { targetId, verdict, cause, startedAtMs, endedAtMs, evidence }) {
      log.info({ nodeId, targetId, verdict, cause, startedAtMs, endedAtMs, evidence }, `incident ${change}`);
    },
    onOverflow: (what) => selfMetrics.overflows.inc({ what }),
    onOrphan: () => selfMetrics.orphanWrites.inc(),
  };
}
