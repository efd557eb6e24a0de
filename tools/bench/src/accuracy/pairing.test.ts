import { describe, expect, it } from "vitest";
import { pairEchoes, pairHandshakes } from "./pairing.ts";

const NS_PER_MS = 1_000_000;
const report = (startedAtMs: number, rttMs: number) => ({
  startedAtMs,
  endedAtMs: startedAtMs + 21,
  rttNs: rttMs * NS_PER_MS,
});
const exchange = (name: number, sentMs: number, rttMs: number | undefined, requests = 1) => ({
  name,
  sentNs: BigInt(sentMs) * BigInt(NS_PER_MS),
  rttNs: rttMs === undefined ? undefined : rttMs * NS_PER_MS,
  requests,
});
const mispaired = (message: string) => expect.objectContaining({ code: "mispaired", message });

describe("reports and handshakes", () => {
  it("are paired in order, bias being what is reported beyond what was captured", () => {
    const reports = [report(1_000, 20.5), report(1_050, 19.75)];
    const handshakes = [exchange(40_001, 1_000, 20.25), exchange(40_002, 1_051, 20)];
    expect(pairHandshakes(reports, handshakes)).toEqual({
      pairs: [
        { biasMs: 0.25, truthMs: 20.25 },
        { biasMs: -0.25, truthMs: 20 },
      ],
      excluded: 0,
    });
  });

  it("leave out, and count, a handshake whose SYN was sent again", () => {
    const reports = [report(1_000, 20), report(1_050, 20)];
    const handshakes = [exchange(1, 1_000, 1_020, 2), exchange(2, 1_050, 20)];
    expect(pairHandshakes(reports, handshakes)).toEqual({ pairs: [{ biasMs: 0, truthMs: 20 }], excluded: 1 });
  });

  it("of different number are no pairs", () => {
    expect(() => pairHandshakes([report(1_000, 20)], [])).toThrow(
      mispaired("1 reports, but 0 handshakes were captured"),
    );
  });

  it.each([
    [997, false],
    [998, true],
    [1_023, true],
    [1_024, false],
  ])("of a probe from 1000 to 1021 ms and a SYN at %d ms agree: %s", (sentMs, agree) => {
    const pair = () => pairHandshakes([report(1_000, 20)], [exchange(40_001, sentMs, 20)]);
    if (agree) expect(pair().pairs).toHaveLength(1);
    else expect(pair).toThrow(mispaired("report 0 is not of exchange 0 (40001)"));
  });

  it("cannot be paired when no answer was captured", () => {
    expect(() => pairHandshakes([report(1_000, 20)], [exchange(1, 1_000, undefined)])).toThrow(
      mispaired("exchange 0 was reported, but no answer captured"),
    );
  });
});

describe("fping's figures and echoes", () => {
  it("are paired by sequence number; echoes after the last figure do not matter", () => {
    const echoes = [exchange(0, 0, 20), exchange(1, 50, 21), exchange(2, 100, undefined)];
    expect(pairEchoes([20.5 * NS_PER_MS, 21 * NS_PER_MS], echoes).pairs).toEqual([
      { biasMs: 0.5, truthMs: 20 },
      { biasMs: 0, truthMs: 21 },
    ]);
  });

  it("are no pairs when an echo is missing, first or last", () => {
    expect(() => pairEchoes([1, 2], [exchange(1, 0, 20), exchange(2, 50, 20)])).toThrow(
      mispaired("report 0 is not of exchange 0 (1)"),
    );
    expect(() => pairEchoes([1, 2], [exchange(0, 0, 20)])).toThrow(mispaired("2 reports, but 1 echoes were captured"));
  });
});
