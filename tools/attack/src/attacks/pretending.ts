/** By whoever has a node's credentials: to be an authority, or to be later than it is. */
import { pause } from "@lifeline/measure";
import { RpcStatus, tlsCredentials } from "@lifeline/rpc";
import { type Attack, outcomeOf } from "../attack.ts";
import { chainBelowLeaf } from "../certificate-chain.ts";
import type { Stage } from "../stage.ts";
import { isRefusedWith, said } from "./refusal.ts";

const AHEAD_MS = 400 * 24 * 3_600_000;

/** How long until the retention job has looked at the nodes' clocks, ms: it does once a minute. */
const LOOKS_WITHIN_MS = 65_000;
const LOOK_EVERY_MS = 1_000;

/** Most that a clock which two of five nodes lie about may be off, s. */
const OFF_MAX_S = 60;

/** A series of the collector; not a number where it has none. */
async function seriesOf(stage: Stage, name: string): Promise<number> {
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await stage.metrics())?.[1]);
}

export const pretending: readonly Attack[] = [
  {
    name: "leaf-as-issuer",
    standing: "node",
    tries: "speaks for another node under a certificate that it has signed with its own key",
    async run(stage) {
      await stage.node("victim-5");
      const { certPem: leafPem, keys } = await stage.node("thief-5");
      const { certPem, keyPem } = chainBelowLeaf(leafPem, keys.privateKeyPem, "victim-5", stage.clock.wallMs());
      const pair = { certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem) };
      const { first } = await stage.speak(tlsCredentials({ caPem: stage.authorityPem, pair }), "victim-5");
      return outcomeOf([said(first), isRefusedWith(first, RpcStatus.UNAUTHENTICATED)]);
    },
  },
  {
    name: "lying-clock",
    standing: "node",
    tries: "says with two of five nodes that it is 400 days later, so that what others reported is forgotten",
    async run(stage) {
      const before = await stage.stored("bystander-1");
      const aheadMs = stage.clock.wallMs() + AHEAD_MS;
      for (const nodeId of ["ahead-1", "ahead-2"]) {
        const credentials = stage.client(await stage.node(nodeId));
        const liar = await stage.speak(credentials, nodeId, { hello: { sentUnixMs: BigInt(aheadMs) } });
        await liar.report(1, { sealedAtMs: aheadMs, sentAtMs: aheadMs });
        await liar.answered(1);
      }
      let offsetS = Number.NaN;
      for (let waitedMs = 0; waitedMs < LOOKS_WITHIN_MS && Number.isNaN(offsetS); waitedMs += LOOK_EVERY_MS) {
        await pause(stage.clock, LOOK_EVERY_MS);
        offsetS = await seriesOf(stage, "lifeline_collector_clock_offset_seconds");
      }
      const after = await stage.stored("bystander-1");
      const pruned = await seriesOf(stage, "lifeline_collector_pruned_rows_total");
      return outcomeOf(
        [`the fleet's clock is ${offsetS} s from the collector's`, Math.abs(offsetS) < OFF_MAX_S],
        [`${pruned} rows are forgotten`, pruned === 0],
        [`another's reports: ${before.reports}, then ${after.reports}`, after.reports >= before.reports],
      );
    },
  },
];
