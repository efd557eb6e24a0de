/**
 * One profile of Talos, played: a container that is told nothing, then a node that enrols, loses its collector, is stopped and comes again.
 *
 * 1. Memory is read while no other container shares the pages of its program.
 * 2. The container that is told nothing comes again beside the node's outage, and lives to the end: it is to be quiet, and the same node.
 * 3. Both have a node's folder and an overlay of their own, over the one squashed root.
 * 4. What has no disk ends with its container: such an agent reports once its collector is back, and comes again with another key.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import type { ServiceFile } from "../validate/service-file.ts";
import type { Profile } from "./arguments.ts";
import type { Check } from "./check.ts";
import { comesAbout } from "./comes-about.ts";
import { type Life, type Line, rehearse, STOP_MAX_MS, start } from "./container.ts";
import { containerSpec } from "./container-spec.ts";
import { makeNode, makeSources, type Overlay, overlay } from "./image.ts";
import type { Abilities } from "./machine.ts";
import { type Memory, readConfinement, readMemory } from "./process-facts.ts";
import type { Site } from "./site.ts";
import { idleLinesMax, keptReports, malformedLines } from "./speech.ts";

/** What a profile is played with. */
export interface Play {
  readonly profile: Profile;
  readonly service: ServiceFile;
  readonly abilities: Abilities;
  /** The container's root, mounted read-only. */
  readonly lower: string;
  readonly folder: string;
  /** Name of the run, which no other run has: control groups begin with it. */
  readonly run: string;
  readonly certificates: string;
  readonly site: Site;
  readonly clock: Clock;
  /** How long an agent runs before its memory is read, ms. */
  readonly settleMs: number;
}

/** How long an agent may take to start, and what follows from that, ms. */
const START_MAX_MS = 15_000;
const COMES_ABOUT_MAX_MS = 20_000;
const LOOK_EVERY_MS = 100;
/**
 * How long until a node that comes again has connected, ms. Without a disk its id must have been silent for 30 s first, and its agent's next
 * attempt comes up to 15 s later; half a minute for a busy machine.
 */
const RETURN_MAX_MS = { withKey: COMES_ABOUT_MAX_MS, withoutKey: 75_000 };
const waiting = (clock: Clock) => ({ clock, withinMs: COMES_ABOUT_MAX_MS, everyMs: LOOK_EVERY_MS });

/** How long the collector is away, ms: a window of 10 s ends meanwhile, wherever it began. */
const OUTAGE_MS = 11_000;

/** Goal and bound of the proportional set size, bytes. */
export const PSS_GOAL_BYTES = 48 * 1024 * 1024;
export const PSS_MAX_BYTES = 64 * 1024 * 1024;

const MIB = 1024 * 1024;

/** A node's folder, the container's overlay, and what runc itself writes there. */
interface Place {
  readonly name: string;
  readonly overlay: Overlay;
  readonly before: ReadonlyMap<string, string>;
  /** The state on the node's disk; undefined: there is none. */
  readonly state: string | undefined;
  begin(environment: Readonly<Record<string, string>>): Promise<Life>;
}

type Tell = (name: string, isRight: boolean, seen: string) => void;

/** Plays a profile. Checks are told as they are made; throws a VerifyError when it cannot go on. */
export async function playProfile(play: Play, tell: (check: Check) => void): Promise<void> {
  const told: Tell = (name, isRight, seen) => tell({ of: play.profile, name, isRight, seen });
  const [idle, enrolled] = [await makePlace(play, "idle", told), await makePlace(play, "enrolled", told)];
  const idleStart = await playStart(play, idle, told);
  const firstLife = await playEnrolment(play, enrolled, told);
  const idleLife = await idle.begin({});
  await playOutage(play, enrolled, firstLife, told);
  await playQuiet(play, idle, idleStart, idleLife, told);
  tellWritten(idle, told);
  tellWritten(enrolled, told);
}

async function makePlace(play: Play, name: string, tell: Tell): Promise<Place> {
  const { profile, service, abilities, folder } = play;
  const node = join(folder, name, "node");
  makeNode(node, play.certificates);
  const made = makeSources(
    node,
    service.container.mounts.map(({ source }) => source),
  );
  const modes = made.map(
    (source) => `${source} ${(statSync(join(node, source)).mode & 0o777).toString(8).padStart(4, "0")}`,
  );
  if (name === "idle") tell("mount sources", true, `made as Talos makes them: ${modes.join(", ") || "none"}`);
  const over = await overlay(play.lower, join(folder, name));
  const cgroup = `/${play.run}-${profile}-${name}`;
  const spec = (environment: Readonly<Record<string, string>>) =>
    containerSpec({ service, profile, abilities, root: over.root, node, environment, cgroup });
  const at = join(folder, name, "bundle");
  await rehearse(spec({}), at);
  const state = service.container.mounts.find(({ options }) => !options.includes("ro"))?.source;
  return {
    name,
    overlay: over,
    before: over.written(),
    state: state === undefined ? undefined : join(node, state),
    begin: (environment) => start(spec(environment), at, `${profile.replace(".", "-")}-${name}`, play.clock),
  };
}

const ms = (ns: number) => Math.round(ns / NS_PER_MS);

/** Resolves with what it said of itself. */
async function playStart(play: Play, place: Place, tell: Tell): Promise<Line> {
  const life = await place.begin({});
  const line = await life.says("agent started", START_MAX_MS);
  await pause(play.clock, play.settleMs);
  const how = `ready in ${ms(line.atNs - life.startedNs)} ms without configuration and network, id from ${line.value?.["idSource"]}`;
  tell("starts", life.isAlive(), `${how}; ${life.isAlive() ? "stays up" : `ended: ${life.complained()}`}`);
  tellConfinement(play, life, tell);
  tellMemory("memory idle", readMemory(life.pid), tell);
  await tellStop("stop idle", life, tell);
  return line;
}

function tellConfinement({ profile, abilities }: Play, life: Life, tell: Tell): void {
  const seen = readConfinement(life.pid);
  const own = ["ipc", "mnt", "pid", "uts"].filter((name) => name !== "ipc" || profile === "v1.12");
  const isRight =
    seen.noNewPrivileges &&
    seen.seccomp === (abilities.seccomp === undefined ? 0 : 2) &&
    seen.ownNamespaces.join() === own.join() &&
    (profile !== "v1.12" || seen.openFilesMax === "1024");
  const words = `own namespaces ${seen.ownNamespaces.join(" ")}, no new privileges ${seen.noNewPrivileges}, seccomp ${seen.seccomp}`;
  tell("confined", isRight, `${words}, open files ${seen.openFilesMax}, oom_score_adj ${seen.oomScoreAdj}`);
}

async function tellStop(name: string, life: Life, tell: Tell): Promise<void> {
  const { tookMs, status } = await life.stop();
  tell(name, status === 0 && tookMs < STOP_MAX_MS, `SIGTERM: exit ${status} after ${Math.round(tookMs)} ms`);
}

function tellMemory(name: string, { pssBytes, fileBytes }: Memory, tell: Tell): void {
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  const isRight = pssBytes > 0 && pssBytes <= PSS_MAX_BYTES;
  tell(
    name,
    isRight,
    `PSS ${mib(pssBytes)} MiB, ${mib(fileBytes)} of it files; goal ${mib(PSS_GOAL_BYTES)}, at most ${mib(PSS_MAX_BYTES)}`,
  );
}

async function playEnrolment(play: Play, place: Place, tell: Tell): Promise<Life> {
  const { site, clock, settleMs } = play;
  site.forget();
  const life = await place.begin({
    ...(await site.invite(place.state !== undefined)),
    LIFELINE_LOG_LEVEL: "debug",
    LIFELINE_NODE_ID: nodeIdOf(play),
  });
  await life.says("connected", COMES_ABOUT_MAX_MS);
  await comesAbout(site.knockedNs, (atNs) => atNs !== undefined, waiting(clock));
  const knockedNs = site.knockedNs();
  const first =
    knockedNs === undefined ? "no sample" : `first sample ${ms(knockedNs - life.startedNs)} ms after the start`;
  tell(
    "enrols",
    knockedNs !== undefined,
    `with a join token in its environment, over TLS; ${first}, enrolment and plan with it`,
  );
  await pause(clock, settleMs);
  tellMemory("memory measuring", readMemory(life.pid), tell);
  return life;
}

async function playOutage(play: Play, place: Place, life: Life, tell: Tell): Promise<void> {
  const { site, clock } = play;
  await site.stopCollector();
  const before = sum(keptReports(life.lines));
  await pause(clock, OUTAGE_MS);
  const during = sum(keptReports(life.lines)) - before;
  tell(
    "outage",
    during > 0 && life.isAlive(),
    `collector away for ${OUTAGE_MS / 1_000} s: ${during} reports sealed and kept meanwhile`,
  );
  if (place.state === undefined) {
    await site.startCollector();
    await comesAbout(() => askArrivals(play, [life]), hasArrived, waiting(clock));
    await tellStop("stop", life, tell);
  } else {
    const { tookMs, status } = await life.stop();
    const held = spoolBytes(place.state);
    const isStopped = status === 0 && tookMs < STOP_MAX_MS;
    tell(
      "stop",
      isStopped && held > 0,
      `SIGTERM, collector away: exit ${status} after ${Math.round(tookMs)} ms, ${held} bytes in the spool`,
    );
    await site.startCollector();
  }
  const again = await playReturn(play, place, life, tell);
  await tellArrivals(play, [life, again], tell);
  await tellStop("stop connected", again, tell);
  const lines = [...life.lines, ...again.lines];
  tellSpeech("speech enrolled", lines, life.complained() + again.complained(), tell);
}

/** The same node again: with the key it has on its disk, or with another of the same id. */
async function playReturn(play: Play, place: Place, before: Life, tell: Tell): Promise<Life> {
  const { site, clock } = play;
  const nodeId = nodeIdOf(play);
  const hasKey = place.state !== undefined;
  const keyBefore = await site.keySha256(nodeId);
  site.forget();
  const again = await place.begin({ ...site.remind(), LIFELINE_LOG_LEVEL: "debug", LIFELINE_NODE_ID: nodeId });
  await again.says("connected", hasKey ? RETURN_MAX_MS.withKey : RETURN_MAX_MS.withoutKey);
  await comesAbout(site.knockedNs, (atNs) => atNs !== undefined, waiting(clock));
  const knocked = ms((site.knockedNs() ?? Number.NaN) - again.startedNs);
  const what = hasKey ? "knows its plan" : "waits until its id has been silent, and knows nothing of before";
  tell("first sample", Number.isFinite(knocked), `${knocked} ms after the start of a node that ${what}`);
  const keyAfter = await site.keySha256(nodeId);
  const isHeld = keyBefore !== undefined && keyAfter !== undefined;
  const isSameKey = keyAfter === keyBefore;
  const [was, is] = [before, again].map(
    (each) => each.lines.find(({ value }) => value?.["msg"] === "agent started")?.value?.["nodeId"],
  );
  const key = isHeld ? `${isSameKey ? "the same" : "another"} key` : "no key on record";
  const how = `${hasKey ? "without a" : "by an ephemeral"} token and with ${key}`;
  tell("restart", isHeld && isSameKey === hasKey && was === is, `came again ${how} as ${is}, was ${was}`);
  return again;
}

interface Arrivals {
  readonly lives: number;
  readonly kept: ReturnType<typeof keptReports>;
  readonly boots: Awaited<ReturnType<Site["boots"]>>;
}

async function askArrivals({ site, ...play }: Play, lives: readonly Life[]): Promise<Arrivals> {
  const kept = keptReports(lives.flatMap(({ lines }) => lines));
  return { lives: lives.length, kept, boots: await site.boots(nodeIdOf(play)) };
}

/** Whether all that was said to be kept, in every life, is stored. */
function hasArrived({ lives, kept, boots }: Arrivals): boolean {
  return kept.size === lives && [...kept].every(([id, sequences]) => arrived(boots, id) >= Math.max(...sequences));
}

/** Every report that either life says to have kept until now is in the store, once, and none is missing between. */
async function tellArrivals(play: Play, lives: readonly Life[], tell: Tell): Promise<void> {
  const last = await comesAbout(() => askArrivals(play, lives), hasArrived, waiting(play.clock));
  const parts = last.boots.map(({ firstSequence, lastSequence, reports, missing, duplicates }) => {
    return `${reports} of ${firstSequence} to ${lastSequence}, ${missing} missing, ${duplicates} sent twice and counted once`;
  });
  const isWhole = last.boots.every(
    (boot) => boot.missing === 0 && boot.reports === boot.lastSequence - boot.firstSequence + 1,
  );
  tell("reports", isWhole && hasArrived(last), `${sum(last.kept)} kept in two lives; stored: ${parts.join("; ")}`);
}

function arrived(boots: Awaited<ReturnType<Site["boots"]>>, bootId: string): number {
  return boots.find((boot) => boot.bootId === bootId)?.lastSequence ?? -1;
}

async function playQuiet({ clock }: Play, place: Place, before: Line, life: Life, tell: Tell): Promise<void> {
  const afterMs = (clock.monotonicNs() - life.startedNs) / NS_PER_MS;
  const most = idleLinesMax(afterMs);
  const said = `${life.lines.length} lines in ${Math.round(afterMs / 1_000)} s, at most ${most}`;
  tell("quiet", life.isAlive() && life.lines.length <= most, life.isAlive() ? said : `it ended: ${life.complained()}`);
  const lacks = life.lines.find(({ value }) => value?.["status"] === "credentials");
  tell("told enough", lacks === undefined, lacks?.text ?? "lacks nothing that its image should bring");
  const id = life.lines.find(({ value }) => value?.["msg"] === "agent started")?.value?.["nodeId"];
  const was = before.value?.["nodeId"];
  // A random id is kept on a disk, or for one start.
  const isKept = place.state !== undefined || before.value?.["idSource"] === "product-uuid";
  const seen = `came again as ${id}, was ${was}${isKept ? "" : "; it has neither a UUID of its firmware nor a disk"}`;
  tell("same node", id !== undefined && (id === was) === isKept, seen);
  await tellStop("stop again", life, tell);
  tellSpeech("speech idle", life.lines, life.complained(), tell);
}

function tellSpeech(name: string, lines: Life["lines"], complained: string, tell: Tell): void {
  const wrong = [...malformedLines(lines), ...(complained === "" ? [] : [`stderr: ${complained.slice(0, 300)}`])];
  const seen =
    wrong.length === 0
      ? `${lines.length} lines of JSON with msg, level and time, nothing else`
      : wrong.slice(0, 3).join(" | ");
  tell(name, wrong.length === 0 && lines.length > 0, seen);
}

function tellWritten({ name, overlay: over, before }: Place, tell: Tell): void {
  const changed = [...over.written()].filter(([path, what]) => before.get(path) !== what).map(([path]) => path);
  const seen =
    changed.length === 0
      ? "nothing outside the state, /run and /dev/shm"
      : `written: ${changed.slice(0, 5).join(", ")}`;
  tell(`writes ${name}`, changed.length === 0, seen);
}

/** Each profile is another node to the one collector: the machine's own id would be the same for both. */
function nodeIdOf({ profile }: Pick<Play, "profile">): string {
  return `extension-${profile.replace(".", "-")}`;
}

function spoolBytes(state: string): number {
  const spool = join(state, "spool");
  if (!existsSync(spool)) return 0;
  return readdirSync(spool).reduce((all, name) => all + statSync(join(spool, name)).size, 0);
}

function sum(kept: ReadonlyMap<string, ReadonlySet<number>>): number {
  return [...kept.values()].reduce((all, { size }) => all + size, 0);
}
