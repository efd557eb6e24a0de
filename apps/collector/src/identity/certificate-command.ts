/**
 * `ca` and `certificate` of the collector's program: what agents pin, and certificates for people, programs and
 * witnesses.
 */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  type FleetCa,
  FleetCaError,
  makeKeyPair,
  openFleetCa,
  ROLE_ORGANISATIONS,
  type Role,
} from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { CA_CERT_NAME, CA_KEY_NAME } from "./fleet-ca-files.ts";

const MS_PER_DAY = 24 * 3_600_000;

/** How long a certificate lasts by default and at most, days. */
const DAYS = { default: 90, most: 3_650 };

const ROLES = Object.keys(ROLE_ORGANISATIONS) as Role[];

/** Longest name, characters: that of a common name (RFC 5280, ub-common-name). */
const NAME_MAX_CHARS = 64;

/** Lines of the usage. */
export const CERTIFICATE_USAGE = `
lifeline-collector ca --data-dir DIR
  prints the fingerprint of the fleet CA, which agents pin, and its certificate
lifeline-collector certificate --data-dir DIR --role ${ROLES.join("|")} --name NAME --to PREFIX [--days ${DAYS.default}]
  makes a client certificate for a person, a program or a witness: PREFIX.pem and PREFIX.key; overwrites nothing

both take --ca-cert FILE and --ca-key FILE for a CA of your own
`;

const text = { type: "string" } as const;
const OPTIONS = {
  "data-dir": text,
  "ca-cert": text,
  "ca-key": text,
  role: text,
  name: text,
  to: text,
  days: text,
} as const;

/** What is wrong with the arguments, in one line. */
class UsageError extends Error {}

/**
 * Runs the command that `args` begin with; undefined: they begin with none. The exit code otherwise: 0, 1 a failure, 2
 * wrong arguments.
 */
export async function runCertificate(
  args: readonly string[],
  clock: Clock,
  print: { readonly out: (text: string) => void; readonly err: (text: string) => void },
): Promise<number | undefined> {
  const [command, ...rest] = args;
  if (command !== "ca" && command !== "certificate") return undefined;
  try {
    const values = parsed(rest);
    const ca = await opened(values);
    if (command === "ca") print.out(`${ca.fingerprint}\n${ca.certPem}`);
    else await certify(ca, values, clock, print.err);
    return 0;
  } catch (error) {
    if (error instanceof UsageError || error instanceof FleetCaError) {
      print.err(`lifeline-collector ${command}: ${error.message}\n`);
      return 2;
    }
    if (!(error instanceof Error && "code" in error)) throw error;
    print.err(`lifeline-collector ${command}: ${error.message}\n`);
    return 1;
  }
}

type Values = ReturnType<typeof parsed>;

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: false }).values;
  } catch (error) {
    // Node's message names the argument.
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
}

function opened(values: Values): Promise<FleetCa> {
  const { "data-dir": dataDir, "ca-cert": certFile, "ca-key": keyFile } = values;
  if (certFile !== undefined && keyFile !== undefined) {
    return openFleetCa(readFileSync(certFile, "utf8"), readFileSync(keyFile, "utf8"), randomBytes);
  }
  if (certFile !== undefined || keyFile !== undefined) {
    throw new UsageError("--ca-cert and --ca-key: got one of them, want both or none");
  }
  if (dataDir === undefined) throw new UsageError("--data-dir: got nothing, want the collector's data directory");
  const paths = [join(dataDir, CA_CERT_NAME), join(dataDir, CA_KEY_NAME)] as const;
  if (!existsSync(paths[0])) {
    const want = "one of a collector that was started with --identity-name";
    throw new UsageError(`--data-dir: got ${JSON.stringify(dataDir)}, which holds no fleet CA; want ${want}`);
  }
  return openFleetCa(readFileSync(paths[0], "utf8"), readFileSync(paths[1], "utf8"), randomBytes);
}

async function certify(ca: FleetCa, values: Values, clock: Clock, say: (text: string) => void): Promise<void> {
  const role = ROLES.find((known) => known === values.role);
  if (role === undefined) throw new UsageError(`--role: got ${quoted(values.role)}, want ${ROLES.join(", ")}`);
  const { name, to } = values;
  if (name === undefined || !/^[\x20-\x7e]+$/.test(name) || name.length > NAME_MAX_CHARS) {
    throw new UsageError(`--name: got ${quoted(name)}, want 1 to ${NAME_MAX_CHARS} printable characters`);
  }
  if (to === undefined || to === "") throw new UsageError("--to: got nothing, want the beginning of two file names");
  const days = Number(values.days ?? DAYS.default);
  if (!Number.isInteger(days) || days < 1 || days > DAYS.most) {
    throw new UsageError(`--days: got ${quoted(values.days)}, want a whole number from 1 to ${DAYS.most}`);
  }
  for (const path of [`${to}.key`, `${to}.pem`]) {
    if (existsSync(path)) throw new UsageError(`--to: ${path} is there already, want the name of a new file`);
  }
  const keys = makeKeyPair();
  const lifetimeMs = days * MS_PER_DAY;
  const { publicKeyDer } = keys;
  const { pem, notAfterMs } = await ca.issueRole({
    name,
    role,
    publicKeyDer,
    nowMs: clock.wallMs(),
    lifetimeMs,
  });
  writeNew(`${to}.key`, keys.privateKeyPem, 0o600);
  writeNew(`${to}.pem`, pem, 0o644);
  const until = new Date(notAfterMs).toISOString();
  say(`${to}.pem and ${to}.key: ${role} ${name}, until ${until}; the CA is ${ca.fingerprint}\n`);
}

function writeNew(path: string, content: string, mode: number): void {
  const file = openSync(path, "wx", mode);
  try {
    writeSync(file, content);
  } finally {
    closeSync(file);
  }
}

function quoted(value: string | undefined): string {
  return value === undefined ? "nothing" : JSON.stringify(value.slice(0, 80));
}
