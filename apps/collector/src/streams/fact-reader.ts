/** Reads optional facts one by one, and counts what cannot be used. */
import { readProxyUrl } from "@lifeline/catalogue";
import type { ProxyEndpoint } from "@lifeline/measure";

/**
 * An optional fact that was left out, and how many of its values. The value itself is not kept: it may carry a secret
 * (S1).
 */
export interface DroppedFact {
  readonly field: string;
  readonly count: number;
}

/** Facts of one Hello. */
export class FactReader {
  readonly #dropped: DroppedFact[] = [];

  /** What could not be used so far. */
  get dropped(): readonly DroppedFact[] {
    return this.#dropped;
  }

  /** The different values that `read` can use, at most `most`. */
  list<In, Out>(field: string, values: readonly In[], most: number, read: (value: In) => Out | undefined): Out[] {
    const given = [...new Set(values)].map(read);
    // Two spellings may be one value.
    const usable = [...new Set(given.filter((value) => value !== undefined))];
    const kept = usable.slice(0, most);
    const count = given.filter((value) => value === undefined).length + usable.length - kept.length;
    if (count > 0) this.#dropped.push({ field, count });
    return kept;
  }

  /** The text; empty where it is not given or cannot be used. */
  text(field: string, value: string, isUsable: (value: string) => boolean): string {
    if (value === "") return "";
    return this.list(field, [value], 1, (it) => (isUsable(it) ? it : undefined))[0] ?? "";
  }

  /** A proxy by its URL; undefined where it is not given or cannot be used. */
  proxy(field: string, value: string): ProxyEndpoint | undefined {
    return value === "" ? undefined : this.list(field, [value], 1, readProxyUrl)[0];
  }
}
