/** The command line of the drill. */
import { parseArgs } from "node:util";

/** What is asked for. */
export type Arguments =
  | { readonly kind: "help" }
  /** Names and describes every fault. */
  | { readonly kind: "list"; readonly json: boolean }
  /** The fleet on screen: one fault after another, or only the one named. */
  | { readonly kind: "screen"; readonly fault: string | undefined }
  /** Every fault, or those whose name matches, each with its times. */
  | { readonly kind: "matrix"; readonly only: string | undefined; readonly json: boolean }
  /** No fault but 0.1 % random loss for so long, and the tunnel's own traffic watched. */
  | { readonly kind: "quiet"; readonly seconds: number; readonly json: boolean }
  /** Loss that was injected beside the loss that is reported. */
  | { readonly kind: "loss"; readonly seconds: number; readonly json: boolean }
  /** The extension that is in this OCI layout, run on a node. */
  | { readonly kind: "extension"; readonly from: string; readonly json: boolean };

/** A command line that cannot be followed. */
export class UsageError extends Error {
  readonly code = "usage";
}

/** What `--help` prints. */
export const USAGE = `npm run lab -- [OPTION ...]

Four nodes, a firewall, and an Omni with a real WireGuard tunnel, each in a network namespace of
this machine, measured by Lifeline. Shows the fleet on screen and breaks one thing after another.
Needs root, nftables, wireguard-go and iproute2; leaves nothing behind.

  --fault NAME           break only this, again and again
  --list                 the faults, and the cause each must be given
  --matrix               each fault once: the cause reported, the time to detect and to clear
  --only PATTERN         only faults whose name matches, such as 'dns-*'; with --matrix
  --quiet SECONDS        no fault but 0.1 % random loss: what alarms, and what the tunnel lost
  --loss SECONDS         loss of 0, 1, 5 and 20 % beside what is reported after so long
  --extension DIR        the Talos extension in this OCI layout, such as out/extension/oci of
                         npm run extension, as a container on a node: enrols, measures, reports
                         through an outage, comes again; needs runc and squashfs-tools besides
  --json                 print JSON; with --list, --matrix, --quiet, --loss or --extension

Exit status: 0 all as it should be, 1 not, 2 bad usage, 126 the lab cannot run here.
`;

const OPTIONS = {
  fault: { type: "string" },
  list: { type: "boolean" },
  matrix: { type: "boolean" },
  only: { type: "string" },
  quiet: { type: "string" },
  loss: { type: "string" },
  extension: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Flags that say what to do; at most one of them. */
const MODES = ["fault", "list", "matrix", "quiet", "loss", "extension"] as const;

/** Longest quiet or loss run, s: a day. */
const SECONDS_MAX = 86_400;

/** Reads the arguments. @throws UsageError with the flag, its value and what would be right. */
export function readArguments(args: readonly string[]): Arguments {
  const values = parsed(args);
  if (values.help === true) return { kind: "help" };
  const modes = MODES.filter((mode) => values[mode] !== undefined);
  if (modes.length > 1) throw new UsageError(`--${modes[1]}: got it beside --${modes[0]}, want one of them`);
  const mode = modes[0];
  const json = values.json === true;
  if (json && (mode === undefined || mode === "fault")) {
    throw new UsageError("--json: got it alone, want --list, --matrix, --quiet, --loss or --extension with it");
  }
  if (values.only !== undefined && mode !== "matrix") {
    throw new UsageError(`--only: got "${values.only}" without --matrix; want --matrix with it`);
  }
  switch (mode) {
    case "list":
      return { kind: "list", json };
    case "matrix":
      return { kind: "matrix", only: values.only, json };
    case "quiet":
    case "loss":
      return { kind: mode, seconds: secondsOf(`--${mode}`, values[mode] ?? ""), json };
    case "extension":
      return { kind: "extension", from: values.extension ?? "", json };
    default:
      return { kind: "screen", fault: values.fault };
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    // parseArgs says which flag and what is wrong with it, and nothing more can be said.
    throw new UsageError(`${error instanceof Error ? error.message : String(error)} (see --help)`);
  }
}

function secondsOf(flag: string, text: string): number {
  const seconds = Number(text);
  if (/^[1-9]\d*$/.test(text) && seconds <= SECONDS_MAX) return seconds;
  throw new UsageError(`${flag}: got "${text}", want a whole number of seconds from 1 to ${SECONDS_MAX}`);
}
