import { deploymentFrom, parseCatalogue } from "@lifeline/catalogue";
import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { createSelfMetrics } from "../export/self-metrics.ts";
import { Fleet } from "../fleet/fleet.ts";
import type { Judging } from "../judging/judging.ts";
import type { Store } from "../store/store.ts";
import { catalogueOf, requirementRow } from "../testing/deployment-fixture.ts";
import { BOOT } from "../testing/node-fixture.ts";
import { reportBytes } from "../testing/report-fixture.ts";
import { BacklogLimiter } from "./backlog-limiter.ts";
import { NodeScheduler } from "./node-scheduler.ts";
import { ReportPipeline } from "./report-pipeline.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** A promise that tells how many wait for it, and what resolves it. */
function countedRoom() {
  const { promise, resolve } = Promise.withResolvers<void>();
  let waiting = 0;
  const counted = Object.assign(promise, {
    // biome-ignore lint/suspicious/noThenProperty: a promise whose reactions are counted.
    then(...reactions: Parameters<typeof promise.then>) {
      waiting += 1;
      return Promise.prototype.then.apply(promise, reactions);
    },
  });
  return { promise: counted, resolve, waiting: () => waiting };
}

/** A pipeline of a node without targets, before a store whose room the test makes. */
function pipelineBefore(store: Pick<Store, "room">) {
  const clock = manualClock(Date.now());
  const catalogue = parseCatalogue(
    "test.yaml",
    catalogueOf(requirementRow("udp", "siderolink", "udp", "{ probe: udp, payloadBytes: 16 }")),
  );
  const deployment = deploymentFrom({ api: "https://127.0.0.1:8443", siderolink: [] });
  const fleet = new Fleet({ catalogue, deployment }, { onOverflow: () => {} });
  const facts = { nodeId: "n1", roles: [], families: [4 as const] };
  const described = { hostname: "h", agentVersion: "1", addresses: [], observedEndpoint: undefined };
  const node = fleet.admit({ facts, ...described }, clock.wallMs());
  if (node === undefined) throw new Error("no room");
  const selfMetrics = createSelfMetrics();
  const submitted: unknown[] = [];
  const submit = (_name: string, input: unknown) => Promise.resolve(submitted.push(input)).then(() => "stored");
  const parts = {
    judging: { touch: () => {} } as unknown as Judging,
    store: { ...store, submit } as unknown as Store,
    selfMetrics,
    backlog: new BacklogLimiter(() => 0),
    scheduler: new NodeScheduler(clock),
    clock,
  };
  const acked: bigint[] = [];
  const send = async ({ message }: Parameters<ConstructorParameters<typeof ReportPipeline>[1]>[0]) => {
    if (message?.case === "ack") acked.push(...(message.value.reports ?? []).map(({ sequence }) => sequence ?? 0n));
  };
  const pipeline = new ReportPipeline(parts, send, () => {});
  const report = reportBytes({ sealedAtMs: clock.wallMs() });
  const take = (sequence: number) => {
    const value = { bootId: BOOT, sequence: BigInt(sequence), report, sentUnixMs: 0n };
    return pipeline.take(node, { $typeName: "lifeline.v1.ReportEnvelope", ...value });
  };
  const overflows = async () =>
    (await selfMetrics.overflows.get()).values.map(({ labels, value }) => [labels.what, value]);
  return { pipeline, take, acked, submitted, overflows };
}

/** As many as make a pipeline full. */
const MOST = 64;

describe("a pipeline whose reports wait for room in the store", () => {
  it("waits for each room once, however many of its reports wait, and counts each report once", async () => {
    const rooms = [countedRoom(), countedRoom()];
    let at = 0;
    const { pipeline, take, acked, submitted, overflows } = pipelineBefore({ room: () => rooms[at]?.promise });
    for (let sequence = 1; sequence < MOST; sequence++) await take(sequence);
    let isReadOn = false;
    const last = take(MOST).then(() => {
      isReadOn = true;
    });
    await nextTurn();
    for (const room of rooms) {
      // Those that the room before woke have found none.
      await nextTurn();
      expect(room.waiting()).toBe(1);
      expect({ isReadOn, submitted }).toEqual({ isReadOn: false, submitted: [] });
      at += 1;
      room.resolve();
    }
    await last;
    await pipeline.settled();
    expect(acked).toHaveLength(MOST);
    expect(await overflows()).toEqual([["store-queue", MOST]]);
  });

  it("takes no more room than there is, though all are woken", async () => {
    let free = 0;
    let room = countedRoom();
    const { pipeline, take, submitted } = pipelineBefore({
      room: () => (submitted.length < free ? undefined : room.promise),
    });
    for (let sequence = 1; sequence <= 3; sequence++) await take(sequence);
    for (free = 1; free <= 3; free++) {
      const { resolve } = room;
      room = countedRoom();
      resolve();
      await nextTurn();
      expect(submitted).toHaveLength(free);
    }
    await pipeline.settled();
  });

  it("is done with its waits when its stream has ended", async () => {
    const room = countedRoom();
    const { pipeline, take } = pipelineBefore({ room: () => room.promise });
    for (let sequence = 1; sequence < MOST; sequence++) await take(sequence);
    const last = take(MOST);
    await nextTurn();
    pipeline.close();
    await last;
    await pipeline.settled();
  });
});
