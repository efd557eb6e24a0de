import { type Incident, NO_IMPACT, type RowVerdict } from "@lifeline/verdict";
import { describe, expect, it } from "vitest";
import { type Store, StoreError } from "../store/store.ts";
import type { Operation } from "../store/store-operations.ts";
import { WriteBehind } from "./write-behind.ts";

const incident = (endedAtMs?: number): Incident => ({
  requirementId: "r",
  targetId: "t",
  verdict: "unmet",
  cause: "refused",
  evidence: "e",
  nextStep: "s",
  startedAtMs: 1,
  endedAtMs,
  changes: [],
  droppedChanges: 0,
  impact: NO_IMPACT,
});

/** A store that answers when the test says so. */
function heldStore() {
  const calls: { operation: Operation; answer: (output: string) => void; fail: () => void }[] = [];
  const submit = (name: string, input: unknown) =>
    new Promise((resolve, reject) => {
      const fail = () => reject(new StoreError("sqlite-5", "busy"));
      calls.push({ operation: { name, input } as Operation, answer: resolve, fail });
    });
  return { calls, submit: submit as Store["submit"] };
}

function writeBehindOn({ submit }: ReturnType<typeof heldStore>) {
  const reported: string[] = [];
  const writeBehind = new WriteBehind(
    { submit },
    { onOverflow: (what) => reported.push(what), onOrphan: () => reported.push("orphan") },
  );
  return {
    addIncident: (nodeId: string, one: Incident) => writeBehind.addIncident(nodeId, one),
    addCounts: (nodeId: string, one: Incident) => writeBehind.addCounts(nodeId, one),
    addVerdicts: (nodeId: string, rows: readonly RowVerdict[]) => writeBehind.addVerdicts(nodeId, rows),
    flush: () => writeBehind.flush(),
    reported,
  };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("what is not yet on disk", () => {
  it("is written one state after another, and a refused older one never follows a newer one", async () => {
    const store = heldStore();
    const { addIncident, flush } = writeBehindOn(store);
    addIncident("n", incident());
    void flush();
    addIncident("n", incident(9));
    void flush();
    await turn();
    expect(store.calls).toHaveLength(1);
    store.calls[0]?.fail();
    await turn();
    void flush();
    expect(store.calls).toHaveLength(2);
    store.calls[1]?.answer("saved");
    await turn();
    await flush();
    expect(store.calls).toHaveLength(2);
    expect(store.calls[1]?.operation.input).toMatchObject({ endedAtMs: 9 });
  });

  it("is written again when the store refused it, and is waited for by the last flush", async () => {
    const store = heldStore();
    const { addVerdicts, flush } = writeBehindOn(store);
    addVerdicts("n", []);
    void flush();
    store.calls[0]?.fail();
    await turn();
    void flush();
    addVerdicts("n", []);
    let isDone = false;
    const done = flush().then(() => {
      isDone = true;
    });
    store.calls[1]?.answer("saved");
    await turn();
    expect([store.calls.length, isDone]).toEqual([3, false]);
    store.calls[2]?.answer("saved");
    await done;
  });

  it("is dropped and counted when the store does not know the node", async () => {
    const store = heldStore();
    const { addIncident, flush, reported } = writeBehindOn(store);
    addIncident("gone", incident());
    void flush();
    store.calls[0]?.answer("no-node");
    await turn();
    await flush();
    expect([store.calls.length, reported]).toEqual([1, ["orphan"]]);
  });

  it("is bounded: the oldest goes, counted (S2)", () => {
    const { addIncident, reported } = writeBehindOn(heldStore());
    for (let at = 0; at < 10_002; at++) addIncident(`n${at}`, incident());
    expect(reported).toEqual(["write-behind-incidents", "write-behind-incidents"]);
  });

  it("stores what open incidents cost, and never at the price of one that changed", async () => {
    const store = heldStore();
    const { addCounts, flush, reported } = writeBehindOn(store);
    for (let at = 0; at < 10_002; at++) addCounts(`n${at}`, incident());
    expect(reported).toEqual([]);
    void flush();
    expect(store.calls[0]?.operation.name).toBe("saveIncident");
  });
});
