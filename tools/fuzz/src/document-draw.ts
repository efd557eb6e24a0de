/** YAML documents: valid ones changed in their tree or in their text, and texts of what YAML is made of. */
import { between, pick, type Random } from "@lifeline/harness";
import { mutateBytes } from "./byte-mutation.ts";

/** What may stand in a document instead of what should. */
const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 1.5, 65_535, 65_536, 2 ** 31, 2 ** 53, 1e308, "", " ", "x\0y", "a\nb"],
  ..."a true 1 ~ *.example.com h.example:443 [::1]:9470 127.0.0.1:0 https://h.example http://u:p@h:1/?q".split(" "),
  ...["::1", "10.0.0.1", "v1.14", "GET", "tcp", "public", "__proto__", "é", "x".repeat(254), "x".repeat(5_000)],
  ...[[], {}, [[]], [{}], { a: 1 }, { __proto__: 1 }],
];

/** Keys with a meaning in YAML or in JavaScript, and keys without one. */
const KEYS = ["", ..."a << __proto__ constructor toString length 0 id kind tls port".split(" ")] as const;

/** Pieces of YAML. */
const PIECES = [
  ..."{ } [ ] : , - ? | > & * ! % @ ` # ' \" \\ ~ = 0x 0o7 1e999 .inf .nan null yes [[[[ ]]]] *a".split(" "),
  // Kept apart by a character that means nothing in YAML, because these hold blanks.
  ..."  ¦ ¦--- ¦? ¦- ¦: ¦&a ¦&a [*a]¦!!binary ¦!!set ¦!!omap ¦!!timestamp ¦!own ¦!<tag:x> ¦a: ".split("¦"),
  ...'__proto__: ¦"\\u¦"\\x0"¦{a: {a: ¦- - - - ¦? ? ? '.split("¦"),
  ..."\n \n\n \t \r\n \r \0 \ufeff \u2028 \ud7ff ---\n ...\n *a\n %YAML¦1.1\n %YAML¦9.9\n |+2\n >-\n a:¦1\n"
    .split(" ")
    .map((piece) => piece.replace("¦", " ")),
  ...["%TAG ! tag:x:\n", "<<: *a\n", "b: &a\n"],
] as const;

/** Largest document that is made of pieces, and how deep the deepest nests. */
const PIECES_MAX = 60;
const DEEP = [50, 400, 2_000] as const;

/** How deep a path into a document's tree is followed. */
const PATH_MAX = 8;

/**
 * Largest document out of proportion, bytes: to nest takes the parser of YAML heap that grows with the square, 270 MB
 * for 16 KiB.
 */
export const DOCUMENT_BYTES = 4_096;

/** Draws a document; `trees` are valid ones as values, `texts` as people write them. */
export function drawDocument(random: Random, trees: readonly unknown[], texts: readonly string[]): Uint8Array {
  const way = random();
  if (way < 0.1) return Buffer.from(drawPieces(random));
  if (way < 0.4) return Buffer.from(mutateText(random, pick(random, texts)));
  let tree = pick(random, trees);
  for (let left = between(random, 0, 3); left > 0; left -= 1) tree = mutateTree(random, tree, pick(random, trees), 0);
  const text = Buffer.from(JSON.stringify(tree) ?? "");
  return random() < 0.1 ? mutateBytes(random, text) : text;
}

function drawPieces(random: Random): string {
  if (random() < 0.002) return pick(random, ["[", "{a: ", "- ", "? ", "[{a: "]).repeat(pick(random, DEEP));
  return Array.from({ length: between(random, 0, PIECES_MAX) }, () => pick(random, PIECES)).join("");
}

/** A few changes of lines, pieces and bytes. */
function mutateText(random: Random, text: string): string {
  let changed = text;
  for (let left = between(random, 0, 3); left > 0; left -= 1) {
    const at = between(random, 0, changed.length);
    const lines = changed.split("\n");
    const line = between(random, 0, lines.length - 1);
    switch (between(random, 0, 6)) {
      case 0:
        changed = changed.slice(0, at) + pick(random, PIECES) + changed.slice(at);
        break;
      case 1:
        changed = lines.toSpliced(line, 1).join("\n");
        break;
      case 2:
        changed = lines.toSpliced(line, 0, lines[line] ?? "").join("\n");
        break;
      case 3:
        changed = lines.with(line, pick(random, ["  ", "\t", "- ", "# "]) + lines[line]).join("\n");
        break;
      case 4:
        changed = lines.toSpliced(line, 1, pick(random, lines)).join("\n");
        break;
      case 5:
        changed = changed.slice(0, at);
        break;
      default:
        changed = Buffer.from(mutateBytes(random, Buffer.from(changed))).toString();
    }
  }
  return changed;
}

/**
 * One change somewhere in a tree: a value of another kind, a key more or less or of another name, an entry again, a
 * graft.
 */
function mutateTree(random: Random, tree: unknown, donor: unknown, depth: number): unknown {
  if (typeof tree !== "object" || tree === null || depth >= PATH_MAX) return otherValue(random, donor);
  if (Array.isArray(tree)) return mutateList(random, tree, donor, depth);
  const entries = Object.entries(tree);
  if (entries.length === 0) return otherValue(random, donor);
  const at = between(random, 0, entries.length - 1);
  const [key, value] = entries[at] ?? ["", undefined];
  if (random() < 0.75) return { ...tree, [key]: mutateTree(random, value, donor, depth + 1) };
  switch (between(random, 0, 3)) {
    case 0:
      return Object.fromEntries(entries.toSpliced(at, 1));
    case 1:
      return Object.fromEntries([...entries, [pick(random, KEYS), otherValue(random, donor)]]);
    case 2:
      return Object.fromEntries(entries.with(at, [pick(random, KEYS), value]));
    default:
      return otherValue(random, donor);
  }
}

function mutateList(random: Random, list: readonly unknown[], donor: unknown, depth: number): unknown {
  const at = between(random, 0, Math.max(0, list.length - 1));
  const entry = list[at];
  if (list.length > 0 && random() < 0.6) return list.with(at, mutateTree(random, entry, donor, depth + 1));
  switch (between(random, 0, 2)) {
    case 0:
      return list.toSpliced(at, 1);
    case 1:
      return [...list, ...new Array<unknown>(pick(random, [1, 1, 2, 17, 65])).fill(entry)];
    default:
      return [...list, otherValue(random, donor)];
  }
}

/** Another value: of the list, or a piece of the donor. */
function otherValue(random: Random, donor: unknown): unknown {
  if (random() < 0.6) return pick(random, VALUES);
  let piece = donor;
  while (typeof piece === "object" && piece !== null && random() < 0.7) {
    const values: unknown[] = Object.values(piece);
    if (values.length === 0) break;
    piece = pick(random, values);
  }
  return piece;
}
