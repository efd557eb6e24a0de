/** A mirror that fails while another one of the same host works. */
import { targetPlace } from "@lifeline/measure";
import { type Entry, isAnswering, isFailing } from "../entry.ts";

/** Clients try mirrors one after the other. A dead one delays pulls, and does not stop them while another works. */
export function withOtherMirror(entry: Entry, entries: readonly Entry[]): Entry {
  if (entry.alternatives.length === 0 || entry.verdict !== "unmet") return entry;
  const working = entry.alternatives.find((endpoint) => works(endpoint, entry, entries));
  if (working === undefined) return entry;
  const evidence = `${entry.evidence} The mirror ${working} works, so pulls succeed after trying this one.`;
  return { ...entry, verdict: "degraded", evidence };
}

/** Whether a whole endpoint works over some family: each of its targets answers, and none fails. */
function works(endpoint: string, { requirement }: Entry, entries: readonly Entry[]): boolean {
  const there = entries.filter(
    ({ target, requirement: { id }, comparison }) =>
      id === requirement.id && !comparison && targetPlace(target) === endpoint,
  );
  return [4, 6].some((family) => {
    const own = there.filter(({ target }) => target.family === family);
    return own.some(isAnswering) && !own.some((other) => isFailing(other) || other.verdict === "unknown");
  });
}
