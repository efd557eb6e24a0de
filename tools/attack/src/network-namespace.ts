/**
 * A network of its own (network_namespaces(7)), whose loopback has many addresses of one IPv6 network: this program
 * runs in it again.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { childProgram } from "./child-program.ts";

/** Addresses of one /64 (RFC 3849 for documents), all on loopback. */
const NETWORK_ADDRESSES_MAX = 64;
export const NETWORK_ADDRESSES: readonly string[] = Array.from(
  { length: NETWORK_ADDRESSES_MAX },
  (_, at) => `2001:db8:1:2::${(at + 1).toString(16)}`,
);

/** Set in the program inside. */
const INSIDE = "ATTACK_INSIDE";

/** Whether this program runs inside. */
export const isInside: boolean = process.env[INSIDE] !== undefined;

/** Why this machine has no such network; undefined: it has. */
export function whyNoNetwork(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return "a network namespace of its own wants root on Linux";
  const tools = ["ip", "unshare"];
  const missing = tools.filter(
    (tool) => !["/usr/bin", "/usr/sbin", "/bin", "/sbin"].some((at) => existsSync(`${at}/${tool}`)),
  );
  return missing.length === 0 ? undefined : `a network namespace of its own wants ${missing.join(" and ")}`;
}

/**
 * Runs `npm run attack` in the namespace with these arguments and returns its stdout. Rejects with its error output
 * when it fails.
 */
export function runInside(args: readonly string[]): Promise<string> {
  const { execArgv, path } = childProgram("main");
  const addresses = NETWORK_ADDRESSES.map((address) => `ip -6 addr add ${address}/64 dev lo nodad`);
  const script = ["ip link set lo up", ...addresses, 'exec "$@"'].join(" && ");
  const command = ["--net", "--", "sh", "-c", script, "sh", process.execPath, ...execArgv, path, ...args];
  return new Promise((resolve, reject) => {
    execFile("unshare", command, { env: { ...process.env, [INSIDE]: "1" } }, (error, out, err) => {
      // An exit status of 1 with output is not an error: an attack has broken a rule, and the output names it.
      if (out === "") reject(new Error(err || error?.message));
      else resolve(out);
    });
  });
}
