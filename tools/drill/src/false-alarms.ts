/**
 * A quiet period. The only fault is 0.1 % random loss on the path of the first nodes. Nothing may alarm, and the probes
 * must not disturb the tunnel's own traffic.
 *
 * The hidden node is the control. Its agent is stopped, and its tunnel carries the same stream as the tunnel of the
 * measured node before it. The measured node's path loses nothing. So the probes cause whatever loss or extra
 * handshakes the measured tunnel shows beyond the control.
 */
import { createInterface } from "node:readline";
import { SIDEROLINK_PORT, TUNNEL_OMNI_ADDRESS } from "@lifeline/lab";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { isFailing } from "./collector-answer.ts";
import { DrillError } from "./drill-error.ts";
import { ECHO } from "./lab-programs.ts";
import type { LabNode, TestBed } from "./test-bed.ts";

/** Random loss on the path of the nodes that are watched for alarms, ratio. */
export const QUIET_LOSS_RATIO = 0.001;

/** Something that alarmed. */
export interface Alarm {
  readonly node: string;
  readonly requirement: string;
  readonly target: string | null;
  readonly verdict: string;
  readonly cause: string | null;
  readonly evidence: string;
  /** When, s since the quiet began. */
  readonly afterS: number;
}

/** What one tunnel's own traffic went through. */
export interface TunnelTraffic {
  readonly node: string;
  /** Datagrams of the stream that were sent, and those that did not come back. */
  readonly sent: number;
  readonly lost: number;
  /** Handshakes that the node began (WireGuard message type 1). */
  readonly handshakes: number;
}

/** The result of the quiet period. */
export interface FalseAlarms {
  readonly seconds: number;
  readonly lossRatio: number;
  readonly alarms: readonly Alarm[];
  readonly measuredTunnel: TunnelTraffic;
  readonly controlTunnel: TunnelTraffic;
  /** One line for each agent that exited unexpectedly, with its last output. */
  readonly unexpectedExits: readonly string[];
  /**
   * No alarm, no unexpected exit, no loss in the measured tunnel, and at most one handshake more than in the control.
   */
  readonly isQuiet: boolean;
}

/** Port of the echo inside the tunnel (RFC 862). */
const ECHO_PORT = 7;

/** Datagrams a second of a stream, and how long after its end the last answers are waited for, ms. */
const STREAM_PER_S = 20;
const STREAM_SETTLE_MS = 2_000;

/** How long the fleet settles before the quiet is counted, ms: one lookback, so that nothing from before is judged. */
const SETTLE_MS = 65_000;

const STREAM = `
  const [address, port, perS, seconds, settleMs] = process.argv.slice(1);
  const socket = require("node:dgram").createSocket("udp6");
  const back = new Set();
  let sent = 0;
  socket.on("message", (bytes) => back.add(bytes.readUInt32BE(0)));
  const tick = setInterval(() => {
    const bytes = Buffer.alloc(100);
    bytes.writeUInt32BE(sent++);
    socket.send(bytes, Number(port), address);
    if (sent < Number(perS) * Number(seconds)) return;
    clearInterval(tick);
    setTimeout(() => { console.log(JSON.stringify({ sent, lost: sent - back.size })); process.exit(); }, Number(settleMs));
  }, 1000 / Number(perS));`;

/** Runs the quiet for `seconds`, after `settleMs` that count for nothing. Everything it changed is undone. */
export async function runWithoutFaults(
  testBed: TestBed,
  seconds: number,
  { clock, interrupt, say }: { readonly clock: Clock; readonly interrupt: AbortSignal; say(line: string): void },
  settleMs: number = SETTLE_MS,
): Promise<FalseAlarms> {
  const control = testBed.hiddenNode;
  const measured = testBed.nodes.at(-2);
  if (measured === undefined || testBed.nodes.length < 3)
    throw new DrillError("cannot-run", "a quiet run needs three nodes");
  const lossy = testBed.nodes.slice(0, -2);
  await testBed.stopAgent(control);
  const faults = lossy.map(({ name }) => testBed.net.path(name, { kind: "loss", ratio: QUIET_LOSS_RATIO }));
  for (const fault of faults) await fault.inject();
  const echo = testBed.net.omni.spawn(process.execPath, ["-e", ECHO, TUNNEL_OMNI_ADDRESS, String(ECHO_PORT)]);
  try {
    await echo.hasSaid("listening");
    say(`settling for ${settleMs / 1_000} s, then ${seconds} s of quiet`);
    await pause(clock, settleMs, interrupt);
    await countHandshakes(testBed, [measured, control]);
    const [alarms, first, second] = await Promise.all([
      watchAlarms(testBed, seconds, clock, interrupt),
      stream(measured, seconds, interrupt),
      stream(control, seconds, interrupt),
    ]);
    const measuredTunnel = await trafficOf(testBed, measured, first);
    const controlTunnel = await trafficOf(testBed, control, second);
    const isUndisturbed = measuredTunnel.lost === 0 && measuredTunnel.handshakes <= controlTunnel.handshakes + 1;
    const unexpectedExits = testBed.unexpectedExits();
    const isQuiet = alarms.length === 0 && unexpectedExits.length === 0 && isUndisturbed;
    return { seconds, lossRatio: QUIET_LOSS_RATIO, alarms, measuredTunnel, controlTunnel, unexpectedExits, isQuiet };
  } finally {
    await echo.end();
    for (const fault of faults) await fault.clear();
    await testBed.restartAgent(control);
  }
}

/** The result in sentences. */
export function falseAlarmsText({
  seconds,
  lossRatio,
  alarms,
  measuredTunnel,
  controlTunnel,
  unexpectedExits,
}: FalseAlarms): string {
  const tunnel = ({ node, sent, lost, handshakes }: TunnelTraffic) =>
    `${node}: ${lost} of ${sent} datagrams lost, ${handshakes} handshakes begun`;
  return [
    `${seconds} s with ${lossRatio * 100} % random loss: ${alarms.length} alarms`,
    ...alarms.map(
      ({ afterS, node, requirement, cause, evidence }) => `  ${afterS} s ${node} ${requirement}: ${cause}; ${evidence}`,
    ),
    ...unexpectedExits,
    `tunnel with probes    ${tunnel(measuredTunnel)}`,
    `tunnel without probes ${tunnel(controlTunnel)}`,
    "",
  ].join("\n");
}

async function watchAlarms(
  testBed: TestBed,
  seconds: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly Alarm[]> {
  const startedNs = clock.monotonicNs();
  const alarms = new Map<string, Alarm>();
  const watched = new Set(testBed.nodes.filter((node) => node !== testBed.hiddenNode).map(({ name }) => name));
  await testBed.until(
    (rows) => {
      for (const row of rows) {
        const { node, requirement, targetId, target, verdict, cause, evidence } = row;
        const key = `${node} ${targetId ?? requirement} ${cause}`;
        if (!watched.has(node) || !isFailing(row) || alarms.has(key)) continue;
        const afterS = Math.round((clock.monotonicNs() - startedNs) / NS_PER_MS / 1_000);
        alarms.set(key, { node, requirement, target, verdict, cause, evidence, afterS });
      }
      return false;
    },
    seconds * 1_000,
    signal,
  );
  return [...alarms.values()];
}

/** Sends a stream through the node's tunnel and resolves with the stream's own counts. Rejects on an interrupt. */
async function stream(
  { host }: LabNode,
  seconds: number,
  interrupt: AbortSignal,
): Promise<{ sent: number; lost: number }> {
  const args = [TUNNEL_OMNI_ADDRESS, ECHO_PORT, STREAM_PER_S, seconds, STREAM_SETTLE_MS].map(String);
  const process_ = host.spawn(process.execPath, ["-e", STREAM, ...args], { rawOutput: true });
  interrupt.addEventListener("abort", () => void process_.end(), { once: true });
  for await (const line of createInterface({ input: process_.stdout })) {
    return JSON.parse(line) as { sent: number; lost: number };
  }
  throw new DrillError("not-started", `the stream of ${host.name} ended: ${process_.complained().slice(-400)}`);
}

/** Counts at the firewall the handshakes that each node begins: the message type is the first of four bytes. */
async function countHandshakes({ net }: TestBed, nodes: readonly LabNode[]): Promise<void> {
  const rules = nodes.map(({ name, host }) => {
    const match = `ip saddr ${host.outer.ipv4} udp dport ${SIDEROLINK_PORT} @th,64,32 0x01000000`;
    return `    ${match} counter comment "${name}"`;
  });
  await net.hop.nft(
    [
      "table inet handshakes {",
      "  chain count {",
      "    type filter hook forward priority -10;",
      ...rules,
      "  }",
      "}",
      "",
    ].join("\n"),
  );
}

async function trafficOf(
  { net }: TestBed,
  { name }: LabNode,
  counts: { sent: number; lost: number },
): Promise<TunnelTraffic> {
  const listed = await net.hop.run("nft", ["list", "table", "inet", "handshakes"]);
  const handshakes = Number(new RegExp(`packets (\\d+) bytes \\d+ comment "${name}"`).exec(listed)?.[1]);
  return { node: name, ...counts, handshakes };
}
