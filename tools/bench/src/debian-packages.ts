/** The peers and tools the bench takes from Debian: present, or installed by apt-get where that may be done. */
import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { promisify } from "node:util";
import { BenchError, reasonText } from "./bench-error.ts";

/** A program, its Debian package, and the arguments that print its version. */
export interface DebianProgram {
  readonly command: string;
  readonly packageName: string;
  readonly versionFlag: string;
  /** The version's place in what the program prints. */
  readonly version: RegExp;
}

export const TCPDUMP: DebianProgram = {
  command: "tcpdump",
  packageName: "tcpdump",
  versionFlag: "--version",
  version: /tcpdump version (\S+)/,
};

export const FPING: DebianProgram = {
  command: "fping",
  packageName: "fping",
  versionFlag: "-v",
  version: /Version (\S+)/,
};

export const BLACKBOX_EXPORTER: DebianProgram = {
  command: "prometheus-blackbox-exporter",
  packageName: "prometheus-blackbox-exporter",
  versionFlag: "--version",
  version: /version (\S+?)[, ]/,
};

const run = promisify(execFile);
const VERSION_MAX_MS = 20_000;
/** A slow mirror's time for some 10 MB. */
const INSTALL_MAX_MS = 300_000;
/** Present where systemd is the init process (sd_booted(3)). */
const SYSTEMD_RUNS = "/run/systemd/system";

/**
 * Makes sure that all of `programs` can be run; resolves with their versions by command. Throws `cannot-run` when one
 * is missing and may not or could not be installed.
 */
export async function ensurePrograms(
  programs: readonly DebianProgram[],
  say: (line: string) => void,
): Promise<Readonly<Record<string, string>>> {
  const missing: DebianProgram[] = [];
  for (const program of programs) if ((await versionOf(program)) === undefined) missing.push(program);
  if (missing.length > 0) await install(missing, say);

  const versions: Record<string, string> = {};
  for (const program of programs) {
    const version = await versionOf(program);
    if (version === undefined) throw new BenchError("cannot-run", `${program.command} does not run here`);
    versions[program.command] = version;
  }
  return versions;
}

async function versionOf({ command, versionFlag, version }: DebianProgram): Promise<string | undefined> {
  const printed = await run(command, [versionFlag], { timeout: VERSION_MAX_MS }).catch(() => undefined);
  return printed === undefined ? undefined : version.exec(`${printed.stdout} ${printed.stderr}`)?.[1];
}

async function install(missing: readonly DebianProgram[], say: (line: string) => void): Promise<void> {
  const names = missing.map(({ packageName }) => packageName);
  const advice = `install it first: apt-get install ${names.join(" ")}`;
  if (process.getuid?.() !== 0)
    throw new BenchError("cannot-run", `${names.join(", ")} missing, and this is not root; ${advice}`);
  if (missing.includes(BLACKBOX_EXPORTER) && (await exists(SYSTEMD_RUNS))) {
    const why = "installing it would start its service, on every address of this host";
    throw new BenchError("cannot-run", `${BLACKBOX_EXPORTER.packageName} missing, and ${why}; ${advice}`);
  }
  say(`installing from Debian by apt-get: ${names.join(" ")}`);
  // invoke-rc.d(8) starts no service in runlevel 1: the bench runs the exporter itself, on loopback alone.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  try {
    await run("apt-get", ["update"], { env, timeout: INSTALL_MAX_MS });
    await run("apt-get", ["install", "-y", "--no-install-recommends", ...names], { env, timeout: INSTALL_MAX_MS });
  } catch (error) {
    throw new BenchError("cannot-run", `apt-get could not install ${names.join(", ")}: ${reasonText(error).trim()}`);
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
