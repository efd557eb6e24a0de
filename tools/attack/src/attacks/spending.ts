/** Attacks with a node's credentials: use more of the collector than one node's share. */
import { pause } from "@lifeline/measure";
import { encodeReport, MAX_TARGETS_PER_NODE, NO_SELF_METRICS } from "@lifeline/wire";
import { type Attack, outcomeOf } from "../attack.ts";
import { SOURCES } from "../play-flood.ts";
import { within } from "../poll.ts";
import { seriesIn, type TestBed } from "../test-bed.ts";
import { windowFor } from "../windows.ts";

/** The most that a report may hold. */
const WINDOWS = 1_024;

/** How often the collector's metrics are read, ms: they cost it time that honest nodes wait for. */
const LOOK_EVERY_MS = 100;

/** Counts hellos whose targets are more than a node may have in a day. */
const LEFT_OUT = 'lifeline_collector_overflows_total{what="targets"}';

/** Re-hellos the node sends, and resolvers in each. */
const HELLOS = 40;
const RESOLVERS = 16;

/**
 * Label sets of one metric that a node may make in a day: the targets it may have within one, and its rows without any.
 */
const SERIES_MAX = MAX_TARGETS_PER_NODE + 64;

async function reportsOf(testBed: TestBed, nodeId: string, windows: number, reads: boolean) {
  const { certPem, keys } = await testBed.node(nodeId);
  const stream = await testBed.openStream(testBed.client({ certPem, keys }), nodeId);
  const { targets } = stream;
  stream.close();
  const nowMs = testBed.clock.wallMs();
  const seen = { reason: "timeout", evidence: { code: "ETIMEDOUT", address: "192.0.2.1" }, attempts: 5 } as const;
  const each = targets.map((target) => windowFor(target, nowMs, seen));
  const all = Array.from({ length: windows }, (_, at) => each[at % each.length]).filter((one) => one !== undefined);
  const report = Buffer.from(encodeReport({ sealedAtMs: nowMs, windows: all, selfMetrics: NO_SELF_METRICS })).toString(
    "base64",
  );
  const start = { kind: "tls", certPem, keyPem: keys.privateKeyPem } as const;
  const traffic = { kind: "reports", nodeId, report, reads } as const;
  const { calls } = await testBed.flood({ sources: SOURCES.slice(0, 1), connections: 1, again: false, start, traffic });
  let reports = 0;
  await within(testBed.clock, async () => {
    ({ reports } = await testBed.stored(nodeId));
    return reports > 0;
  });
  return { sent: calls, reports, bytes: Buffer.from(report, "base64").length };
}

export const spending: readonly Attack[] = [
  {
    name: "crowded-reports",
    position: "node",
    tries: `sends reports of ${WINDOWS} windows as fast as the collector reads them`,
    async run(testBed) {
      const { sent, reports, bytes } = await reportsOf(testBed, "crowd-1", WINDOWS, true);
      return outcomeOf([`${sent} reports of ${bytes} bytes sent, ${reports} stored`, reports > 0]);
    },
  },
  {
    name: "unread-acks",
    position: "node",
    tries: "sends reports over and over and reads no acknowledgement",
    async run(testBed) {
      const { sent, reports } = await reportsOf(testBed, "deaf-1", 1, false);
      return outcomeOf([`${sent} reports sent, ${reports} stored`, reports < sent]);
    },
  },
  {
    name: "changing-resolvers",
    position: "node",
    tries: `says hello ${HELLOS} times, each time with ${RESOLVERS} other resolvers`,
    async run(testBed) {
      const nodeId = "changing-1";
      const stream = await testBed.openStream(testBed.client(await testBed.node(nodeId)), nodeId);
      const seen = new Set<string>();
      let taken = 0;
      let text = "";
      for (let hello = 0; hello < HELLOS; hello += 1) {
        const resolvers = Array.from({ length: RESOLVERS }, (_, at) => `198.51.${hello}.${at + 1}`);
        const before = seriesIn(text, LEFT_OUT) || 0;
        await stream.hello({ resolvers });
        const isTaken = await within(testBed.clock, async () => {
          await pause(testBed.clock, LOOK_EVERY_MS);
          text = await testBed.metrics();
          return text.includes(`endpoint="198.51.${hello}.`) || seriesIn(text, LEFT_OUT) > before;
        });
        if (isTaken) taken += 1;
        for (const line of text.split("\n")) {
          if (line.startsWith("lifeline_requirement_verdict{") && line.includes(`node="${nodeId}"`))
            seen.add(line.slice(0, line.indexOf(",obligation=")));
        }
      }
      return outcomeOf(
        [`${taken} of ${HELLOS} hellos were judged by, or counted as left out`, taken === HELLOS],
        [`${seen.size} label sets of one metric`, seen.size > 0 && seen.size <= SERIES_MAX],
      );
    },
  },
];
