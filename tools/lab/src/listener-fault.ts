/** What can be done to a listener, and the strict reading of a request to do it. */
import { LabError } from "./lab-error.ts";

/**
 * The three places where Omni listens for nodes and people (siderolabs/omni, `cmd/omni`: API, SideroLink API,
 * WireGuard).
 */
export const LISTENER_NAMES = ["api", "machine-api", "siderolink"] as const;
export type ListenerName = (typeof LISTENER_NAMES)[number];

/**
 * - `none`: answers as it should.
 * - `refuse`: really closed; the kernel answers with a reset (TCP) or port-unreachable (UDP).
 * - `drop`: the socket stays bound and every packet to it vanishes in the kernel, as behind a silent firewall.
 * - `stall`: TCP accepts and says nothing. A UDP peer cannot tell this from `drop`, so there it is the same.
 */
export const FAULTS = ["none", "refuse", "drop", "stall"] as const;
export type Fault = (typeof FAULTS)[number];

/** Which listeners a request is about. */
export const FAULT_SCOPES = [...LISTENER_NAMES, "all"] as const;
export type FaultScope = (typeof FAULT_SCOPES)[number];

/** One request to change a fault. */
export interface FaultRequest {
  readonly listener: FaultScope;
  readonly fault: Fault;
}

const REQUEST_KEYS = ["listener", "fault"] as const;

/** Characters of a bad value repeated in a message: enough to recognise it, too few to flood a log. */
const SHOWN_VALUE_MAX_CHARS = 64;

/** A bad value as messages show it: JSON, cut at 64 characters. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN_VALUE_MAX_CHARS ? `${text.slice(0, SHOWN_VALUE_MAX_CHARS)}…` : text;
}

/** Reads the scope of a fault; throws `bad-input` naming the value and the words allowed. */
export function readFaultScope(value: unknown): FaultScope {
  return readWord("listener", FAULT_SCOPES, value);
}

/** Reads a fault; throws `bad-input` naming the value and the words allowed. */
export function readFault(value: unknown): Fault {
  return readWord("fault", FAULTS, value);
}

/** Reads a parsed JSON request. Unknown and missing keys are refused with `bad-input`. */
export function readFaultRequest(value: unknown): FaultRequest {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LabError("bad-input", `request: ${shown(value)} is not an object; expected {"listener": …, "fault": …}`);
  }
  const unknownKey = Object.keys(value).find((key) => !REQUEST_KEYS.some((known) => known === key));
  if (unknownKey !== undefined) {
    throw new LabError("bad-input", `${shown(unknownKey)}: unknown key; expected ${REQUEST_KEYS.join(", ")}`);
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  return { listener: readFaultScope(fields.get("listener")), fault: readFault(fields.get("fault")) };
}

function readWord<const Word extends string>(field: string, words: readonly Word[], value: unknown): Word {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  const problem = value === undefined ? "missing" : `${shown(value)} is not one`;
  throw new LabError("bad-input", `${field}: ${problem}; expected one of ${words.join(", ")}`);
}
