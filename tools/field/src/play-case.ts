/** Plays one case: its network, its services, `lifeline check` on the node, and an agent with a collector. */
import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGENT_NODE, COLLECTOR_NODE } from "@lifeline/bundle";
import type { StatusJson, StatusRowJson } from "@lifeline/cli";
import { programArguments, type Room } from "@lifeline/harness";
import { EVERY_CLIENT, type HostProcess, requestMode } from "@lifeline/lab";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { stringify } from "yaml";
import { isRight } from "./comparison.ts";
import type { ExpectedRow, FieldCase } from "./field-case.ts";
import { type FieldNet, openFieldNet } from "./field-net.ts";
import { CONTROL_SOCKET, PUBLIC_ROOT, PUBLIC_ROOT_SHA256, serviceArguments, siteDeployment } from "./site.ts";

/** What a case was answered. */
export interface Played {
  readonly check: Answer;
  /** Undefined where the deployment must be refused: then no collector starts. */
  readonly agent: Answer | undefined;
}

/** Rows, or what was printed instead of them. */
export interface Answer {
  readonly rows: readonly StatusRowJson[];
  readonly complaint: string;
  readonly exitCode: number | null;
}

/** How long `lifeline check` probes, s: its default. */
const CHECK_S = 10;

/** Longest wait for the agent's rows to be as expected, ms, and the time from one look to the next. */
const AGENT_MAX_MS = 60_000;
const LOOK_EVERY_MS = 500;

const COLLECTOR = "127.0.0.1:9470";

/** Longest wait for the collector, ms, on a busy machine. */
const COLLECTOR_MAX_MS = 60_000;

/** Plays the case. Everything it made is gone when it resolves. */
export async function playCase(one: FieldCase, clock: Clock, signal: AbortSignal): Promise<Played> {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-field-"));
  const net = await openFieldNet(one.node ?? {}, clock);
  try {
    return await new Play(one, net, folder, clock, signal).play();
  } finally {
    await net.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Play {
  readonly #case: FieldCase;
  readonly #net: FieldNet;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  constructor(one: FieldCase, net: FieldNet, folder: string, clock: Clock, signal: AbortSignal) {
    this.#case = one;
    this.#net = net;
    this.#folder = folder;
    this.#clock = clock;
    this.#signal = signal;
  }

  async play(): Promise<Played> {
    await this.#openWorld();
    const root = new X509Certificate(readFileSync(join(this.#folder, PUBLIC_ROOT)));
    const deployment = stringify(siteDeployment(this.#case), { aliasDuplicateObjects: false });
    writeFileSync(this.#deployment, deployment.replaceAll(PUBLIC_ROOT_SHA256, root.fingerprint256));
    const { expected } = this.#case;
    if ("refused" in expected) return { check: await this.#check(), agent: undefined };
    const [check, agent] = await Promise.all([this.#check(), this.#agent(expected)]);
    return { check, agent };
  }

  get #deployment(): string {
    return join(this.#folder, "deployment.yaml");
  }

  async #openWorld(): Promise<void> {
    const { world } = this.#net;
    const { filter, modes = [] } = this.#case;
    if (filter !== undefined) {
      const chain = ["type filter hook input priority filter; policy accept;", ...filter];
      await world.nft(`table inet field {\nchain world {\n${chain.join("\n")}\n}\n}\n`);
    }
    const services = world.spawn(process.execPath, serviceArguments(this.#case, this.#folder), { isServer: true });
    await services.hasSaid("\n");
    for (const mode of modes) {
      await requestMode(join(this.#folder, CONTROL_SOCKET), { client: EVERY_CLIENT, ...mode });
    }
  }

  async #check(): Promise<Answer> {
    const { stall } = this.#case;
    const seconds = stall === undefined ? CHECK_S : Math.ceil((stall.atMs + stall.forMs) / 1_000);
    const args = ["check", "--deployment", this.#deployment, "--json", "--seconds", String(seconds)];
    const check = this.#start("cli", args, {});
    void this.#stall(check);
    return answerOf(check);
  }

  /** The agent's rows as the collector shows them, once they are as expected, or when time is up. */
  async #agent(expected: readonly ExpectedRow[]): Promise<Answer> {
    const [store, state] = [join(this.#folder, "store"), join(this.#folder, "agent")];
    for (const path of [store, state]) mkdirSync(path);
    const collector = this.#start("collector", ["--data-dir", store, "--deployment", this.#deployment], {
      ...COLLECTOR_NODE,
    });
    await Promise.race([collector.hasSaid("the collector serves", COLLECTOR_MAX_MS), collector.ended]);
    const agent = this.#start("agent", ["--collector", COLLECTOR, "--state-dir", state, "--node-id", "node"], {
      ...AGENT_NODE,
    });
    void this.#stall(agent);
    const untilNs = this.#clock.monotonicNs() + AGENT_MAX_MS * NS_PER_MS;
    for (;;) {
      const answer = await answerOf(this.#start("cli", ["status", "--collector", COLLECTOR, "--json"], {}));
      const isOver = this.#clock.monotonicNs() > untilNs || this.#signal.aborted;
      if (isOver || isRight(answer.rows, expected)) return answer;
      await pause(this.#clock, LOOK_EVERY_MS, this.#signal);
    }
  }

  #start(
    room: Room,
    args: readonly string[],
    node: { readonly flags?: readonly string[]; readonly environment?: Readonly<Record<string, string>> },
  ): HostProcess {
    const { flags = [], environment = {} } = node;
    return this.#net.node.spawn(process.execPath, [...flags, ...programArguments(room), ...args], {
      env: {
        ...environment,
        NODE_EXTRA_CA_CERTS: join(this.#folder, PUBLIC_ROOT),
        ...(room === "agent" ? { LIFELINE_ROLES: "talos-node" } : {}),
        ...this.#case.environment,
      },
      rawOutput: room === "cli",
      isServer: room !== "cli",
    });
  }

  async #stall(process_: HostProcess): Promise<void> {
    const { stall } = this.#case;
    if (stall === undefined) return;
    await pause(this.#clock, stall.atMs, this.#signal);
    process_.signal("SIGSTOP");
    await pause(this.#clock, stall.forMs, this.#signal);
    process_.signal("SIGCONT");
  }
}

/** The answer of a command of the CLI, once it has ended. */
async function answerOf(cli: HostProcess): Promise<Answer> {
  let text = "";
  cli.stdout.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  const { status } = await cli.ended;
  const complaint = cli.complained().trim();
  try {
    return { rows: (JSON.parse(text) as StatusJson).rows, complaint, exitCode: status };
  } catch {
    return { rows: [], complaint: complaint || text, exitCode: status };
  }
}
