/** The differences between two catalogues. Pure and deterministic. */
import type { Catalogue } from "./catalogue.ts";
import type { Requirement } from "./requirement.ts";

/** One changed field of one row. `undefined`: that side lacks the field. Lists are compared as a whole. */
export interface FieldChange {
  readonly id: string;
  /** Path inside the row, such as `published.value`. */
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** Every list is sorted by id, then by field. */
export interface CatalogueDiff {
  readonly added: readonly Requirement[];
  readonly removed: readonly Requirement[];
  readonly changed: readonly FieldChange[];
}

/** The difference from `before` to `after`; row order does not matter. */
export function diffCatalogues(before: Catalogue, after: Catalogue): CatalogueDiff {
  const old = byId(before);
  const young = byId(after);
  const added = sorted([...young.values()].filter(({ id }) => !old.has(id)));
  const removed = sorted([...old.values()].filter(({ id }) => !young.has(id)));
  const changed = sorted([...old.values()]).flatMap((row) => {
    const other = young.get(row.id);
    return other === undefined ? [] : changesOf(row, other);
  });
  return { added, removed, changed };
}

function byId(catalogue: Catalogue): Map<string, Requirement> {
  return new Map(catalogue.requirements.map((row) => [row.id, row]));
}

function sorted(rows: readonly Requirement[]): Requirement[] {
  return [...rows].sort((a, b) => compare(a.id, b.id));
}

/** By code unit, so that the order does not depend on the locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function changesOf(before: Requirement, after: Requirement): FieldChange[] {
  const from = leaves(before);
  const to = leaves(after);
  const fields = [...new Set([...from.keys(), ...to.keys()])].sort(compare);
  return fields
    .filter((field) => canonical(from.get(field)) !== canonical(to.get(field)))
    .map((field) => ({ id: before.id, field, from: from.get(field), to: to.get(field) }));
}

/** Every field that is not a mapping, by its path. */
function leaves(value: object, prefix = ""): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [key, field] of Object.entries(value)) {
    const path = `${prefix}${key}`;
    if (!isMapping(field)) found.set(path, field);
    else for (const [inner, leaf] of leaves(field, `${path}.`)) found.set(inner, leaf);
  }
  return found;
}

function isMapping(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON with sorted keys, so equal values give equal text. */
function canonical(value: unknown): string {
  const sortKeys = (_key: string, field: unknown) =>
    isMapping(field) ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => compare(a, b))) : field;
  return JSON.stringify(value, sortKeys) ?? "undefined";
}
