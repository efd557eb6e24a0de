import { type CallContext, RpcStatus } from "@lifeline/rpc";
import { describe, expect, it } from "vitest";
import { queueQueries } from "./query-queue.ts";

/** A service that records which queries began, and in which turn of the event loop. */
function noting() {
  const begun: [what: string, rounds: number][] = [];
  let rounds = 0;
  let isOver = false;
  const count = () => {
    rounds += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const service = queueQueries({
    async echo(what: string, _: CallContext) {
      begun.push([what, rounds]);
      if (what === "bad") throw new TypeError("bad");
      return what.toUpperCase();
    },
  });
  const gone = new AbortController();
  const query = (what: string, signal = new AbortController().signal) => service.echo(what, { signal } as CallContext);
  return { begun, query, gone, end: () => (isOver = true) };
}

describe("queries", () => {
  it("begin in order, with a turn of the event loop between two", async () => {
    const { begun, query, end } = noting();
    expect(await Promise.all(["a", "b", "c"].map((what) => query(what)))).toEqual(["A", "B", "C"]);
    end();
    expect(begun.map(([what]) => what)).toEqual(["a", "b", "c"]);
    expect(new Set(begun.map(([, rounds]) => rounds)).size).toBe(3);
  });

  it("that fail do not hold up the others", async () => {
    const { query, end } = noting();
    const answers = await Promise.allSettled([query("bad"), query("good")]);
    end();
    expect(answers).toMatchObject([{ status: "rejected", reason: new TypeError("bad") }, { value: "GOOD" }]);
  });

  it("are not started for a caller that has cancelled", async () => {
    const { begun, query, gone, end } = noting();
    const [first, second] = [query("a"), query("b", gone.signal)];
    gone.abort();
    await expect(second).rejects.toMatchObject({ code: RpcStatus.CANCELLED });
    expect(await first).toBe("A");
    end();
    expect(begun.map(([what]) => what)).toEqual(["a"]);
  });
});
