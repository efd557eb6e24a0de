/**
 * A container that enrols at a real collector, loses it, stops and starts again.
 *
 * What has no disk ends with its container. Such an agent sends its reports once the collector is back, and enrols
 * again with another key: after its id has been silent for 30 s, at its next attempt up to 15 s later.
 */
import { NS_PER_MS, pause } from "@lifeline/measure";
import type { Report } from "./check.ts";
import { type Container, STOP_MAX_MS } from "./container.ts";
import { checkLog, checkMemory, checkStop } from "./container-checks.ts";
import { countOf, isReportKept, keptReports } from "./log-lines.ts";
import { readMemory } from "./process-facts.ts";
import { nodeIdOf, type ProfileOptions } from "./profile-options.ts";
import type { StoredBoot } from "./reporting-collector.ts";
import type { TestNode } from "./test-node.ts";
import { pollUntil, within } from "./wait.ts";

/**
 * How long the collector is unreachable, ms: longer than a window of 10 s, so at least one window ends in that time.
 */
const OUTAGE_MS = 11_000;
const POLL_MS = 100;

/** The checks, in their order; each part takes the container of the part before. */
export class ReportingChecks {
  readonly #options: ProfileOptions;
  readonly #node: TestNode;
  readonly #report: Report;
  readonly #nodeId: string;

  constructor(options: ProfileOptions, node: TestNode, report: Report) {
    this.#options = options;
    this.#node = node;
    this.#report = report;
    this.#nodeId = nodeIdOf(options);
  }

  /** It enrols with a join token and measures. */
  async enrol(): Promise<Container> {
    const { collector, clock, settleMs } = this.#options;
    const environment = await collector.invite(this.#node.hasDisk);
    const { container, firstProbeMs } = await this.#startAndProbe(environment);
    const seen = `with a join token in its environment, over TLS; first probe ${firstProbeMs} ms after the start, with enrolment and plan`;
    this.#report("enrols", true, seen);
    await pause(clock, settleMs);
    checkMemory("memory measuring", readMemory(container.pid), this.#report);
    return container;
  }

  /** Throws ExtensionError `late` when it does not connect, or does not probe. */
  async #startAndProbe(environment: Readonly<Record<string, string>>) {
    const { collector, clock, waitMaxMs } = this.#options;
    const probe = collector.nextProbe();
    const own = { LIFELINE_LOG_LEVEL: "debug", LIFELINE_NODE_ID: this.#nodeId };
    const container = await this.#node.start({ ...environment, ...own });
    await container.waitForMessage("connected", waitMaxMs);
    const probeNs = await within(probe, waitMaxMs, clock, () => "no probe of the measured port");
    return { container, firstProbeMs: Math.round((probeNs - container.startedNs) / NS_PER_MS) };
  }

  /** It keeps reports while the collector is away, and stops. */
  async outage(container: Container): Promise<void> {
    const { collector, clock, waitMaxMs } = this.#options;
    await collector.stop();
    const stoppedNs = clock.monotonicNs();
    const before = countOf(keptReports(container.lines));
    await pause(clock, OUTAGE_MS);
    await container.waitForLine("a kept report", (line) => line.atNs > stoppedNs && isReportKept(line), waitMaxMs);
    const kept = countOf(keptReports(container.lines)) - before;
    const seen = `collector away for ${OUTAGE_MS / 1_000} s: ${kept} reports kept meanwhile`;
    this.#report("outage", kept > 0 && container.isRunning, seen);
    await (this.#node.hasDisk ? this.#stopWithSpool(container) : this.#stopWithoutDisk(container));
  }

  async #stopWithSpool(container: Container): Promise<void> {
    const { tookMs, status } = await container.stop();
    const spooled = this.#node.spoolBytes();
    const seen = `SIGTERM, collector away: exit ${status} after ${Math.round(tookMs)} ms, ${spooled} bytes in the spool`;
    this.#report("stop", status === 0 && tookMs < STOP_MAX_MS && spooled > 0, seen);
    await this.#options.collector.start();
  }

  async #stopWithoutDisk(container: Container): Promise<void> {
    await this.#options.collector.start();
    await this.#untilStored([container]);
    await checkStop("stop", container, this.#report);
  }

  /**
   * It starts again as the same node: with the key on its disk, or with another one. All reports of both containers are
   * stored.
   */
  async restart(first: Container): Promise<void> {
    const { collector } = this.#options;
    const keyBefore = await collector.keySha256(this.#nodeId);
    const { container, firstProbeMs } = await this.#startAndProbe(collector.environmentOfRestart());
    const { hasDisk } = this.#node;
    const what = hasDisk ? "has its plan" : "waits until its id has been silent, and has no plan";
    this.#report("first probe", true, `${firstProbeMs} ms after the start of a node that ${what}`);
    const keyAfter = await collector.keySha256(this.#nodeId);
    const isKnown = keyBefore !== undefined && keyAfter !== undefined;
    const isSameKey = keyAfter === keyBefore;
    const [idBefore, idAfter] = [first, container].map(
      ({ lines }) => lines.find(({ value }) => value?.["msg"] === "agent started")?.value?.["nodeId"],
    );
    const key = isKnown ? `${isSameKey ? "the same" : "another"} key` : "no key on record";
    const how = `${hasDisk ? "without a" : "by an ephemeral"} token and with ${key}`;
    const isRight = isKnown && isSameKey === hasDisk && idBefore === idAfter;
    this.#report("restart", isRight, `started again ${how} as ${idAfter}, was ${idBefore}`);
    await this.#checkStored([first, container]);
    await checkStop("stop connected", container, this.#report);
    checkLog("log enrolled", [first, container], this.#report);
  }

  /** Every report that a container has kept until now is stored once, and none between them is missing. */
  async #checkStored(containers: readonly Container[]): Promise<void> {
    const { kept, boots, isStored } = await this.#untilStored(containers);
    const parts = boots.map(
      ({ firstSequence, lastSequence, reports, missing, duplicates }) =>
        `${reports} of ${firstSequence} to ${lastSequence}, ${missing} missing, ${duplicates} sent twice and counted once`,
    );
    const isWhole = boots.every(
      ({ missing, reports, lastSequence, firstSequence }) =>
        missing === 0 && reports === lastSequence - firstSequence + 1,
    );
    this.#report("reports", isWhole && isStored, `${countOf(kept)} kept in two boots; stored: ${parts.join("; ")}`);
  }

  #untilStored(containers: readonly Container[]) {
    const { collector, clock, waitMaxMs } = this.#options;
    const ask = async () => {
      const kept = keptReports(containers.flatMap(({ lines }) => lines));
      const boots = await collector.boots(this.#nodeId);
      const isStored =
        kept.size === containers.length &&
        [...kept].every(([bootId, sequences]) => lastStored(boots, bootId) >= Math.max(...sequences));
      return { kept, boots, isStored };
    };
    return pollUntil(ask, ({ isStored }) => isStored, { clock, withinMs: waitMaxMs, everyMs: POLL_MS });
  }
}

function lastStored(boots: readonly StoredBoot[], bootId: string): number {
  return boots.find((boot) => boot.bootId === bootId)?.lastSequence ?? -1;
}
