import { type CallContext, RpcStatus } from "@lifeline/rpc";
import { describe, expect, it } from "vitest";
import { queueQueries } from "./query-queue.ts";

/** A service that notes what it is asked, and how often the event loop had gone round by then. */
function noting() {
  const asked: [what: string, rounds: number][] = [];
  let rounds = 0;
  let isOver = false;
  const count = () => {
    rounds += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const service = queueQueries({
    async ask(what: string, _: CallContext) {
      asked.push([what, rounds]);
      if (what === "bad") throw new TypeError("bad");
      return what.toUpperCase();
    },
  });
  const gone = new AbortController();
  const ask = (what: string, signal = new AbortController().signal) => service.ask(what, { signal } as CallContext);
  return { asked, ask, gone, end: () => (isOver = true) };
}

describe("queries", () => {
  it("begin in their order, and the event loop goes round between two", async () => {
    const { asked, ask, end } = noting();
    expect(await Promise.all(["a", "b", "c"].map((what) => ask(what)))).toEqual(["A", "B", "C"]);
    end();
    expect(asked.map(([what]) => what)).toEqual(["a", "b", "c"]);
    expect(new Set(asked.map(([, rounds]) => rounds)).size).toBe(3);
  });

  it("that fail keep nobody waiting", async () => {
    const { ask, end } = noting();
    const answers = await Promise.allSettled([ask("bad"), ask("good")]);
    end();
    expect(answers).toMatchObject([{ status: "rejected", reason: new TypeError("bad") }, { value: "GOOD" }]);
  });

  it("are not begun for a caller that has gone", async () => {
    const { asked, ask, gone, end } = noting();
    const [first, second] = [ask("a"), ask("b", gone.signal)];
    gone.abort();
    await expect(second).rejects.toMatchObject({ code: RpcStatus.CANCELLED });
    expect(await first).toBe("A");
    end();
    expect(asked.map(([what]) => what)).toEqual(["a"]);
  });
});
