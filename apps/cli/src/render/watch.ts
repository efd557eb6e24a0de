/**
 * Shows a view and refreshes it in place each second until Ctrl-C.
 *
 * 1. The cursor is hidden while watching and always shown again, however watching ends.
 * 2. A frame never has more lines than the terminal, because lines that scrolled away cannot be overwritten.
 * 3. When the collector cannot be reached, a line above the last view says so and gives its age (M4).
 */
import { NS_PER_MS, pause, visibleText } from "@lifeline/measure";
import { CliError } from "../cli-error.ts";
import type { ExitCode } from "../exit-code.ts";
import type { ScreenWorld } from "../world.ts";
import { truncateEnd } from "./display-width.ts";
import { jsonText } from "./json.ts";
import { paint } from "./paint.ts";
import { ageText } from "./units.ts";
import { type Format, layoutOf, type View, viewText } from "./view.ts";

/** Time between frames, ms. */
export const FRAME_MS = 1_000;

const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
const ERASE_LINE_END = "\u001b[K";
const ERASE_BELOW = "\u001b[J";
/** ECMA-48 CPL: to the start of the line `lines` above. */
const upBy = (lines: number) => (lines === 0 ? "\r" : `\u001b[${lines}F`);

/** What is watched. */
export interface Watch {
  readonly format: Extract<Format, "table" | "wide" | "json">;
  readonly wantsColor: boolean;
  /** Reads the current state. A failure after the first success is shown, and the next frame tries again. */
  readonly find: (signal: AbortSignal) => Promise<View>;
}

/** The last state. */
interface Known {
  readonly view: View;
  readonly exitCode: ExitCode;
  /** Why the last attempt failed; undefined: it did not. */
  readonly trouble: string | undefined;
  /** Monotonic time of the view, ns. */
  readonly foundNs: number;
}

/**
 * Watches until `world.interrupt`; the exit code is that of the last state. @throws CliError when the first attempt
 * fails.
 */
export async function watch(world: ScreenWorld, { format, wantsColor, find }: Watch): Promise<ExitCode> {
  const { stdout, clock, interrupt } = world;
  const inPlace = stdout.isTTY && format !== "json";
  const first = await find(interrupt);
  let known: Known = { view: first, exitCode: first.exitCode, trouble: undefined, foundNs: clock.monotonicNs() };
  let paintedLines = 0;
  if (inPlace) await stdout.write(HIDE_CURSOR);
  try {
    while (!interrupt.aborted) {
      if (format === "json") await writeObject(world, known);
      else paintedLines = await writeFrame(world, frameOf(world, known, format, wantsColor), paintedLines);
      await pause(clock, FRAME_MS, interrupt);
      if (!interrupt.aborted) known = await findAgain(world, known, find);
    }
  } finally {
    if (inPlace) await stdout.write(SHOW_CURSOR);
  }
  return known.exitCode;
}

async function findAgain({ clock, interrupt }: ScreenWorld, known: Known, find: Watch["find"]): Promise<Known> {
  try {
    // A signal for each attempt, because listeners on the signal of the whole run would add up.
    const view = await find(AbortSignal.any([interrupt]));
    return { view, exitCode: view.exitCode, trouble: undefined, foundNs: clock.monotonicNs() };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    if (interrupt.aborted) return known;
    return { ...known, exitCode: error.exitCode, trouble: error.message.split("\n", 1)[0] ?? error.code };
  }
}

/** One object a line. After a failure nothing is printed, because the last object is not current. */
async function writeObject({ stdout }: ScreenWorld, { view, trouble }: Known): Promise<void> {
  if (trouble === undefined) await stdout.write(`${jsonText(view.json(), 0)}\n`);
}

function frameOf(world: ScreenWorld, known: Known, format: "table" | "wide", wantsColor: boolean): readonly string[] {
  const lines = viewText(known.view, format, layoutOf(world, wantsColor)).trimEnd().split("\n");
  return known.trouble === undefined ? lines : [staleLine(world, known.trouble, known.foundNs, wantsColor), ...lines];
}

/** Writes a frame over the one before; the number of lines written. */
async function writeFrame({ stdout }: ScreenWorld, frame: readonly string[], paintedLines: number): Promise<number> {
  const lines = fitted(frame, stdout.isTTY ? stdout.rows() : undefined);
  await stdout.write(stdout.isTTY ? repaint(lines, paintedLines) : `${lines.join("\n")}\n\n`);
  return lines.length;
}

function staleLine(world: ScreenWorld, trouble: string, foundNs: number, wantsColor: boolean): string {
  const { width, color } = layoutOf(world, wantsColor);
  const age = ageText((world.clock.monotonicNs() - foundNs) / NS_PER_MS);
  const text = visibleText(`! ${age} old: ${trouble}`);
  return paint(width === undefined ? text : truncateEnd(text, width), "bad", color);
}

/** At most the terminal's lines, less one for the cursor. The last line counts those left out. */
function fitted(lines: readonly string[], rows: number | undefined): readonly string[] {
  const room = rows === undefined ? lines.length : Math.max(2, rows - 1);
  if (lines.length <= room) return lines;
  return [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more lines; --only PATTERN shows fewer`];
}

function repaint(lines: readonly string[], painted: number): string {
  return `${upBy(painted)}${lines.map((line) => `${line}${ERASE_LINE_END}\n`).join("")}${ERASE_BELOW}`;
}
