/**
 * The extension itself on a node of the fleet: its container beside a real WireGuard tunnel. It enrols, measures, sees the tunnel blocked
 * while its collector is away, reports it all the same, and comes again after a stop without a token.
 */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type StatusRowJson, tableLines } from "@lifeline/cli";
import {
  HERE,
  LayoutError,
  makeNode,
  type NodeContainer,
  obstacles,
  PSS_MAX_BYTES,
  prepare,
  startOnNode,
  TarError,
  VerifyError,
} from "@lifeline/extension";
import { SIDEROLINK_PORT } from "@lifeline/lab";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { DrillError } from "./drill-error.ts";
import { type EnrollingSite, type NodeAnswer, openEnrollingSite } from "./enrolling-site.ts";
import type { NodePlace, Scene } from "./scene.ts";

/** One thing that must be seen. */
export interface ExtensionCheck {
  readonly name: string;
  readonly isRight: boolean;
  /** In a sentence. */
  readonly seen: string;
}

/** Where the agent in the image keeps its state, and the key that it shares with the reflector, which is put there. */
const STATE = "/var/lib/lifeline-agent";
const STAMP_KEY = `${STATE}/stamp.key`;

/** How long what must come about may take, ms. */
const COMES_ABOUT_MAX_MS = 30_000;
const LOOK_EVERY_MS = 500;

/** How long the collector is away, of it how long the tunnel is blocked, and how long before that, ms. */
const AWAY_MS = 30_000;
const BLOCKED_MS = 15_000;
const BEFORE_BLOCKED_MS = 5_000;

/** How far the incident's times may be from those of the fault, ms: three probes in a row, one a second, and what each waits. */
const TOLERANCE_MS = 6_000;

const MIB = 1024 * 1024;

/** Talos kills so long after SIGTERM, ms (machined: runner/containerd). */
const STOP_MAX_MS = 10_000;

/** Talos's level is 18; what is measured of the size is `npm run extension:verify`'s. */
const ZSTD_LEVEL = 3;

/** Rows that only a node beside a real tunnel has met. */
const TUNNEL_PROBES = ["stamp", "link"];

/** Why it cannot be run here; empty: it can. */
export function extensionObstacles(): readonly string[] {
  return obstacles(HERE === undefined ? [] : [HERE]);
}

/** Runs it on the first node, with the extension of the OCI layout `from`; each check is said as it is made. */
export async function runExtension(
  scene: Scene,
  from: string,
  clock: Clock,
  say: (line: string) => void,
): Promise<readonly ExtensionCheck[]> {
  const [place] = scene.nodes;
  const reasons = extensionObstacles();
  if (place === undefined || HERE === undefined || reasons.length > 0)
    throw new DrillError("cannot-run", `the extension cannot run here: ${reasons.join("; ")}`);
  const checks: ExtensionCheck[] = [];
  const tell = (name: string, isRight: boolean, seen: string) => {
    checks.push({ name, isRight, seen });
    say(`${isRight ? "ok   " : "WRONG"} ${name}: ${seen}`);
  };
  say("unpacking and squashing the extension, and starting a collector that enrols");
  const prepared = await prepare(from, HERE, join(scene.folder, "extension"), ZSTD_LEVEL).catch(refused);
  const site = await openEnrollingSite(scene);
  await scene.stopAgent(place);
  const node = join(scene.folder, "extension-node");
  furnish(node, scene, place);
  const nodeId = `extension-on-${place.name}`;
  const name = `${basename(scene.folder)}-extension`;
  const { token, authority } = await site.invite();
  const known = {
    LIFELINE_COLLECTOR: site.collector,
    LIFELINE_AUTHORITY: authority,
    LIFELINE_NODE_ID: nodeId,
    LIFELINE_ROLES: "talos-node",
    LIFELINE_STAMP_KEY_FILE: STAMP_KEY,
  };
  const begin = (more: Readonly<Record<string, string>>) =>
    startOnNode({ prepared, networkPid: place.host.pid, node, environment: { ...known, ...more }, name, clock });
  const play: Play = { scene, place, site, nodeId, clock, tell };
  let container = await begin({ LIFELINE_JOIN_TOKEN: token }).catch(refused);
  try {
    await playMeasuring(play, container);
    await playOutage(play, container);
    container = await playRestart(play, container, () => begin({}));
  } finally {
    await container.kill();
    await scene.restartAgent(place);
  }
  return checks;
}

function refused(error: unknown): never {
  if (!(error instanceof VerifyError || error instanceof LayoutError || error instanceof TarError)) throw error;
  throw new DrillError("not-started", `the extension cannot be started: ${error.message}`, { cause: error });
}

interface Play {
  readonly scene: Scene;
  readonly place: NodePlace;
  readonly site: EnrollingSite;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly tell: (name: string, isRight: boolean, seen: string) => void;
}

/** The node's own files, as the container sees them. */
function furnish(node: string, { folder, keyFile, filesOf }: Scene, { name }: NodePlace): void {
  makeNode(node, readFileSync(join(folder, "public-root.pem"), "utf8"), filesOf(name));
  mkdirSync(join(node, STATE), { recursive: true, mode: 0o700 });
  copyFileSync(keyFile, join(node, STAMP_KEY));
}

async function playMeasuring({ site, nodeId, clock, tell }: Play, container: NodeContainer): Promise<void> {
  const answer = await comesAbout(
    clock,
    () => site.ask(nodeId),
    (now) => isWell(now),
  );
  const tunnel = tunnelRows(answer);
  tell("enrols", (await site.enrolments(nodeId)) === 1, `with a join token in its environment, as ${nodeId}`);
  const met = (answer?.rows ?? []).filter(({ verdict }) => verdict === "met").length;
  const evidence = tunnel.map((row) => `${row.probe} ${row.target ?? ""}: ${row.verdict}, ${row.evidence}`);
  tell("measures", isWell(answer), `${met} rows met; of the tunnel ${evidence.join("; ") || "none"}`);
  tell("stays up", container.isAlive(), container.isAlive() ? "the container runs" : "the container has ended");
}

async function playOutage({ scene, place, site, nodeId, clock, tell }: Play, container: NodeContainer): Promise<void> {
  const fault = scene.net.path(place.name, { kind: "drop", traffic: { protocol: "udp", port: SIDEROLINK_PORT } });
  await site.killCollector();
  await pause(clock, BEFORE_BLOCKED_MS);
  const startMs = clock.wallMs();
  await fault.inject();
  await pause(clock, BLOCKED_MS);
  await fault.clear();
  const endMs = clock.wallMs();
  await pause(clock, AWAY_MS - BEFORE_BLOCKED_MS - BLOCKED_MS);
  await site.startCollector();
  const isNear = (time: string | null, ms: number) => time !== null && Math.abs(Date.parse(time) - ms) <= TOLERANCE_MS;
  const blocked = (answer: NodeAnswer | undefined) =>
    answer?.incidents.find(({ requirement, start, end }) => {
      return requirement.startsWith("siderolink") && isNear(start, startMs) && isNear(end, endMs);
    });
  const answer = await comesAbout(
    clock,
    () => site.ask(nodeId),
    (now) => blocked(now) !== undefined && isWell(now),
  );
  const found = blocked(answer);
  const off = (time: string | null | undefined, ms: number) =>
    `${((Date.parse(time ?? "") - ms) / 1_000).toFixed(1)} s after`;
  const seen =
    found === undefined
      ? `no incident of the tunnel with both times; ${JSON.stringify(answer?.incidents ?? "no answer")}`
      : `the tunnel blocked for ${BLOCKED_MS / 1_000} s while the collector was away: ${found.requirement} ${found.cause}, start ${off(found.start, startMs)}, end ${off(found.end, endMs)}`;
  tell("outage", found !== undefined && container.isAlive(), seen);
  tellArrivals(answer, 1, tell);
  const { pssBytes = Number.NaN, fileBytes = Number.NaN } = container.memory() ?? {};
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  const seenMemory = `PSS ${mib(pssBytes)} MiB with ${answer?.rows.length ?? 0} rows, ${mib(fileBytes)} of it pages of files`;
  tell("memory", pssBytes <= PSS_MAX_BYTES, seenMemory);
}

async function playRestart(
  { site, nodeId, clock, tell }: Play,
  container: NodeContainer,
  begin: () => Promise<NodeContainer>,
): Promise<NodeContainer> {
  const { tookMs, status } = await container.stop();
  tell("stop", status === 0 && tookMs < STOP_MAX_MS, `SIGTERM: exit ${status} after ${Math.round(tookMs)} ms`);
  const again = await begin().catch(refused);
  const answer = await comesAbout(
    clock,
    () => site.ask(nodeId),
    (now) => now?.boots.length === 2 && now.boots.every(({ reports }) => reports > 0) && isWell(now),
  );
  const enrolments = await site.enrolments(nodeId);
  tell(
    "restart",
    isWell(answer) && enrolments === 1,
    `came again without a token as ${nodeId}; ${enrolments} enrolment of it in all`,
  );
  tellArrivals(answer, 2, tell);
  return again;
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

async function comesAbout<T>(clock: Clock, ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  const lastNs = clock.monotonicNs() + COMES_ABOUT_MAX_MS * NS_PER_MS;
  for (;;) {
    const answer = await ask();
    if (isRight(answer) || clock.monotonicNs() > lastNs) return answer;
    await pause(clock, LOOK_EVERY_MS);
  }
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
