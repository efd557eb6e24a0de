/** The command line of the services, read strictly. Pure. */
import { isIP } from "node:net";
import { readFlags } from "../flags.ts";
import { LabError } from "../lab-error.ts";
import { shown } from "../listener-fault.ts";
import type { ServiceEndpoint } from "./client-gate.ts";
import type { ServicesOptions } from "./lab-services.ts";
import type { MiddleboxEndpoint } from "./listeners.ts";
import type { ZoneName } from "./zone.ts";

const REPEATABLE = [
  "dns",
  "web",
  "machine-api",
  "middlebox",
  "proxy",
  "tls-proxy",
  "socks",
  "ntp",
  "nts-ke",
  "proxy-reaches",
  "omni-name",
  "public-name",
  "issuer",
  "drift",
];
const SINGLE = ["control", "ca-folder"];

/**
 * Reads `--dns|--web|--machine-api|--proxy|--tls-proxy|--socks|--ntp|--nts-ke|--proxy-reaches IP:PORT`,
 * `--middlebox IP:PORT=IP:PORT` (listens at = stands in front of), `--omni-name|--public-name NAME=IP[,IP…]`,
 * `--issuer NAME=ORGANISATION`, `--drift IP`, each as often as needed, `--control PATH` and `--ca-folder PATH`. IPv6 as
 * [::1]:443. Throws `bad-input` naming the flag.
 */
export function readServicesFlags(args: readonly string[]): Omit<ServicesOptions, "clock" | "log"> {
  const { values, positionals } = readFlags(args, { names: [...REPEATABLE, ...SINGLE], repeatable: REPEATABLE });
  const [stray] = positionals;
  if (stray !== undefined) {
    throw new LabError("bad-input", `${shown(stray)}: unexpected argument; expected flags only`);
  }
  const all = (flag: string) => values.get(flag) ?? [];
  const endpoints = (flag: string) => all(flag).map((value) => readEndpoint(flag, value));
  const issuers = new Map(all("issuer").map((value) => readPair("issuer", value)));
  const names = (flag: string, owner: ZoneName["owner"]) =>
    all(flag).map((value) => readName(flag, value, owner, issuers));
  const [controlPath] = all("control");
  const [caFolder] = all("ca-folder");
  return {
    names: [...names("omni-name", "omni"), ...names("public-name", "public")],
    dns: endpoints("dns"),
    web: endpoints("web"),
    machineApi: endpoints("machine-api"),
    middlebox: all("middlebox").map(readMiddlebox),
    proxy: endpoints("proxy"),
    tlsProxy: endpoints("tls-proxy"),
    socks: endpoints("socks"),
    ntp: endpoints("ntp"),
    ntsKe: endpoints("nts-ke"),
    proxyReaches: endpoints("proxy-reaches"),
    ...(all("drift").length === 0 ? {} : { driftAddresses: all("drift") }),
    ...(controlPath === undefined ? {} : { controlPath }),
    ...(caFolder === undefined ? {} : { caFolder }),
  };
}

function readMiddlebox(value: string): MiddleboxEndpoint {
  const [at, upstream] = readPair("middlebox", value);
  return { ...readEndpoint("middlebox", at), upstream: readEndpoint("middlebox", upstream) };
}

function readName(
  flag: string,
  value: string,
  owner: ZoneName["owner"],
  issuers: ReadonlyMap<string, string>,
): ZoneName {
  const [name, addresses] = readPair(flag, value);
  const issuer = issuers.get(name);
  return { name, addresses: addresses.split(","), owner, ...(issuer === undefined ? {} : { issuer }) };
}

function readPair(flag: string, value: string): readonly [string, string] {
  const at = value.indexOf("=");
  if (at > 0 && at < value.length - 1) return [value.slice(0, at), value.slice(at + 1)];
  throw new LabError("bad-input", `--${flag}: ${shown(value)} has no two sides; expected LEFT=RIGHT`);
}

function readEndpoint(flag: string, value: string): ServiceEndpoint {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value) ?? [];
  const host = bracketed ?? plain ?? "";
  if (isIP(host) !== 0 && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new LabError("bad-input", `--${flag}: ${shown(value)} is no endpoint; expected IP:PORT, such as 127.0.0.1:443`);
}
