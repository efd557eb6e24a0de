/**
 * Node's binary has ICU's data for all languages: 33 of 126 MB that no program here uses. This reduces it, within the
 * binary, to what a Node with "small-icu" has: the root locale, English, time zones, normalisation and boundaries.
 *
 * 1. Nothing moves. The table of contents gets shorter, and zeros replace the data that it no longer names; they
 *    compress to almost nothing and are never read from disk. ICU falls back to the root for a missing locale, as it
 *    does in a small build.
 * 2. Legacy character sets, StringPrep profiles, dictionaries, transliteration, spelt-out numbers and character names
 *    go too.
 *
 * The format is ICU's "CmnD" (icu4c/source/common/ucmndata.h, udata.h): a header, then a count, then for each item the
 * offsets of its name and of its data, from the count, sorted by name; then names and items.
 */
import { ExtensionError } from "./extension-error.ts";

const DATA_FORMAT = "CmnD";
/** In `DataHeader`: u16 headerSize, two magic bytes, then `UDataInfo`, whose dataFormat is 8 bytes in. */
const FORMAT_OFFSET = 12;
const MAGIC = [0xda, 0x27];
const COUNT_BYTES = 4;
const ENTRY_BYTES = 8;
/** A full build has 4,305; a count above this means that the bytes are something else. */
const ITEMS_MAX = 65_536;

interface Item {
  /** Without the package's prefix: `curr/en.res`. */
  readonly name: string;
  readonly nameOffset: number;
  readonly dataOffset: number;
}

/**
 * A copy of the program with less ICU data. Throws ExtensionError `binary` unless it has exactly one little-endian
 * package, with English.
 */
export function cutIcuData(program: Uint8Array): { readonly program: Uint8Array; readonly cutBytes: number } {
  const view = Buffer.from(program);
  const start = startOf(view);
  const items = itemsOf(view, start);
  const kept = items.filter(({ name }) => isKept(name));
  if (!kept.some(({ name }) => name === "en.res")) throw wrong("no English in it");
  let cutBytes = 0;
  for (const [index, { name, dataOffset }] of items.entries()) {
    const next = items[index + 1];
    // Only its own format says where the last item ends. So its data stays, without a name.
    if (isKept(name) || next === undefined) continue;
    view.fill(0, start + dataOffset, start + next.dataOffset);
    cutBytes += next.dataOffset - dataOffset;
  }
  view.fill(0, start, start + COUNT_BYTES + items.length * ENTRY_BYTES);
  view.writeUInt32LE(kept.length, start);
  for (const [index, { nameOffset, dataOffset }] of kept.entries()) {
    view.writeUInt32LE(nameOffset, start + COUNT_BYTES + index * ENTRY_BYTES);
    view.writeUInt32LE(dataOffset, start + COUNT_BYTES + index * ENTRY_BYTES + 4);
  }
  return { program: view, cutBytes };
}

const NEEDLESS_KIND = /\.(cnv|spp|dict|cfu)$/;
const NEEDLESS = new Set(["unames.icu"]);
const NEEDLESS_FOLDER = /^(translit|rbnf)\//;
const ENGLISH = new Set(["root", "en", "en_001", "en_US", "en_US_POSIX"]);
/** Bundles of no locale: indexes, pools of keys, and tables, whose names are longer than that of a language. */
const TABLE = /^(res_index|pool|[A-Za-z0-9]{4,})$/;

/** Whether an item stays, by its name within the package. */
export function isKept(name: string): boolean {
  if (NEEDLESS_KIND.test(name) || NEEDLESS_FOLDER.test(name) || NEEDLESS.has(name)) return false;
  const bundle = /^(?:[a-z]+\/)?(.*)\.res$/.exec(name)?.[1];
  return bundle === undefined || ENGLISH.has(bundle) || TABLE.test(bundle);
}

/** Offset of the count of items. */
function startOf(view: Buffer): number {
  const found: number[] = [];
  for (let at = view.indexOf(DATA_FORMAT); at !== -1; at = view.indexOf(DATA_FORMAT, at + 1)) {
    const header = at - FORMAT_OFFSET;
    if (header >= 0 && view[header + 2] === MAGIC[0] && view[header + 3] === MAGIC[1]) found.push(header);
  }
  const [header, ...others] = found;
  if (header === undefined || others.length > 0) throw wrong(`found ${found.length} packages, want one`);
  return header + view.readUInt16LE(header);
}

function itemsOf(view: Buffer, start: number): Item[] {
  const count = view.readUInt32LE(start);
  if (count === 0 || count > ITEMS_MAX) throw wrong(`${count} items, want 1 to ${ITEMS_MAX}`);
  const items = Array.from({ length: count }, (_, index) => {
    const at = start + COUNT_BYTES + index * ENTRY_BYTES;
    const nameOffset = view.readUInt32LE(at);
    const name = view.toString("latin1", start + nameOffset, view.indexOf(0, start + nameOffset));
    return { name: name.slice(name.indexOf("/") + 1), nameOffset, dataOffset: view.readUInt32LE(at + 4) };
  });
  const disordered = items.find(({ dataOffset }, index) => dataOffset <= (items[index - 1]?.dataOffset ?? 0));
  if (disordered !== undefined) throw wrong(`the data of ${disordered.name} is before that of the item before it`);
  return items;
}

const wrong = (what: string) => new ExtensionError("binary", `ICU data in the node binary: ${what}`);
