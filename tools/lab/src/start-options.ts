/** The command line of the stand-in, read strictly. Pure. */
import { isIP } from "node:net";
import { readFlags, readPort } from "./flags.ts";
import { LabError } from "./lab-error.ts";
import { shown } from "./listener-fault.ts";

/** Options of the process's start. */
export interface StartOptions {
  readonly host: string;
  readonly ports: { readonly api: number; readonly machineApi: number; readonly siderolink: number };
  readonly names: readonly string[];
  readonly controlPath?: string;
  readonly stateFile?: string;
}

const RULES = {
  names: ["host", "api-port", "machine-api-port", "siderolink-port", "name", "control", "state-file"],
  repeatable: ["name"],
} as const;

/** A DNS name as a certificate holds it: labels of letters, digits and hyphens (RFC 5280 §4.2.1.6, RFC 1034 §3.5). */
const DNS_NAME = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** Reads the flags; throws `bad-input` with the flag, its value and what would be right. */
export function readStartOptions(args: readonly string[]): StartOptions {
  const { values, positionals } = readFlags(args, RULES);
  if (positionals[0] !== undefined) {
    throw new LabError("bad-input", `${shown(positionals[0])}: unexpected argument; expected flags only`);
  }
  const one = (flag: string) => values.get(flag)?.[0];
  const port = (flag: string) => readPort(`--${flag}`, one(flag) ?? "0");
  const controlPath = one("control");
  const stateFile = one("state-file");
  return {
    host: readHost(one("host") ?? "127.0.0.1"),
    ports: { api: port("api-port"), machineApi: port("machine-api-port"), siderolink: port("siderolink-port") },
    names: (values.get("name") ?? []).map(readName),
    ...(controlPath === undefined ? {} : { controlPath }),
    ...(stateFile === undefined ? {} : { stateFile }),
  };
}

function readHost(value: string): string {
  if (isIP(value) !== 0) return value;
  throw new LabError("bad-input", `--host: ${shown(value)} is not an IP address; expected such as 127.0.0.1 or ::1`);
}

function readName(value: string): string {
  if (isIP(value) !== 0 || DNS_NAME.test(value)) return value;
  throw new LabError("bad-input", `--name: ${shown(value)} is neither a DNS name nor an IP address`);
}
