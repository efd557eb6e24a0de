/** Decoders that are wrong, each in the way it is named: what finds nothing in them finds nothing. */
import { type Decoder, law, type Verdict } from "../decoder.ts";

const draw: Decoder["draw"] = (random) => Uint8Array.from({ length: 64 }, () => Math.floor(random() * 256));
const kept: Uint8Array[] = [];
const sound = (input: Uint8Array) => ((input[0] ?? 0) < 0x40 ? "refused" : "decoded");

/** Of all inputs only some lead there, as with a real defect. */
const strikes = (input: Uint8Array) => input.includes(0x42);

export const DECODERS: readonly Decoder[] = [
  { name: "sound", draw, check: sound },
  {
    name: "throws",
    draw,
    check(input) {
      if (strikes(input)) throw new TypeError("at 0x42");
      return "decoded";
    },
  },
  {
    name: "breaks-a-law",
    draw,
    async check(input): Promise<Verdict> {
      law(!strikes(input), "nothing holds 0x42");
      return "decoded";
    },
  },
  {
    name: "hangs",
    draw,
    check(input) {
      while (strikes(input));
      return "decoded";
    },
  },
  {
    name: "takes-all-memory",
    draw,
    check(input) {
      const taken: number[][] = [];
      while (strikes(input)) taken.push(new Array<number>(100_000).fill(taken.length));
      return "decoded";
    },
  },
  {
    name: "keeps",
    draw,
    check(input) {
      kept.push(...Array.from({ length: 100 }, () => input.slice()));
      return "decoded";
    },
  },
  {
    name: "takes-much-memory",
    draw,
    check: sound,
    growth: {
      draw: (_, at) => new Uint8Array(at === 3 ? 500_000 : 10_000),
      // Beside the heap, which has a bound of its own here.
      decode: (input) => Buffer.alloc(200 * input.length, 1),
    },
  },
  {
    name: "takes-much-time",
    draw,
    check: sound,
    growth: {
      draw: (_, at) => new Uint8Array(at === 3 ? 2_000 : 10),
      decode(input) {
        const spentUs = ({ user, system }: NodeJS.CpuUsage) => user + system;
        const beforeUs = spentUs(process.threadCpuUsage());
        while (spentUs(process.threadCpuUsage()) - beforeUs < 1_200 * input.length);
      },
    },
  },
  { name: "sound-after-all", draw, check: sound },
];
