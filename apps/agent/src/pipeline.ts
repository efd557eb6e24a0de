/**
 * The agent, put together: schedule → probe → sample → window → spool → uplink.
 *
 * 1. Data flows one way; a plan is the only thing that comes back.
 * 2. What was sealed is spooled before it is sent (U1), and stopping seals what is open.
 * 3. Nothing here waits for the collector: without one, the agent measures and spools.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { LIFELINE_VERSION, NS_PER_MS, type Timer } from "@lifeline/measure";
import { Prober, type ProberStats } from "@lifeline/prober";
import type { Window } from "@lifeline/window";
import { BOOT_ID_BYTES, type Plan, planFromWire, type reportPb } from "@lifeline/wire";
import { type AgentConfig, DEFAULT_CONFIG_FILE } from "./config.ts";
import { type Enrolment, type EnrolmentStats, type LastEnd, startEnrolment } from "./enrol/enrolment.ts";
import { readJoinToken } from "./enrol/join-token.ts";
import { openKeptCredentials } from "./enrol/kept-credentials.ts";
import { findIdentity, type Identity } from "./identity.ts";
import { missingParents } from "./make-directory.ts";
import { refusePlanted, SPOOL_DIRECTORY } from "./own-state.ts";
import { loadCachedPlan, storeCachedPlan } from "./plan-cache.ts";
import { readPlanFile } from "./plan-file.ts";
import { encodeParts } from "./report-parts.ts";
import { openSpool, type Spool, type SpoolEvent, type SpoolStats } from "./spool/spool.ts";
import { lockState } from "./state-lock.ts";
import { type TalosWatch, watchTalos } from "./talos/view.ts";
import { channelCredentials } from "./uplink/credentials.ts";
import { makeHello } from "./uplink/hello.ts";
import {
  type EndWord,
  startUplink,
  type Uplink,
  type UplinkEvents,
  type UplinkOptions,
  type UplinkStats,
} from "./uplink/uplink.ts";
import { startVitals, type VitalsReader } from "./vitals.ts";
import type { AgentWorld } from "./world.ts";

/** How long stopping waits for the collector, ms: Talos kills ten seconds after SIGTERM. */
export const FLUSH_GRACE_MS = 3_000;

/** How often an agent with nothing to do says how to give it something, ms. */
export const IDLE_HINT_MS = 60_000;

/** Least time between two lines about an uplink that keeps failing alike, ms. */
const UPLINK_LOG_MS = 60_000;

/** Figures of a running agent; counters are since its start. */
export interface AgentStats {
  readonly prober: ProberStats;
  readonly spool: SpoolStats;
  /** Undefined without a collector. */
  readonly uplink: UplinkStats | undefined;
  /** Undefined unless the node enrols. */
  readonly enrolment: EnrolmentStats | undefined;
  readonly sealedWindows: number;
  /** Plans of the collector's that were not admitted. */
  readonly refusedPlans: number;
  /** Undefined unless the configuration opens Talos's socket. */
  readonly talos: ReturnType<TalosWatch["stats"]> | undefined;
}

/** A running agent. */
export interface Agent {
  readonly identity: Identity;
  /** 16 bytes, of this start. */
  readonly bootId: Uint8Array;
  /** Revision of the plan that is measured; empty without one. */
  planRevision(): string;
  stats(): AgentStats;
  /** Probes no more, seals, spools, and gives the collector FLUSH_GRACE_MS to acknowledge. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts an agent. Rejects with a ConfigError when its plan file is not right. `onDefect` is told of what nobody expected;
 * the agent should then be ended. By default it becomes an uncaught exception.
 */
export async function startAgent(
  config: AgentConfig,
  world: AgentWorld,
  onDefect: (error: unknown) => void = throwLater,
): Promise<Agent> {
  const filePlan = config.plan.kind === "file" ? readPlanFile(config.plan.path) : undefined;
  refusePlanted(config.stateDir, config.runAsUid, "stateDir");
  const madeParents = missingParents(config.stateDir);
  const unlock = lockState(config.stateDir, "stateDir");
  const identity = findIdentity({
    configuredId: config.nodeId,
    stateDir: config.stateDir,
    randomBytes: world.randomBytes,
    ...(world.productUuidPath === undefined ? {} : { productUuidPath: world.productUuidPath }),
  });
  // The firmware's UUID is root's to read; all that follows is anybody's.
  world.becomeUser?.(madeParents);
  const bootId = world.randomBytes(BOOT_ID_BYTES);
  const spool = await openSpool({
    directory: join(config.stateDir, SPOOL_DIRECTORY),
    clock: world.clock,
    bootId,
    onEvent: (event) => logSpoolEvent(world, event),
    maxBytes: config.spool.maxBytes,
    maxAgeHours: config.spool.maxAgeHours,
  });
  world.log.info(
    {
      nodeId: identity.nodeId,
      idSource: identity.source,
      version: LIFELINE_VERSION,
      spoolReports: spool.stats().heldReports,
    },
    "agent started",
  );
  const agent = new RunningAgent(config, world, onDefect, identity, bootId, spool, unlock);
  agent.start(filePlan);
  return agent;
}

class RunningAgent implements Agent {
  readonly identity: Identity;
  readonly bootId: Uint8Array;
  readonly #config: AgentConfig;
  readonly #world: AgentWorld;
  readonly #onDefect: (error: unknown) => void;
  readonly #spool: Spool;
  /** Lets go of the state directory. */
  readonly #unlock: () => void;
  readonly #vitals: VitalsReader;
  readonly #prober: Prober;
  #uplink: Uplink | undefined;
  #enrolment: Enrolment | undefined;
  #talos: TalosWatch | undefined;
  #plan: Plan | undefined;
  #hintTimer: Timer | undefined;
  #sealedWindows = 0;
  #refusedPlans = 0;
  #spooling: Promise<unknown> = Promise.resolve();
  #caching: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  readonly #defective = new Set<string>();

  constructor(
    config: AgentConfig,
    world: AgentWorld,
    onDefect: (error: unknown) => void,
    identity: Identity,
    bootId: Uint8Array,
    spool: Spool,
    unlock: () => void,
  ) {
    this.identity = identity;
    this.bootId = bootId;
    this.#config = config;
    this.#world = world;
    this.#onDefect = onDefect;
    this.#spool = spool;
    this.#unlock = unlock;
    const { clock } = world;
    this.#vitals = startVitals(clock);
    this.#prober = new Prober({
      clock,
      nodeId: identity.nodeId,
      probe: world.probe,
      sealed: (windows, sealedAtMs) => this.#report(windows, sealedAtMs),
      onDefect: (targetId, error) => this.#tellDefect(targetId, error),
    });
  }

  start(filePlan: Plan | undefined): void {
    const plan = filePlan ?? this.#cachedPlan();
    if (plan !== undefined) this.#apply(plan);
    const { collector, talos } = this.#config;
    const { clock, log } = this.#world;
    if (talos !== undefined) this.#talos = watchTalos({ socketPath: talos.socket, clock, log });
    if (collector !== undefined) this.#uplink = this.#dial(collector);
    else if (plan === undefined) this.#hint();
  }

  planRevision(): string {
    return this.#plan?.revision ?? "";
  }

  stats(): AgentStats {
    return {
      prober: this.#prober.stats(),
      spool: this.#spool.stats(),
      uplink: this.#uplink?.stats(),
      enrolment: this.#enrolment?.stats(),
      sealedWindows: this.#sealedWindows,
      refusedPlans: this.#refusedPlans,
      talos: this.#talos?.stats(),
    };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#hintTimer?.cancel();
    this.#talos?.stop();
    this.#prober.stop();
    await this.#spooling;
    await this.#uplink?.flush(FLUSH_GRACE_MS);
    // Begun first: the uplink may be waiting for an attempt to enrol.
    const enrolmentEnds = this.#enrolment?.stop();
    await this.#uplink?.stop();
    await enrolmentEnds;
    await this.#caching;
    await this.#spool.close();
    this.#unlock();
    this.#vitals.stop();
    const { heldReports } = this.#spool.stats();
    this.#world.log.info({ spoolReports: heldReports }, "agent stopped");
  }

  #dial(collector: string): Uplink {
    const { clock, random, observe } = this.#world;
    const { nodeId } = this.identity;
    const { roles } = this.#config;
    const sender = { nodeId, bootId: this.bootId, agentVersion: LIFELINE_VERSION, roles };
    return startUplink(
      {
        collector,
        credentials: this.#credentials(collector),
        hello: () => makeHello(sender, { ...observe(), talos: this.#talos?.view() }, this.planRevision()),
        spool: this.#spool,
        clock,
        random,
        events: uplinkEvents(this.#world, collector, (plan) => this.#admitPlan(plan)),
      },
      this.#onDefect,
    );
  }

  /** How the node proves itself: by a certificate of the collector's authority, by files, or not at all. */
  #credentials(collector: string): UplinkOptions["credentials"] {
    const { enrol, tls, stateDir } = this.#config;
    if (enrol === undefined) return () => channelCredentials(tls);
    const { clock, random, log, environment } = this.#world;
    const enrolment = startEnrolment({
      collector,
      nodeId: this.identity.nodeId,
      authority: enrol.authority,
      kept: openKeptCredentials(stateDir, (code) =>
        log.warn(
          { code },
          "the disk does not keep the node's identity, and is tried again each minute: after a restart it could not prove itself",
        ),
      ),
      token: () => readJoinToken(enrol.tokenFile, environment),
      clock,
      random,
      log,
      onRenewed: () => this.#uplink?.redial(),
    });
    this.#enrolment = enrolment;
    return (lastEnd) => enrolment.credentials(identityEnd(lastEnd));
  }

  #cachedPlan(): Plan | undefined {
    const cached = loadCachedPlan(this.#config.stateDir);
    switch (cached.kind) {
      case "plan":
        return cached.plan;
      case "none":
        return undefined;
      case "unusable":
        this.#world.log.warn({ detail: cached.detail }, "the cached plan cannot be used");
        return undefined;
    }
  }

  #apply(plan: Plan): void {
    this.#plan = plan;
    this.#prober.setTargets(plan.targets);
    this.#world.log.info({ revision: plan.revision, targets: plan.targets.length }, "plan applied");
  }

  /** A plan from the collector: taken whole or not at all. */
  #admitPlan(wire: reportPb.Plan): void {
    const { log } = this.#world;
    if (this.#config.plan.kind === "file") {
      log.debug({ revision: wire.revision }, "the collector's plan is left aside: the configuration names a plan file");
      return;
    }
    const decoded = planFromWire(wire);
    if (!decoded.ok) {
      this.#refusedPlans += 1;
      log.warn(decoded.malformed, "plan refused; the one before it stays");
      return;
    }
    const plan = decoded.value;
    if (plan.revision === this.planRevision()) return;
    this.#apply(plan);
    this.#caching = this.#caching
      .then(() => storeCachedPlan(this.#config.stateDir, plan))
      .catch((error: unknown) => log.warn({ code: codeOf(error) }, "the plan could not be cached"));
  }

  #report(windows: readonly Window[], sealedAtMs: number): void {
    this.#sealedWindows += windows.length;
    const { heldBytes, heldReports, droppedReports, memoryReports } = this.#spool.stats();
    const vitals = this.#vitals.read({
      spoolBytes: heldBytes,
      spoolReports: heldReports,
      spoolDroppedReports: droppedReports,
      spoolMemoryReports: memoryReports,
      missedTicks: this.#prober.stats().missedTicks,
      refusedReports: this.#uplink?.stats().refusedReports ?? 0,
    });
    const appends = encodeParts(sealedAtMs, windows, vitals).map((part) => this.#keep(part));
    this.#spooling = Promise.all([this.#spooling, ...appends]).then(() => this.#uplink?.wake());
    this.#spooling.catch(this.#onDefect);
  }

  /** Spools a report; what it was and where it is now is told to whoever looks at everything. */
  async #keep(report: Uint8Array): Promise<void> {
    const { sequence, where } = await this.#spool.append(report);
    const { log } = this.#world;
    if (!log.isLevelEnabled("debug")) return;
    const reportSha256 = createHash("sha256").update(report).digest("hex");
    log.debug({ bootId: Buffer.from(this.bootId).toString("hex"), sequence, where, reportSha256 }, "report kept");
  }

  #tellDefect(targetId: string, error: unknown): void {
    // Once for each target: it would repeat at every tick. Bounded, for plans come and go.
    if (this.#defective.has(targetId) || this.#defective.size >= DEFECTIVE_MAX) return;
    this.#defective.add(targetId);
    this.#world.log.error({ targetId, err: error }, "a probe failed by a defect of its own");
  }

  #hint(): void {
    this.#world.log.warn(
      { file: DEFAULT_CONFIG_FILE },
      "nothing to do: name a collector (collector in the file, or LIFELINE_COLLECTOR) or a plan file (plan.file, LIFELINE_PLAN_FILE)",
    );
    this.#hintTimer = this.#world.clock.after(IDLE_HINT_MS, () => this.#hint());
  }
}

/** What the end of a connection says of the identity it was under. */
function identityEnd(word: EndWord | undefined): LastEnd {
  if (word === "UNAUTHENTICATED") return "unauthenticated";
  return word === "PERMISSION_DENIED" ? "permission-denied" : "other";
}

/** Most targets whose defects are told. */
const DEFECTIVE_MAX = 64;

function uplinkEvents(world: AgentWorld, collector: string, plan: UplinkEvents["plan"]): UplinkEvents {
  const { log, clock } = world;
  let lastWord = "";
  let lastToldNs = 0;
  return {
    plan,
    connected() {
      lastWord = "";
      log.info({ collector }, "connected");
    },
    disconnected(word, detail, retryInMs) {
      const nowNs = clock.monotonicNs();
      if (word === lastWord && nowNs - lastToldNs < UPLINK_LOG_MS * NS_PER_MS) return;
      lastWord = word;
      lastToldNs = nowNs;
      log.warn({ collector, status: word, detail, retryInMs: Math.round(retryInMs) }, "not connected");
    },
    refused({ report, code, field, detail }) {
      log.warn({ sequence: Number(report?.sequence ?? 0), code, field, detail }, "the collector refused a report");
    },
  };
}

function logSpoolEvent({ log }: AgentWorld, event: SpoolEvent): void {
  switch (event.kind) {
    case "disk-refused":
      log.warn({ code: event.code }, "the disk refuses the spool: reports are kept in memory until it takes them");
      return;
    case "disk-accepted":
      log.info("the disk takes the spool again");
      return;
    case "disk-unreadable":
      log.warn({ code: event.code }, "reports cannot be read from the disk for now: they are kept and tried again");
      return;
    case "disk-readable":
      log.info("reports can be read from the disk again");
      return;
    case "dropped":
      log.warn({ reports: event.reports, why: event.why }, "reports dropped from the spool");
      return;
    case "given-up":
      log.warn({ segments: event.segments }, "files of the spool that could never be read were removed");
      return;
  }
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
