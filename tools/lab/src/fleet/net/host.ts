/**
 * A host of the fleet: a network, a mount and a process namespace of its own, on this machine's files.
 *
 * 1. Its namespaces have no names. They live as long as their first process, and that ends with its standard input,
 *    with our SIGKILL, or with us: nothing is left behind, however the creator dies.
 * 2. `/sys` and `/proc` show its own network and processes; `/run` is empty and its own (WireGuard's control sockets
 *    are there).
 * 3. Files given to it lie over the machine's at their paths, and are kept in its own memory: no file of the machine
 *    changes.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { readlink, writeFile } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import type { Logger } from "pino";
import { LabError } from "../../lab-error.ts";
import { type HostProcess, type HostSpawnOptions, startProcess } from "./host-process.ts";

/** What a command printed. */
export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A host. */
export interface Host {
  readonly name: string;
  /** Process id of its first process: `/proc/PID/ns/net` is its network. */
  readonly pid: number;
  /** Starts a program inside it. */
  spawn(command: string, args: readonly string[], options?: HostSpawnOptions): HostProcess;
  /** Runs a program to its end with `input` on standard input; resolves with any exit status. */
  attempt(command: string, args: readonly string[], input?: string): Promise<CommandResult>;
  /** As `attempt`, but throws `command-failed` unless the status is 0; resolves with standard output. */
  run(command: string, args: readonly string[], input?: string): Promise<string>;
  /** Runs `ip` with one command a line. */
  ip(...lines: readonly string[]): Promise<void>;
  /** Gives nftables rules to the host's own network (`nft -f`), all or none. */
  nft(rules: string): Promise<void>;
  /** Sets kernel settings of its network, e.g. `{"net.ipv4.ip_forward": 1}`. */
  sysctl(settings: Readonly<Record<string, number | string>>): Promise<void>;
  /** Replaces the content of a file it was created with; throws `bad-input` for another path. */
  writeFile(path: string, content: string): Promise<void>;
  /** Ends everything inside it, and it. Idempotent. */
  close(): Promise<void>;
}

/** What to make. */
export interface HostPlan {
  readonly name: string;
  /** Path → content of the files that lie over the machine's. The paths must exist. */
  readonly files: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Runs a program before those that have no niceness. Linux may share processors between sessions instead of programs;
 * then the session has the niceness (sched(7), autogroup).
 */
const BEFORE_OTHERS = 'echo -10 2>/dev/null > /proc/self/autogroup; exec nice -n -10 "$@"';

/** Where the files' contents are, inside the host. */
const FILES_FOLDER = "/run/lifeline";

/**
 * The first process of the host. Its arguments are the paths of the host's files; `writeFile` supplies the contents,
 * and a line on stdin then makes it continue. It prints its id as in the machine's /proc before it mounts its own. A
 * path whose target was under /run gets a target in the new /run.
 */
const FIRST_PROCESS = `
read -r pid rest < /proc/self/stat
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/wireguard /run/netns ${FILES_FOLDER}
ip link set lo up
echo "made $pid"
read -r word
number=0
for path in "$@"; do
  target=$(readlink -f "$path")
  case "$target" in /run/*) mkdir -p "$(dirname "$target")"; : >> "$target" ;; esac
  mount --bind "${FILES_FOLDER}/$number" "$target"
  number=$((number + 1))
done
echo ready
exec cat > /dev/null
`;

/** Makes a host. Throws `command-failed` where the machine does not allow it. */
export async function openHost(plan: HostPlan): Promise<Host> {
  const paths = Object.keys(plan.files);
  const namespaces = ["--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"];
  const args = ["--pdeathsig", "KILL", "unshare", ...namespaces, "sh", "-ec", FIRST_PROCESS, plan.name, ...paths];
  const child = spawn("setpriv", args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  const first = followFirst(plan.name, child);
  try {
    const pid = Number((await first.line()).replace("made ", ""));
    const place = (number: number) => `/proc/${pid}/root${FILES_FOLDER}/${number}`;
    for (const [number, path] of paths.entries()) await writeFile(place(number), plan.files[path] ?? "");
    child.stdin.write("go on\n");
    await first.line();
    plan.log.debug({ host: plan.name, pid }, "host made");
    return hostOf(plan, pid, first, (path) => {
      const number = paths.indexOf(path);
      if (number < 0)
        throw new LabError(
          "bad-input",
          `path: ${path} is none of ${plan.name}'s files; expected one of ${paths.join(", ")}`,
        );
      return place(number);
    });
  } catch (error) {
    await first.end();
    throw error;
  }
}

interface FirstProcess {
  /** The next line it prints; throws `command-failed` when it ends instead. */
  line(): Promise<string>;
  end(): Promise<void>;
}

function followFirst(name: string, child: ChildProcessByStdio<Writable, Readable, Readable>): FirstProcess {
  let [printed, complained] = ["", ""];
  let over = false;
  let wake = () => {};
  child.stdin.on("error", () => undefined);
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complained = (complained + text).slice(-4_096);
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed = (printed + text).slice(-4_096);
    wake();
  });
  const ended = new Promise<void>((resolve) => {
    const finish = () => {
      over = true;
      wake();
      resolve();
    };
    child.once("error", finish).once("close", finish);
  });
  return {
    async line() {
      while (!printed.includes("\n")) {
        if (over) throw new LabError("command-failed", `${name}: the host could not be made: ${complained.trim()}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const end = printed.indexOf("\n");
      const line = printed.slice(0, end);
      printed = printed.slice(end + 1);
      return line;
    },
    async end() {
      child.stdin.end();
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** How long the kernel may take to end what lived in a host, ms, and how often it is looked. */
const GONE_MAX_MS = 2_000;
const GONE_LOOK_MS = 2;

/**
 * Waits until a host's first process has let go of its network: it closes its files, which tells us of its end, before
 * its children end.
 */
async function gone(pid: number, clock: Clock): Promise<void> {
  const startedNs = clock.monotonicNs();
  const lives = () =>
    readlink(`/proc/${pid}/ns/net`).then(
      () => true,
      () => false,
    );
  while ((await lives()) && clock.monotonicNs() - startedNs < GONE_MAX_MS * NS_PER_MS) await pause(clock, GONE_LOOK_MS);
}

function hostOf(plan: HostPlan, pid: number, first: FirstProcess, placeOf: (path: string) => string): Host {
  const { name, clock, log } = plan;
  const running = new Set<HostProcess>();
  let closing: Promise<void> | undefined;
  const keep = (started: HostProcess) => {
    running.add(started);
    void started.ended.then(() => running.delete(started));
    return started;
  };
  const spawnIn: Host["spawn"] = (command, args, options = {}) => {
    if (closing !== undefined) throw new LabError("closed", `${name} has been closed`);
    const entry = ["nsenter", "--target", String(pid), "--net", "--mount", "--pid"];
    entry.push(`--wd=${options.cwd ?? process.cwd()}`, "--");
    const first = options.isServer === true ? ["sh", "-c", BEFORE_OTHERS, "sh"] : [];
    return keep(startProcess(clock, `${name} ${command}`, entry, [...first, command, ...args], options));
  };
  const attempt: Host["attempt"] = async (command, args, input = "") => {
    const started = spawnIn(command, args);
    started.stdin.end(input);
    const { status } = await started.ended;
    return { status, stdout: started.printed(), stderr: started.complained() };
  };
  const run: Host["run"] = async (command, args, input) => {
    const { status, stdout, stderr } = await attempt(command, args, input);
    if (status === 0) return stdout;
    const words = [command, ...args].join(" ");
    throw new LabError("command-failed", `${name}: ${words}: status ${status}: ${stderr.trim()}`);
  };
  const close = async () => {
    await Promise.all([...running].map((process) => process.end()));
    await first.end();
    await gone(pid, clock);
    log.debug({ host: name }, "host gone");
  };
  return {
    name,
    pid,
    spawn: spawnIn,
    attempt,
    run,
    async ip(...lines) {
      // Into the network alone: the process ids of other hosts, which links are made with, are known outside only.
      const entry = ["nsenter", "--target", String(pid), "--net", "--"];
      const started = keep(startProcess(clock, `${name} ip`, entry, ["ip", "-batch", "-"], {}));
      started.stdin.end(`${lines.join("\n")}\n`);
      const { status } = await started.ended;
      if (status === 0) return;
      const words = lines.join("; ");
      throw new LabError("command-failed", `${name}: ip ${words}: status ${status}: ${started.complained().trim()}`);
    },
    nft: async (rules) => void (await run("nft", ["-f", "-"], rules)),
    async sysctl(settings) {
      const set = Object.entries(settings).map(
        ([key, value]) => `echo '${value}' > /proc/sys/${key.replaceAll(".", "/")}`,
      );
      await run("sh", ["-e"], `${set.join("\n")}\n`);
    },
    writeFile: async (path, content) => writeFile(placeOf(path), content),
    close() {
      closing ??= close();
      return closing;
    },
  };
}
