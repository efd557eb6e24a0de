/** `lifeline check`: what `status` shows, measured from this host now, without agent or collector. */
import { basename, dirname } from "node:path";
import {
  type Deployment,
  deploymentFrom,
  isConfiguredToJoin,
  type LearnedRedirect,
  loadCatalogueFor,
  loadDeployment,
  loadInterception,
  matchesPattern,
  ORIGINS,
  type Origin,
  type ProxyKind,
  type Resolution,
  refuseUnmatchedMirrors,
  resolve,
  resolvedTargets,
} from "@lifeline/catalogue";
import type { ProxyEndpoint } from "@lifeline/measure";
import type { LocalNode } from "@lifeline/prober";
import { type Command, InvalidArgumentError, Option } from "commander";
import { noMatch } from "../arguments/requirement-pattern.ts";
import { traceTarget } from "../arguments/trace-target.ts";
import { runPreflight } from "../check/preflight.ts";
import { traceAttempt } from "../check/trace.ts";
import { CliError } from "../cli-error.ts";
import { readPem } from "../collector/collector-security.ts";
import { statusView } from "../render/status-view.ts";
import { traceView } from "../render/trace.ts";
import { OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";
import type { Output } from "../world.ts";

/** How long targets are probed by default, s: ten samples show a loss of a quarter. */
const DEFAULT_SECONDS = 10;

/** Longest run, s: five minutes. To measure for longer is the agent's task. */
const MAX_SECONDS = 300;

interface CheckFlags {
  readonly deployment?: string;
  readonly omni?: string;
  readonly siderolink?: readonly string[];
  readonly machineApi?: string;
  readonly grpcTunnel?: boolean;
  readonly talosVersion?: string;
  readonly role?: readonly Origin[];
  readonly seconds: number;
  readonly trace?: string;
}

/** Adds the command to the root. */
export function addCheck(root: Command, session: Session): void {
  const command = root
    .command("check")
    .description("probe from this host now and judge as the collector does; needs no agent and no collector")
    .option("--deployment <file>", "the deployment file")
    .option("--omni <url>", "instead of a file: Omni's https URL")
    .option("--siderolink <host:port>", "with --omni: a WireGuard endpoint; may be repeated", collected)
    .option("--machine-api <url>", "with --omni: where nodes register; SaaS follows from --omni")
    .option("--grpc-tunnel", "with --omni: WireGuard is carried over gRPC")
    .option(
      "--talos-version <version>",
      "judge for a node of this version, such as v1.13.2 (default this host's, else the catalogue's)",
      talosVersion,
    )
    .addOption(new Option("--role <role>", "judge this host as; may be repeated (default talos-node)").choices(ORIGINS))
    .addOption(
      new Option("--seconds <n>", `how long to probe, once a second (1-${MAX_SECONDS})`)
        .argParser(wholeSeconds)
        .default(DEFAULT_SECONDS),
    )
    .addOption(
      new Option(
        "--trace <target>",
        "make one attempt at one target and print each step: words of its row, such as 'machine-api grpc'",
      ).conflicts("seconds"),
    )
    .action((flags: CheckFlags) => check(flags, session));
  const role = command.options.find(({ long }) => long === "--role");
  const parseChoice = role?.parseArg;
  role?.argParser((value: string, before: readonly string[] | undefined) => {
    const chosen = parseChoice === undefined ? value : parseChoice(value, value);
    return [...(before ?? []), String(chosen)];
  });
  withTraits(command, {
    uses: [...OUTPUT_OPTIONS, "only", "caFile"],
    examples: [
      ["lifeline check --deployment deployment.yaml", "before the first node is installed"],
      ["lifeline check --omni https://omni.example.com --siderolink omni.example.com:50180", "without a file"],
      ["lifeline check --deployment deployment.yaml --trace 'machine-api grpc'", "one attempt, step by step"],
    ],
  });
}

/** Measures and shows. The node is closed whatever happens, so that no socket of it keeps the process. */
async function check(flags: CheckFlags, session: Session): Promise<void> {
  const { world } = session;
  const { clock, random, env: environment, host, stderr } = world;
  const { only, caFile } = session.options();
  const node = host.openNode({ clock, random, environment });
  try {
    for (const warning of node.warnings) await stderr.write(`warning: ${warning}\n`);
    const facts = node.facts();
    const resolutionOf = resolverFor(flags, caFile, facts, host.hostname);
    const resolutionWith = (redirects: readonly LearnedRedirect[]) => narrowed(resolutionOf(redirects), only);
    const resolution = resolutionWith([]);
    const remarks = isVersionAssumed(flags, facts, resolution)
      ? [`Judged for Talos ${resolution.catalogueVersion}, the catalogue's version; --talos-version names another.`]
      : [];
    const traced = flags.trace === undefined ? undefined : traceTarget(flags.trace, resolvedTargets(resolution));
    await session.show(async (signal) => {
      const resolved = { resolution, resolutionWith, interception: loadInterception() };
      const measured = { ...resolved, durationS: flags.seconds, hostname: host.hostname, clock, node, signal };
      const preflight = { ...measured, isConfiguredToJoin: isConfiguredToJoin(facts), remarks };
      if (traced !== undefined) return traceView(await traceAttempt(preflight, traced));
      await announce(resolution, flags.seconds, stderr);
      return statusView(await runPreflight(preflight));
    });
  } finally {
    node.close();
  }
}

async function announce(resolution: Resolution, durationS: number, stderr: Output): Promise<void> {
  const count = resolvedTargets(resolution).length;
  if (stderr.isTTY) await stderr.write(`probing ${count} ${count === 1 ? "target" : "targets"} for ${durationS} s …\n`);
}

/** Resolves every row of the deployment's catalogue for this node. @throws CliError `usage`, CatalogueError. */
function resolverFor(
  flags: CheckFlags,
  caFile: string | undefined,
  facts: ReturnType<LocalNode["facts"]>,
  nodeId: string,
): (redirects: readonly LearnedRedirect[]) => Resolution {
  const deployment = deploymentOf(flags, caFile);
  const { deployment: path = "command line" } = flags;
  const catalogue = loadCatalogueFor(deployment, dirname(path));
  refuseUnmatchedMirrors(basename(path), deployment, catalogue);
  const here = {
    ...facts,
    nodeId,
    roles: flags.role ?? (["talos-node"] as const),
    talosVersion: flags.talosVersion ?? facts.talosVersion ?? catalogue.version,
  };
  return (redirects) => resolve(catalogue, deployment, { ...here, redirects });
}

/** Whether no version was given or found, and a row depends on it. */
function isVersionAssumed(flags: CheckFlags, facts: { readonly talosVersion?: string }, { rows }: Resolution): boolean {
  if (flags.talosVersion !== undefined || facts.talosVersion !== undefined) return false;
  return rows.some(
    ({ requirement: { conditions = [], proxyKinds = [] }, ...row }) =>
      conditions.some(({ fact }) => fact === "network-time-security") ||
      (row.kind === "targets" && row.targets.some(({ proxy }) => proxyKinds.some((kind) => isOfNewer(kind, proxy)))),
  );
}

/** Whether the proxy is of a kind that an older Talos asks otherwise. */
function isOfNewer({ scheme, since }: ProxyKind, proxy: ProxyEndpoint | undefined): boolean {
  return since !== undefined && proxy?.scheme === scheme;
}

function deploymentOf(flags: CheckFlags, caFile: string | undefined): Deployment {
  const { deployment, omni, siderolink = [], machineApi, grpcTunnel } = flags;
  if (deployment !== undefined) {
    const spare = spareFlag(flags, caFile);
    if (spare !== undefined)
      throw new CliError("usage", `${spare}: cannot be combined with --deployment; set it in the file`);
    return loadDeployment(deployment);
  }
  if (omni === undefined) {
    throw new CliError("usage", "check: give --deployment FILE, or --omni URL with --siderolink HOST:PORT");
  }
  return deploymentFrom({
    api: omni,
    siderolink,
    ...(machineApi === undefined ? {} : { machineApi }),
    ...(grpcTunnel === undefined ? {} : { grpcTunnel }),
    ...(caFile === undefined ? {} : { caPem: readPem("--ca-file", caFile).toString("utf8") }),
  });
}

function spareFlag({ omni, siderolink, machineApi, grpcTunnel }: CheckFlags, caFile: string | undefined) {
  const given: Readonly<Record<string, unknown>> = {
    "--omni": omni,
    "--siderolink": siderolink,
    "--machine-api": machineApi,
    "--grpc-tunnel": grpcTunnel,
    "--ca-file": caFile,
  };
  return Object.keys(given).find((flag) => given[flag] !== undefined);
}

/** The rows whose id matches; the others are neither probed nor judged. */
function narrowed(resolution: Resolution, only: string | undefined): Resolution {
  if (only === undefined) return resolution;
  const rows = resolution.rows.filter(({ requirement }) => matchesPattern(only, requirement.id));
  if (rows.length > 0) return { ...resolution, rows };
  throw noMatch(
    only,
    resolution.rows.map(({ requirement }) => requirement.id),
  );
}

function collected(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** A release of Talos as it names itself, such as v1.13.2 or v1.14.0-beta.1; at most 64 characters. */
function talosVersion(text: string): string {
  if (text.length <= 64 && /^v?\d{1,4}\.\d{1,4}(\.\d{1,4})?([-+][\w.+-]+)?$/.test(text)) return text;
  throw new InvalidArgumentError("want a Talos version such as v1.13.2");
}

function wholeSeconds(text: string): number {
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= MAX_SECONDS) return seconds;
  throw new InvalidArgumentError(`want a whole number of seconds from 1 to ${MAX_SECONDS}`);
}
