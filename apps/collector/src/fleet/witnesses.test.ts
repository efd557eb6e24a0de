import { manualClock } from "@lifeline/measure";
import { RpcStatus } from "@lifeline/rpc";
import { describe, expect, it } from "vitest";
import type { Node } from "./node.ts";
import { MAX_SOURCES } from "./witness-report.ts";
import { WitnessReceiver } from "./witness-service.ts";
import { GONE_AFTER_MS, MAX_WITNESSES, Witnesses } from "./witnesses.ts";

const START_MS = 1_800_000_000_000;

/** The part of a node that witnesses use. */
function nodeAt(nodeId: string, addresses: readonly string[], more: Partial<Node> = {}): Node {
  const session = { offerPlan() {}, end() {} };
  return { nodeId, addresses, peerAddress: undefined, session, clockOffsetMs: undefined, ...more } as Node;
}

function witnessed(nodes: readonly Node[], areProven = true) {
  const clock = manualClock(START_MS);
  let touched = 0;
  const byId = new Map(nodes.map((node) => [node.nodeId, node]));
  const witnesses = new Witnesses({ clock, nodes: byId, areProven });
  const receiver = new WitnessReceiver({ clock, witnesses, onReport: () => touched++ });
  const viewOf = (node: Node) => witnesses.viewOf(node);
  const counts = () => receiver.counts();
  const report = (sources: readonly [address: string, receivedAgoMs: number][], more: object = {}) => {
    const request = {
      witnessId: new Uint8Array(16).fill(1),
      port: 51_820,
      watchedMs: 60_000n,
      sources: sources.map(([address, ago]) => ({ address, port: 4_711, packets: 1n, receivedAgoMs: BigInt(ago) })),
      droppedSources: 0n,
      endpoints: [],
      ...more,
    };
    const context = {
      principal: undefined,
      peer: "",
      connection: undefined,
      bearerToken: undefined,
      signal: new AbortController().signal,
    };
    return Promise.resolve(receiver.service.witness(request as never, context));
  };
  return { clock, viewOf, counts, report, touched: () => touched };
}

describe("a witness's view of a node", () => {
  it("is when it last received from any of the node's addresses, in any notation, on the node's clock", async () => {
    const node = nodeAt("n1", ["192.0.2.1", "2001:db8::1"], { clockOffsetMs: 5_000 });
    const { viewOf, report } = witnessed([node]);
    await report([
      ["2001:DB8:0::1", 3_000],
      ["::ffff:192.0.2.1", 8_000],
      ["192.0.2.9", 0],
    ]);
    expect(viewOf(node)).toEqual({
      address: "2001:db8::1",
      watchingSinceMs: START_MS - 60_000 - 5_000,
      reportedAtMs: START_MS - 5_000,
      receivedAtMs: START_MS - 3_000 - 5_000,
      receivingSinceMs: START_MS - 3_000 - 5_000,
    });
  });

  it("begins anew after a pause of more than five seconds", async () => {
    const node = nodeAt("n1", ["192.0.2.1"]);
    const { viewOf, report, clock } = witnessed([node]);
    const sinceMs: unknown[] = [];
    for (const [afterMs, agoMs] of [
      [0, 0],
      [5_000, 0],
      [1_000, 1_000],
      [5_001, 0],
    ] as const) {
      clock.advance(afterMs);
      await report([["192.0.2.1", agoMs]]);
      sinceMs.push((viewOf(node)?.receivingSinceMs ?? 0) - START_MS);
    }
    expect(sinceMs).toEqual([0, 0, 0, 11_001]);
  });

  it("is that it received nothing, if it had room for every source", async () => {
    const node = nodeAt("n1", ["192.0.2.1"]);
    const { viewOf, report } = witnessed([node]);
    await report([["192.0.2.9", 0]]);
    expect(viewOf(node)).toMatchObject({ receivedAtMs: undefined });
    await report([["192.0.2.9", 0]], { droppedSources: 1n });
    expect(viewOf(node)).toBeUndefined();
  });

  it("is unknown for a shared address, without an address, and without a fresh witness", async () => {
    const [a, b] = [nodeAt("a", ["192.0.2.1"]), nodeAt("b", ["192.0.2.1"])];
    const { clock, viewOf, report } = witnessed([a, b, nodeAt("c", ["192.0.2.3"])]);
    expect(viewOf(a)).toBeUndefined();
    await report([["192.0.2.1", 0]]);
    expect([a, b].map(viewOf)).toEqual([undefined, undefined]);
    const known = nodeAt("c", [], { peerAddress: "192.0.2.3" });
    expect(viewOf(nodeAt("d", []))).toBeUndefined();
    await report([["192.0.2.3", 0]]);
    expect(viewOf(known)).toBeDefined();
    clock.advance(GONE_AFTER_MS + 1);
    expect(viewOf(known)).toBeUndefined();
  });

  it("is not silence while another witness may receive from it: one that just began, has no fresh report, or had no room", async () => {
    const node = nodeAt("n1", ["192.0.2.1"]);
    const { clock, viewOf, report } = witnessed([node]);
    const other = { witnessId: new Uint8Array(16).fill(2) };
    const watchedMs = () => clock.wallMs() - (viewOf(node)?.watchingSinceMs ?? 0);
    await report([["192.0.2.1", 9_000]]);
    await report([], { ...other, watchedMs: 3_000n });
    expect(watchedMs()).toBe(3_000);
    await report([], { ...other, droppedSources: 1n });
    expect(watchedMs()).toBe(0);
    await report([["192.0.2.1", 20_000]], { ...other, droppedSources: 1n });
    expect(watchedMs()).toBe(60_000);
    clock.advance(5_001);
    await report([["192.0.2.1", 14_000]]);
    expect(watchedMs()).toBe(0);
  });

  it("is unknown for an address of a node that disconnected lately, and known once that node is long gone", async () => {
    const node = nodeAt("n1", ["192.0.2.1"]);
    const away = nodeAt("away", ["192.0.2.1"], { session: undefined, lastReportMs: START_MS - 60_000 });
    const { clock, viewOf, report } = witnessed([node, away]);
    await report([["192.0.2.1", 0]]);
    expect([node, away].map(viewOf)).toEqual([undefined, undefined]);
    clock.advance(9 * 60_000);
    await report([["192.0.2.1", 0]]);
    expect(viewOf(node)).toBeDefined();
    expect(viewOf(away)).toBeUndefined();
  });
});

describe("an address that a node names", () => {
  const X = "192.0.2.1";
  const from = (nodeId: string, peerAddress: string | undefined, ...addresses: string[]) =>
    nodeAt(nodeId, addresses, { peerAddress });
  /** Whether the witness says something of each, and which claims are contested. */
  const heardAt = async (nodes: readonly Node[], areProven = true) => {
    const { viewOf, counts, report } = witnessed(nodes, areProven);
    await report([[X, 0]]);
    const views = nodes.map((node) => viewOf(node)?.receivedAtMs !== undefined);
    return { views, ...counts().contested };
  };

  it("belongs to the node whose stream comes from there, not to one that claims it", async () => {
    const [victim, liar] = [from("victim", X), from("liar", "192.0.2.66", X)];
    expect(await heardAt([victim, liar])).toEqual({ views: [true, false], byStream: 1, byClaim: 0 });
    expect(await heardAt([liar, victim])).toEqual({ views: [false, true], byStream: 1, byClaim: 0 });
    // The victim names it too, which does not weaken its proof.
    expect(await heardAt([liar, from("victim", X, X)])).toEqual({ views: [false, true], byStream: 1, byClaim: 0 });
  });

  it("is shared by streams that come from there (NAT); a claim does not change that", async () => {
    const both = [from("a", X), from("b", X, X)];
    expect(await heardAt(both)).toEqual({ views: [false, false], byStream: 0, byClaim: 0 });
    expect(await heardAt([...both, from("liar", undefined, X)])).toMatchObject({
      views: [false, false, false],
      byStream: 1,
    });
  });

  it("belongs to a single claim, and is shared among several, while no stream comes from there", async () => {
    const [a, b] = [from("a", "192.0.2.7", X), from("b", "192.0.2.8", X)];
    expect(await heardAt([a])).toEqual({ views: [true], byStream: 0, byClaim: 0 });
    expect(await heardAt([a, b])).toEqual({ views: [false, false], byStream: 0, byClaim: 2 });
  });

  it("is only a claim on a plaintext listener, wherever the stream comes from", async () => {
    const [a, b] = [from("a", X), from("b", "192.0.2.8", X)];
    expect(await heardAt([a], false)).toEqual({ views: [true], byStream: 0, byClaim: 0 });
    expect(await heardAt([a, b], false)).toEqual({ views: [false, false], byStream: 0, byClaim: 2 });
  });
});

describe("a witness that has gone", () => {
  it("counts as gone and gives no evidence when the collector's clock was set back since", async () => {
    const node = nodeAt("n1", ["192.0.2.1"]);
    const { clock, viewOf, counts, report } = witnessed([node]);
    await report([["192.0.2.1", 0]]);
    clock.stepWall(-10 * 86_400_000);
    expect(viewOf(node)).toBeUndefined();
    expect(counts().witnesses).toBe(0);
  });
});

describe("the witness service", () => {
  it("refuses malformed and oversized reports by field, and counts them (S2)", async () => {
    const { counts, report, touched } = witnessed([]);
    const many = Array.from({ length: MAX_SOURCES + 1 }, () => ["192.0.2.1", 0] as [string, number]);
    for (const [sources, more, message] of [
      [[], { witnessId: new Uint8Array(3) }, /^witness.witness_id: got 3 bytes/],
      [many, {}, /^witness.sources: got 4097 entries/],
      [[["omni.example", 0]], {}, /^witness.sources\[0\]/],
    ] as [[string, number][], object, RegExp][]) {
      await expect(report(sources, more)).rejects.toMatchObject({
        code: RpcStatus.INVALID_ARGUMENT,
        message: expect.stringMatching(message),
      });
    }
    expect(counts()).toMatchObject({ refused: 3, reports: 0, witnesses: 0 });
    expect(touched()).toBe(0);
  });

  it("has room for 16, and drops those that are gone", async () => {
    const { clock, counts, report } = witnessed([]);
    const id = (nth: number) => ({ witnessId: new Uint8Array(16).fill(nth) });
    for (let nth = 0; nth < MAX_WITNESSES; nth += 1) await report([], id(nth));
    await expect(report([], id(99))).rejects.toMatchObject({ code: RpcStatus.RESOURCE_EXHAUSTED });
    await report([], id(0));
    clock.advance(GONE_AFTER_MS + 1);
    await report([], id(99));
    expect(counts().witnesses).toBe(1);
  });
});
