/**
 * A second collector of the test bed, which identifies nodes by certificate. Nodes enrol at it, and the drills query
 * their enrolment.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { COLLECTOR_NODE } from "@lifeline/bundle";
import type { StatusRowJson } from "@lifeline/cli";
import type { HostProcess } from "@lifeline/lab";
import { DrillError } from "./drill-error.ts";
import type { TestBed } from "./test-bed.ts";

/** Output of `lifeline node ID --json`. */
export interface NodeAnswer {
  readonly rows: readonly StatusRowJson[];
  readonly incidents: readonly {
    readonly requirement: string;
    readonly cause: string | null;
    readonly start: string | null;
    readonly end: string | null;
  }[];
  readonly boots: readonly {
    readonly boot: string;
    readonly firstSequence: number;
    readonly lastSequence: number;
    readonly reports: number;
    readonly missingReports: number;
    readonly duplicateReports: number;
  }[];
}

/** One id in the output of `lifeline enrolments --json`. */
export interface Enrolment {
  readonly node: string;
  /** Hexadecimal; empty: an id that was revoked before any key of it was seen. */
  readonly keySha256: string;
  readonly enrolled: string | null;
  /** Of other keys to this id. */
  readonly refusedClaims: number;
}

/** The collector. */
export interface EnrollingCollector {
  /** host:port */
  readonly collector: string;
  /** A join token for one node, and the fingerprint of the fleet CA. */
  invite(): Promise<{ readonly token: string; readonly caFingerprint: string }>;
  /** Undefined while the collector does not answer, or does not know the node. */
  ask(nodeId: string): Promise<NodeAnswer | undefined>;
  /** The enrolment that holds the id; undefined: none. Rejects with a DrillError when the collector does not answer. */
  enrolment(nodeId: string): Promise<Enrolment | undefined>;
  /** The end of what the last question that was not answered has complained. */
  complaint(): string;
  /** kill -9. */
  killCollector(): Promise<void>;
  startCollector(): Promise<void>;
}

const root = resolve(import.meta.dirname, "../../..");
const COLLECTOR = join(root, "apps/collector/dist/main.js");
const CLI = join(root, "apps/cli/dist/main.js");

const PORT = 9_480;
const METRICS_PORT = 9_481;

const COMPLAINT_MAX_CHARS = 600;

/** Opens it. Rejects with a DrillError `not-started`. */
export async function openEnrollingCollector({ net, folder, deploymentFile }: TestBed): Promise<EnrollingCollector> {
  const host = net.collector;
  const collector = `${host.management}:${PORT}`;
  const store = join(folder, "enrolling-store");
  mkdirSync(store);
  const [adminToken, readerToken] = [0, 1].map(() => randomBytes(32).toString("base64url")) as [string, string];
  const env = { LIFELINE_ADMIN_TOKEN: adminToken, LIFELINE_READER_TOKEN: readerToken };
  const files = ["--data-dir", store, "--deployment", deploymentFile, "--identity-name", host.management];
  const listen = ["--listen", collector, "--http-listen", `${host.management}:${METRICS_PORT}`];
  let running: HostProcess | undefined;
  const startCollector = async () => {
    running = host.spawn(process.execPath, [...COLLECTOR_NODE.flags, COLLECTOR, ...files, ...listen], {
      env: { ...COLLECTOR_NODE.environment, ...env },
    });
    try {
      await running.hasSaid("the collector serves");
    } catch (error) {
      const output = `${running.printed().slice(-600)}${running.complained().slice(-600)}`;
      throw new DrillError("not-started", `the enrolling collector did not start: ${output}`, { cause: error });
    }
  };
  let complaint = "";
  /** Runs the CLI beside the collector; undefined unless it printed JSON. */
  const cli = async (token: string, ...args: readonly string[]): Promise<unknown> => {
    const trust = ["--collector", collector, "--ca-file", join(store, "identity/ca.pem"), "--json"];
    const asked = host.spawn(process.execPath, [CLI, ...args, ...trust], {
      env: { LIFELINE_TOKEN: token },
      rawOutput: true,
    });
    let printed = "";
    asked.stdout.setEncoding("utf8").on("data", (more: string) => (printed += more));
    await asked.ended;
    try {
      return JSON.parse(printed);
    } catch {
      // The collector is away, or knows no such node.
      complaint = asked.complained().trim().slice(-COMPLAINT_MAX_CHARS);
      return undefined;
    }
  };
  await startCollector();
  return {
    collector,
    async invite() {
      const made = (await cli(adminToken, "token", "create")) as { token: string; caFingerprint: string } | undefined;
      if (made === undefined) throw new DrillError("not-started", `no join token was made: ${complaint}`);
      return { token: made.token, caFingerprint: made.caFingerprint };
    },
    ask: async (nodeId) => (await cli(readerToken, "node", nodeId)) as NodeAnswer | undefined,
    async enrolment(nodeId) {
      const all = (await cli(adminToken, "enrolments")) as { enrolments: readonly Enrolment[] } | undefined;
      if (all === undefined) throw new DrillError("not-started", `the enrolments cannot be read: ${complaint}`);
      return all.enrolments.find(({ node }) => node === nodeId);
    },
    complaint: () => complaint,
    async killCollector() {
      running?.signal("SIGKILL");
      await running?.ended;
    },
    startCollector,
  };
}
