import type { Cause } from "@lifeline/measure";
import type { RowVerdict, WitnessView } from "@lifeline/verdict";
import { expect, it } from "vitest";
import type { Node } from "../fleet/node.ts";
import { AffectedNodes } from "./affected-nodes.ts";

const ONSET_MS = 1_800_000_000_000;
const NOW_MS = ONSET_MS + 10_000;

function nodeOf(cause: Cause): Node {
  const row = { udpEvidence: "suspected-blocked", cause, onsetMs: ONSET_MS } as Partial<RowVerdict>;
  return { nodeId: "n1", rows: [row], clockOffsetMs: undefined } as unknown as Node;
}

/** A fresh witness that has watched for long. */
function view(receivedAtMs: number | undefined): WitnessView {
  return { address: "192.0.2.1", watchingSinceMs: 0, reportedAtMs: NOW_MS, receivedAtMs, receivingSinceMs: 0 };
}

it.each<[string, Cause, WitnessView | undefined, boolean]>([
  ["an outage whose node is received", "udp-blocked", view(NOW_MS), true],
  ["an outage whose node fell silent with it", "udp-blocked", view(ONSET_MS - 1_000), true],
  ["an outage of which it says nothing", "udp-blocked", view(undefined), false],
  ["an outage without a witness", "udp-blocked", undefined, false],
  ["a fault that no witness explains", "wrong-endpoint", view(NOW_MS), false],
  ["no fault", "none", view(NOW_MS), false],
])("%s", (_, cause, said, isAffected) => {
  const node = nodeOf(cause);
  expect(new AffectedNodes(() => said).take([node], NOW_MS)).toEqual(isAffected ? [node] : []);
});

it("takes a node once for the same news, and again for other news", () => {
  const node = nodeOf("udp-blocked");
  let said = view(ONSET_MS - 1_000);
  const affected = new AffectedNodes(() => said);
  expect(affected.take([node], NOW_MS)).toEqual([node]);
  expect(affected.take([node], NOW_MS)).toEqual([]);
  said = view(NOW_MS);
  expect(affected.take([node], NOW_MS)).toEqual([node]);
});
