/** Attacks with a node's credentials: act as a CA, or report a time in the future. */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createFleetCa, makeKeyPair, openFleetCa } from "@lifeline/identity";
import { pause } from "@lifeline/measure";
import { RpcStatus, tlsCredentials } from "@lifeline/rpc";
import { type Attack, type Claim, outcomeOf } from "../attack.ts";
import { type ChainPems, chainBelowLeaf } from "../certificate-chain.ts";
import { CollectorProcess } from "../collector-process.ts";
import { EVENT_WITHIN_MS, within } from "../poll.ts";
import type { TestBed } from "../test-bed.ts";
import { isRefusedWith, said } from "./refusal.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const AHEAD_MS = 400 * DAY_MS;

/** How long until the retention job has looked at the nodes' clocks, ms: it does once a minute. */
const LOOKS_WITHIN_MS = 60_000 + EVENT_WITHIN_MS;
const LOOK_EVERY_MS = 1_000;

/** Most that a clock which two of five nodes lie about may be off, s. */
const OFF_MAX_S = 60;

/** A collector whose certificates another CA issues, and chains for its node victim-7 that it must not believe. */
async function openOwnPki({ clock, folder }: TestBed) {
  const nowMs = clock.wallMs();
  const make = async () => {
    const pems = await createFleetCa({ commonName: "own", nowMs, lifetimeMs: DAY_MS, randomBytes });
    return openFleetCa(pems.certPem, pems.keyPem, randomBytes);
  };
  const [ca, twin] = [await make(), await make()];
  const pairOf = async (issue: (publicKeyDer: Uint8Array) => Promise<{ readonly pem: string }>): Promise<ChainPems> => {
    const { publicKeyDer, privateKeyPem: keyPem } = makeKeyPair();
    return { certPem: (await issue(publicKeyDer)).pem, keyPem };
  };
  const times = { nowMs, lifetimeMs: HOUR_MS };
  const node = (nodeId: string, by = ca, when = times) =>
    pairOf((publicKeyDer) => by.issueNode({ nodeId, publicKeyDer, ...when }));
  const server = (name: string) => pairOf((publicKeyDer) => ca.issueServer({ names: [name], publicKeyDer, ...times }));
  const thief = await node("thief-7");
  const middle = chainBelowLeaf(thief, { subject: "between", isCa: true, nowMs });
  const chains = {
    "below a leaf": chainBelowLeaf(thief, { subject: "victim-7", isCa: false, nowMs }),
    "below a CA of a leaf's": chainBelowLeaf(middle, { subject: "victim-7", isCa: false, nowMs }),
    "of a CA of the same name": await node("victim-7", twin),
    expired: await node("victim-7", ca, { nowMs: nowMs - 2 * HOUR_MS, lifetimeMs: HOUR_MS }),
    "a listener's": await server("victim-7"),
  };
  const own = await server("127.0.0.1");
  const home = join(folder, "own-pki");
  mkdirSync(home);
  const collector = new CollectorProcess(home, { host: "127.0.0.1", pki: { ...own, caPem: ca.certPem } }, clock);
  await collector.start();
  return { collector, caPem: ca.certPem, victim: await node("victim-7"), chains };
}

export const pretending: readonly Attack[] = [
  {
    name: "leaf-as-issuer",
    position: "node",
    tries: "reports for another node under a certificate that it has signed with its own key",
    async run(testBed) {
      await testBed.node("victim-5");
      const { certPem: leafPem, keys } = await testBed.node("thief-5");
      const leaf = { certPem: leafPem, keyPem: keys.privateKeyPem };
      const forged = { subject: "victim-5", isCa: false, nowMs: testBed.clock.wallMs() };
      const { certPem, keyPem } = chainBelowLeaf(leaf, forged);
      const pair = { certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem) };
      const { first } = await testBed.openStream(tlsCredentials({ caPem: testBed.caPem, pair }), "victim-5");
      return outcomeOf([said(first), isRefusedWith(first, RpcStatus.UNAUTHENTICATED)]);
    },
  },
  {
    name: "odd-chains",
    position: "node",
    tries: "reports for another node of the operator's own PKI by chains with one defect each",
    async run(testBed) {
      const pki = await openOwnPki(testBed);
      const { collector, victim, chains } = pki;
      const { address } = collector;
      const streamBy = async ({ certPem, keyPem }: ChainPems) => {
        const pair = { certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem) };
        return (await testBed.openStream(tlsCredentials({ caPem: pki.caPem, pair }), "victim-7", { address })).first;
      };
      try {
        const honest = await streamBy(victim);
        const claims: Claim[] = [[`a right one: ${said(honest)}`, honest === "let in"]];
        for (const [what, chain] of Object.entries(chains)) {
          const first = await streamBy(chain);
          claims.push([`${what}: ${said(first)}`, isRefusedWith(first, RpcStatus.UNAUTHENTICATED)]);
        }
        return outcomeOf(...claims);
      } finally {
        await collector.close();
      }
    },
  },
  {
    name: "lying-clock",
    position: "node",
    tries:
      "shifts the clocks of two of five nodes 400 days ahead, so that the collector prunes the reports of the others",
    async run(testBed) {
      const before = await testBed.stored("bystander-1");
      const aheadMs = testBed.clock.wallMs() + AHEAD_MS;
      for (const nodeId of ["ahead-1", "ahead-2"]) {
        const credentials = testBed.client(await testBed.node(nodeId));
        const liar = await testBed.openStream(credentials, nodeId, { hello: { sentUnixMs: BigInt(aheadMs) } });
        await liar.report(1, { sealedAtMs: aheadMs, sentAtMs: aheadMs });
        await liar.answered(1);
      }
      let offsetS = Number.NaN;
      const hasLooked = async () => {
        await pause(testBed.clock, LOOK_EVERY_MS);
        offsetS = await testBed.series("lifeline_collector_clock_offset_seconds");
        return !Number.isNaN(offsetS);
      };
      await within(testBed.clock, hasLooked, LOOKS_WITHIN_MS);
      const after = await testBed.stored("bystander-1");
      const pruned = await testBed.series("lifeline_collector_pruned_rows_total");
      return outcomeOf(
        [`the fleet's clock is ${offsetS} s from the collector's`, Math.abs(offsetS) < OFF_MAX_S],
        [`${pruned} rows are pruned`, pruned === 0],
        [`another's reports: ${before.reports}, then ${after.reports}`, after.reports >= before.reports],
      );
    },
  },
];
