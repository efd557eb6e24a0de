/** Attacks by a holder of a node's credentials, real or forged: report for other nodes. */
import { randomBytes } from "node:crypto";
import { TestCa } from "@lifeline/harness";
import { RpcStatus } from "@lifeline/rpc";
import { type Attack, type Claim, outcomeOf } from "../attack.ts";
import { isRefusedWith, refusalOf, said } from "./refusal.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const impersonating: readonly Attack[] = [
  {
    name: "impersonate-node",
    position: "node",
    tries: "says hello for another node under its own certificate",
    async run(testBed) {
      const token = await testBed.token({ usesMax: 2 });
      const thief = await testBed.enrol(token, "thief-1");
      const victim = await testBed.enrol(token, "victim-1");
      const honest = await testBed.openStream(testBed.client(victim), "victim-1");
      const { first } = await testBed.openStream(testBed.client(thief), "victim-1");
      await honest.report(1);
      const { acked } = await honest.answered(1);
      return outcomeOf(
        [`the thief: ${said(first)}`, isRefusedWith(first, RpcStatus.PERMISSION_DENIED)],
        [`the victim goes on: ${acked} of 1 reports acknowledged`, acked === 1],
      );
    },
  },
  {
    name: "impersonate-key",
    position: "node",
    tries: "enrols a key of its own under the id of a node that is enrolled, with a good token",
    async run(testBed) {
      const token = await testBed.token({ usesMax: 2 });
      const victim = await testBed.enrol(token, "victim-2");
      const taken = await refusalOf(testBed.enrol(token, "victim-2"));
      const { first } = await testBed.openStream(testBed.client(victim), "victim-2");
      const { enrolments } = await testBed.collector.admin((client, by) =>
        client.unary("listEnrolments", { nodeId: "victim-2" }, by),
      );
      const claims = enrolments[0]?.refusedClaims ?? 0;
      return outcomeOf(
        [`the second key: ${said(taken)}`, isRefusedWith(taken, RpcStatus.ALREADY_EXISTS)],
        [`the first: ${said(first)}`, first === "let in"],
        [`claims on record: ${claims}`, claims === 1],
      );
    },
  },
  {
    name: "other-ca",
    position: "port",
    tries: "reports for a node under a certificate of its name that another CA has signed",
    async run(testBed) {
      await testBed.enrol(await testBed.token(), "victim-3");
      const forged = await (await TestCa.create("forged", testBed.clock, HOUR_MS)).node("victim-3");
      const keys = { publicKeyDer: forged.publicKeyDer, privateKeyPem: forged.keyPem };
      const { first } = await testBed.openStream(testBed.client({ certPem: forged.certPem, keys }), "victim-3");
      return outcomeOf([said(first), isRefusedWith(first, RpcStatus.UNAUTHENTICATED)]);
    },
  },
  {
    name: "revoked-stream",
    position: "node",
    tries: "keeps reporting on a stream that was open when its node was revoked",
    async run(testBed) {
      const stolen = await testBed.enrol(await testBed.token(), "stolen-1");
      const stream = await testBed.openStream(testBed.client(stolen), "stolen-1");
      const { endedStreams } = await testBed.collector.admin((client, by) =>
        client.unary("revokeNode", { nodeId: "stolen-1" }, by),
      );
      const end = await stream.end;
      return outcomeOf(
        [`streams ended: ${endedStreams}`, endedStreams === 1],
        [`its end: ${said(end ?? "ended well")}`, isRefusedWith(end, RpcStatus.PERMISSION_DENIED)],
      );
    },
  },
  {
    name: "revoked-key",
    position: "node",
    tries:
      "reconnects, renews and enrols again with the copied key of a revoked node, also after its id was readmitted",
    async run(testBed) {
      const token = await testBed.token({ usesMax: 3 });
      const stolen = await testBed.enrol(token, "stolen-2");
      // Tries each way in and names it in the result.
      const tryAll = async (when: string): Promise<readonly Claim[]> => {
        const outcomes = [
          ["a stream", (await testBed.openStream(testBed.client(stolen), "stolen-2")).first],
          ["a renewal", await refusalOf(testBed.renew(stolen, "stolen-2"))],
          ["an enrolment", await refusalOf(testBed.enrol(token, "stolen-2", { keys: stolen.keys }))],
        ] as const;
        return outcomes.map(([what, outcome]) => [
          `${what} ${when}: ${said(outcome)}`,
          isRefusedWith(outcome, RpcStatus.PERMISSION_DENIED),
        ]);
      };
      const couldRenew = await refusalOf(testBed.renew(stolen, "stolen-2"));
      await testBed.collector.admin((client, by) => client.unary("revokeNode", { nodeId: "stolen-2" }, by));
      const revoked = await tryAll("once revoked");
      await testBed.collector.admin((client, by) => client.unary("readmitNode", { nodeId: "stolen-2" }, by));
      const readmitted = await tryAll("once readmitted");
      return outcomeOf([`a renewal before: ${said(couldRenew)}`, couldRenew === "OK"], ...revoked, ...readmitted);
    },
  },
  {
    name: "replay-report",
    position: "node",
    tries: "sends a report twice under its key, then other bytes under the same key",
    async run(testBed) {
      const node = await testBed.enrol(await testBed.token(), "replayer-1");
      const bootId = randomBytes(16);
      const stream = await testBed.openStream(testBed.client(node), "replayer-1", { bootId });
      for (const sealedAtMs of [1_000, 1_000, 2_000]) await stream.report(1, { sealedAtMs });
      const { acked } = await stream.answered(3);
      const { reports, duplicates } = await testBed.stored("replayer-1");
      return outcomeOf(
        [`${acked} of 3 acknowledged`, acked === 3],
        [`${reports} counted, ${duplicates} known as come again`, reports === 1 && duplicates === 2],
      );
    },
  },
  {
    name: "replay-as-other",
    position: "node",
    tries: "sends a report with the boot and sequence of another node's report",
    async run(testBed) {
      const token = await testBed.token({ usesMax: 2 });
      const victim = await testBed.enrol(token, "victim-4");
      const thief = await testBed.enrol(token, "thief-4");
      const bootId = randomBytes(16);
      const own = await testBed.openStream(testBed.client(victim), "victim-4", { bootId });
      await own.report(1);
      await own.answered(1);
      const copied = await testBed.openStream(testBed.client(thief), "thief-4", { bootId });
      await copied.report(1);
      await copied.report(2);
      await copied.answered(2);
      const [ofVictim, ofThief] = [await testBed.stored("victim-4"), await testBed.stored("thief-4")];
      return outcomeOf([
        `the victim has ${ofVictim.reports} and ${ofVictim.duplicates} again, the thief its own ${ofThief.reports}`,
        ofVictim.reports === 1 && ofVictim.duplicates === 0 && ofThief.reports === 2,
      ]);
    },
  },
  {
    name: "future-dated-report",
    position: "node",
    tries: "dates a report two days ahead, to hide the reports that follow",
    async run(testBed) {
      const node = await testBed.enrol(await testBed.token(), "dater-1");
      const stream = await testBed.openStream(testBed.client(node), "dater-1");
      await stream.report(1, { sealedAtMs: testBed.clock.wallMs() + 2 * DAY_MS });
      await stream.report(2);
      const { acked } = await stream.answered(2);
      const counted = /^lifeline_collector_reports_future_dated_total (\d+)$/m.exec(await testBed.metrics())?.[1];
      return outcomeOf([
        `${acked} of 2 acknowledged, ${counted} of them counted as dated ahead`,
        acked === 2 && counted === "1",
      ]);
    },
  },
  {
    name: "oversized-message",
    position: "node",
    tries: "sends a message of five megabytes",
    async run(testBed) {
      const node = await testBed.enrol(await testBed.token(), "large-1");
      const credentials = testBed.client(node);
      const stream = await testBed.openStream(credentials, "large-1", { isUnbounded: true });
      await stream.report(1, { bytes: new Uint8Array(5_000_000) }).catch(() => {});
      const end = await stream.end;
      const again = await testBed.openStream(credentials, "large-1");
      await again.report(2);
      const { acked } = await again.answered(1);
      return outcomeOf(
        [`its stream: ${said(end ?? "ended well")}`, isRefusedWith(end, RpcStatus.RESOURCE_EXHAUSTED)],
        [`its next one goes on: ${acked} acknowledged`, acked === 1],
      );
    },
  },
];
