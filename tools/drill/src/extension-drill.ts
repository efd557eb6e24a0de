/**
 * The extension itself on a node of the fleet: its container beside a real WireGuard tunnel. It enrols and measures. It
 * detects a blocked tunnel while its collector is unreachable, and reports it later. It reconnects after a restart
 * without a token.
 */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type StatusRowJson, tableLines } from "@lifeline/cli";
import {
  ExtensionError,
  HERE,
  INSTALLED,
  makeNodeRoot,
  NodeContainer,
  obstacles,
  PSS_MAX_BYTES,
  pollUntil,
  type SquashedExtension,
  STOP_MAX_MS,
  squashExtension,
  WAIT_MAX_MS,
} from "@lifeline/extension";
import { SIDEROLINK_PORT } from "@lifeline/lab";
import { type Clock, pause } from "@lifeline/measure";
import { DrillError } from "./drill-error.ts";
import {
  type EnrollingCollector,
  type Enrolment,
  type NodeAnswer,
  openEnrollingCollector,
} from "./enrolling-collector.ts";
import type { LabNode, TestBed } from "./test-bed.ts";

/** One thing that must be seen. */
export interface ExtensionCheck {
  readonly name: string;
  readonly isRight: boolean;
  /** In a sentence. */
  readonly seen: string;
}

/** What a run takes from outside. */
export interface ExtensionWorld {
  readonly clock: Clock;
  /** Ends the run: it then rejects. */
  readonly signal: AbortSignal;
  /** Receives a line for each check as it runs. */
  readonly say: (line: string) => void;
}

/** The key that the agent shares with the reflector, put where the agent in the image keeps its state. */
const STAMP_KEY = `${INSTALLED.stateDirectory}/stamp.key`;

const POLL_MS = 500;
const waiting = (world: ExtensionWorld) => ({ ...world, withinMs: WAIT_MAX_MS, everyMs: POLL_MS });

/** How long the collector is away, of it how long the tunnel is blocked, and how long before that, ms. */
const AWAY_MS = 30_000;
const BLOCKED_MS = 15_000;
const BEFORE_BLOCKED_MS = 5_000;

/**
 * How far the incident's times may be from those of the fault, ms: three probes in a row, one a second, and what each
 * waits.
 */
const TOLERANCE_MS = 6_000;

const MIB = 1024 * 1024;

/** Talos's level is 18; what is measured of the size is `npm run extension:verify`'s. */
const ZSTD_LEVEL = 3;

/** Rows that only a node beside a real tunnel has met. */
const TUNNEL_PROBES = ["stamp", "link"];

/** Throws a DrillError `cannot-run` that says what this machine lacks for it. */
export function assertExtensionRuns(): void {
  const reasons = extensionObstacles();
  if (reasons.length > 0) throw new DrillError("cannot-run", `the extension cannot run here: ${reasons.join("; ")}`);
}

/** Why it cannot be run here; empty: it can. */
export function extensionObstacles(): readonly string[] {
  return obstacles(HERE === undefined ? [] : [HERE]);
}

/**
 * Runs it on the first node, with the extension of the OCI layout `from`. What keeps the extension from running is a
 * check that failed, and the last. Rejects with a DrillError when the test bed fails, and when the world's signal is
 * aborted.
 */
export async function runExtension(
  testBed: TestBed,
  from: string,
  world: ExtensionWorld,
): Promise<readonly ExtensionCheck[]> {
  assertExtensionRuns();
  const [place] = testBed.nodes;
  if (place === undefined || HERE === undefined) throw new DrillError("cannot-run", "the lab has no node");
  const checks: ExtensionCheck[] = [];
  const tell = (name: string, isRight: boolean, seen: string) => {
    checks.push({ name, isRight, seen });
    world.say(`${isRight ? "ok   " : "WRONG"} ${name}: ${seen}`);
  };
  world.say("unpacking and squashing the extension, and starting a collector that enrols");
  try {
    const extension = await squashExtension(from, HERE, join(testBed.folder, "extension"), ZSTD_LEVEL);
    const enrolling = await openEnrollingCollector(testBed);
    await testBed.stopAgent(place);
    const play: Play = { ...world, testBed, place, enrolling, nodeId: `extension-on-${place.name}`, tell };
    await playNode(play, extension).finally(() => testBed.restartAgent(place));
  } catch (error) {
    if (!(error instanceof ExtensionError)) throw error;
    tell("runs", false, error.message);
  }
  return checks;
}

interface Play extends ExtensionWorld {
  readonly testBed: TestBed;
  readonly place: LabNode;
  readonly enrolling: EnrollingCollector;
  readonly nodeId: string;
  readonly tell: (name: string, isRight: boolean, seen: string) => void;
}

async function playNode(play: Play, extension: SquashedExtension): Promise<void> {
  const { testBed, place, enrolling, nodeId, clock, signal } = play;
  const node = join(testBed.folder, "extension-node");
  furnish(node, testBed, place);
  const name = `${basename(testBed.folder)}-extension`;
  const { token, caFingerprint } = await enrolling.invite();
  const known = {
    LIFELINE_COLLECTOR: enrolling.collector,
    LIFELINE_CA_FINGERPRINT: caFingerprint,
    LIFELINE_NODE_ID: nodeId,
    LIFELINE_ROLES: "talos-node",
    LIFELINE_STAMP_KEY_FILE: STAMP_KEY,
  };
  const lives: NodeContainer[] = [];
  const begin = async (more: Readonly<Record<string, string>>) => {
    const environment = { ...known, ...more };
    const life = await NodeContainer.start({
      extension,
      networkPid: place.host.pid,
      node,
      environment,
      name,
      clock,
      signal,
    });
    lives.push(life);
    return life;
  };
  try {
    const first = await begin({ LIFELINE_JOIN_TOKEN: token });
    const enrolment = await playMeasuring(play, first);
    await playOutage(play, first);
    await playRestart(play, first, enrolment, () => begin({}));
  } finally {
    for (const life of lives) await life.kill();
  }
}

/** The node's own files, as the container sees them. */
function furnish(node: string, { folder, keyFile, filesOf }: TestBed, { name }: LabNode): void {
  makeNodeRoot(node, readFileSync(join(folder, "public-root.pem"), "utf8"), filesOf(name));
  mkdirSync(join(node, INSTALLED.stateDirectory), { recursive: true, mode: 0o700 });
  copyFileSync(keyFile, join(node, STAMP_KEY));
}

/** Resolves with who holds the node's id. */
async function playMeasuring(play: Play, container: NodeContainer): Promise<Enrolment | undefined> {
  const { enrolling, nodeId, tell } = play;
  const answer = await pollUntil(() => enrolling.ask(nodeId), isWell, waiting(play));
  const enrolment = await enrolling.enrolment(nodeId);
  const key = enrolment === undefined ? "no key" : `key ${enrolment.keySha256.slice(0, 8)}…`;
  tell("enrols", enrolment !== undefined, `with a join token in its environment: ${key} holds ${nodeId}`);
  const met = (answer?.rows ?? []).filter(({ verdict }) => verdict === "met").length;
  const evidence = tunnelRows(answer).map((row) => `${row.probe} ${row.target ?? ""}: ${row.verdict}, ${row.evidence}`);
  tell("measures", isWell(answer), `${met} rows met; of the tunnel ${evidence.join("; ") || "none"}`);
  tell("stays up", container.isAlive(), container.isAlive() ? "the container runs" : "the container has ended");
  return enrolment;
}

async function playOutage(play: Play, container: NodeContainer): Promise<void> {
  const { testBed, place, enrolling, nodeId, clock, tell } = play;
  const fault = testBed.net.path(place.name, { kind: "drop", traffic: { protocol: "udp", port: SIDEROLINK_PORT } });
  await enrolling.killCollector();
  await rest(play, BEFORE_BLOCKED_MS);
  const startMs = clock.wallMs();
  await fault.inject();
  await rest(play, BLOCKED_MS).finally(() => fault.clear());
  const endMs = clock.wallMs();
  await rest(play, AWAY_MS - BEFORE_BLOCKED_MS - BLOCKED_MS);
  await enrolling.startCollector();
  const isNear = (time: string | null, ms: number) => time !== null && Math.abs(Date.parse(time) - ms) <= TOLERANCE_MS;
  const blocked = (answer: NodeAnswer | undefined) =>
    answer?.incidents.find(({ requirement, start, end }) => {
      return requirement.startsWith("siderolink") && isNear(start, startMs) && isNear(end, endMs);
    });
  const answer = await pollUntil(
    () => enrolling.ask(nodeId),
    (now) => blocked(now) !== undefined && isWell(now),
    waiting(play),
  );
  const found = blocked(answer);
  const off = (time: string | null | undefined, ms: number) =>
    `${((Date.parse(time ?? "") - ms) / 1_000).toFixed(1)} s after`;
  const seen =
    found === undefined
      ? `no incident of the tunnel with both times; ${JSON.stringify(answer?.incidents ?? enrolling.complaint())}`
      : `the tunnel blocked for ${BLOCKED_MS / 1_000} s while the collector was away: ${found.requirement} ${found.cause}, start ${off(found.start, startMs)}, end ${off(found.end, endMs)}`;
  tell("outage", found !== undefined && container.isAlive(), seen);
  tellArrivals(answer, 1, tell);
  const { pssBytes = Number.NaN, fileBytes = Number.NaN } = container.memory() ?? {};
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  const seenMemory = `PSS ${mib(pssBytes)} MiB with ${answer?.rows.length ?? 0} rows, ${mib(fileBytes)} of it pages of files`;
  tell("memory", pssBytes <= PSS_MAX_BYTES, seenMemory);
}

async function playRestart(
  play: Play,
  container: NodeContainer,
  before: Enrolment | undefined,
  begin: () => Promise<NodeContainer>,
): Promise<void> {
  const { enrolling, nodeId, tell } = play;
  const { tookMs, status } = await container.stop();
  tell("stop", status === 0 && tookMs < STOP_MAX_MS, `SIGTERM: exit ${status} after ${Math.round(tookMs)} ms`);
  await begin();
  const answer = await pollUntil(
    () => enrolling.ask(nodeId),
    (now) => now?.boots.length === 2 && now.boots.every(({ reports }) => reports > 0) && isWell(now),
    waiting(play),
  );
  const after = await enrolling.enrolment(nodeId);
  const isSame = after !== undefined && after.keySha256 === before?.keySha256 && after.enrolled === before?.enrolled;
  const isAlone = after?.refusedClaims === 0;
  const seen = `came again without a token, under ${isSame ? "the key and the enrolment" : "another key or enrolment than"} it had; ${after?.refusedClaims} claims of another key`;
  tell("restart", isWell(answer) && isSame && isAlone, seen);
  tellArrivals(answer, 2, tell);
}

function tellArrivals(answer: NodeAnswer | undefined, boots: number, tell: Play["tell"]): void {
  const counts = answer?.boots ?? [];
  const isWhole = counts.every(
    ({ missingReports, reports, firstSequence, lastSequence }) =>
      missingReports === 0 && reports === lastSequence - firstSequence + 1,
  );
  const seen = counts.map(({ reports, missingReports, duplicateReports }) => {
    return `${reports} reports stored, ${missingReports} missing, ${duplicateReports} sent twice and counted once`;
  });
  tell("reports", isWhole && counts.length === boots, seen.join("; ") || "none");
}

const tunnelRows = (answer: NodeAnswer | undefined): readonly StatusRowJson[] =>
  (answer?.rows ?? []).filter(({ probe, required }) => required && TUNNEL_PROBES.includes(probe ?? ""));

/** Every required row that was measured is met, and rows of the tunnel are among them. */
function isWell(answer: NodeAnswer | undefined): boolean {
  const measured = (answer?.rows ?? []).filter(
    ({ required, comparison, probe }) => required && !comparison && probe !== null,
  );
  const probes = new Set(tunnelRows(answer).map(({ probe }) => probe));
  return TUNNEL_PROBES.every((probe) => probes.has(probe)) && measured.every(({ verdict }) => verdict === "met");
}

/** Waits; rejects when the run is to end. */
async function rest({ clock, signal }: ExtensionWorld, ms: number): Promise<void> {
  await pause(clock, ms, signal);
  signal.throwIfAborted();
}

/** The checks as a table. */
export function extensionText(checks: readonly ExtensionCheck[], width: number | undefined): string {
  const columns = [
    { title: "", text: ({ isRight }: ExtensionCheck) => (isRight ? "ok" : "WRONG") },
    { title: "CHECK", text: ({ name }: ExtensionCheck) => name },
    { title: "SEEN", text: ({ seen }: ExtensionCheck) => seen },
  ];
  return `${tableLines(columns, checks, { color: false, width }).join("\n")}\n`;
}
