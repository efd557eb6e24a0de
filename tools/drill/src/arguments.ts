/** The command line of `npm run lab`. */
import { type Command, kind, type Program, readCommand, type Settings } from "@lifeline/settings";

/** The parsed command line. */
export type Arguments =
  /** Names and describes every fault. */
  | { readonly kind: "list"; readonly json: boolean }
  /** The fleet on screen: one fault after another, or only the named one. */
  | { readonly kind: "screen"; readonly fault: string | undefined }
  /** Every fault, or those whose name matches, each with its times. */
  | { readonly kind: "matrix"; readonly only: string | undefined; readonly json: boolean }
  /** No fault but 0.1 % random loss, and the tunnel's own traffic watched. */
  | { readonly kind: "quiet"; readonly seconds: number; readonly json: boolean }
  /** Injected loss beside reported loss. */
  | { readonly kind: "loss"; readonly seconds: number; readonly json: boolean }
  /** The extension in this OCI layout, run on a node. */
  | { readonly kind: "extension"; readonly from: string; readonly json: boolean };

const name = kind.text((text) => text || undefined, "a name or a pattern", "NAME");

/** At most a day. */
const seconds = kind.integer(1, 86_400, "seconds", "SECONDS");

const SETTINGS = {
  fault: { type: name, help: "on screen: makes only this fault, again and again" },
  list: {
    type: kind.boolean,
    default: false,
    help: "prints the faults, and the cause that each must be reported with",
  },
  matrix: {
    type: kind.boolean,
    default: false,
    help: "makes each fault once; prints its cause, time to detect and time to clear",
  },
  only: { type: name, help: "with --matrix: only faults whose name matches one of these, such as 'dns-*,omni-hung'" },
  quiet: { type: seconds, help: "no fault but 0.1 % random loss: prints what alarms, and what the tunnel lost" },
  loss: { type: seconds, help: "loss of 0, 1, 5 and 20 %, beside the loss that is reported after so long" },
  extension: {
    type: kind.path("DIR"),
    help:
      "runs the Talos extension of this OCI layout (npm run extension makes one in out/extension/oci) as a container on a node: " +
      "it enrols, measures, reports through an outage and restarts; needs runc and squashfs-tools too",
  },
  json: { type: kind.boolean, default: false, help: "prints JSON; not on screen" },
} as const satisfies Settings;

/** Flags that say what to do; at most one of them. */
const MODES = ["fault", "list", "matrix", "quiet", "loss", "extension"] as const;

const PROGRAM: Program<typeof SETTINGS> = {
  name: "npm run lab",
  summary: "runs fault drills: Lifeline in a fleet of network namespaces with a real WireGuard tunnel",
  settings: SETTINGS,
  notes: `Four nodes, a firewall and an Omni are made on this machine. Without options the fleet is shown on screen, with one fault after another.
Needs root, nftables, wireguard-go and iproute2. Everything is removed at the end.

exit codes: 0 all as expected; 1 not; 2 wrong arguments; 126 the lab cannot run here
`,
};

/** Reads the arguments. Throws a ConfigError. */
export function readArguments(args: readonly string[]): Command<Arguments> {
  return readCommand(PROGRAM, args, {}, (given) => {
    const [mode, second] = MODES.filter((each) => given.isGiven(each));
    const { values } = given;
    const { json, only, quiet, loss, extension: from, fault } = values;
    if (second !== undefined) given.refuse(second, `it beside --${mode}`, "one of them");
    if (only !== undefined && mode !== "matrix") given.refuse("only", "it alone", "--matrix with it");
    if (json && (mode === undefined || mode === "fault")) {
      given.refuse("json", "it alone", "--list, --matrix, --quiet, --loss or --extension with it");
    }
    given.check();
    if (mode === "list") return { kind: mode, json };
    if (mode === "matrix") return { kind: mode, only, json };
    if (quiet !== undefined) return { kind: "quiet", seconds: quiet, json };
    if (loss !== undefined) return { kind: "loss", seconds: loss, json };
    if (from !== undefined) return { kind: "extension", from, json };
    return { kind: "screen", fault };
  });
}
