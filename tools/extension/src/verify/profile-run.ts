/**
 * The checks of one profile of Talos: an idle node without configuration, and a node that reports.
 *
 * 1. Memory is read while no other container shares the pages of its program.
 * 2. The idle node runs for the second time while the other node has its outage.
 * 3. Both have a root and an overlay of their own, over the one squashed extension.
 */
import type { Check, Report } from "./check.ts";
import { checkWrites } from "./container-checks.ts";
import { checkIdleAgain, checkIdleStart } from "./idle-checks.ts";
import type { ProfileOptions } from "./profile-options.ts";
import { ReportingChecks } from "./reporting-checks.ts";
import { TestNode } from "./test-node.ts";

/** Runs the checks, and passes each on as it is made. Throws ExtensionError when it cannot go on. */
export async function runProfile(options: ProfileOptions, onCheck: (check: Check) => void): Promise<void> {
  const report: Report = (name, isRight, seen) => onCheck({ of: options.profile, name, isRight, seen });
  const idleNode = await TestNode.make(options, "idle");
  const reportingNode = await TestNode.make(options, "enrolled");
  report("mount sources", true, `made as Talos makes them: ${idleNode.madeSources.join(", ") || "none"}`);
  const firstLine = await checkIdleStart(options, idleNode, report);
  const reporting = new ReportingChecks(options, reportingNode, report);
  const container = await reporting.enrol();
  const idleAgain = await idleNode.start({});
  await reporting.outage(container);
  await reporting.restart(container);
  await checkIdleAgain(options, idleNode, firstLine, idleAgain, report);
  checkWrites(idleNode, report);
  checkWrites(reportingNode, report);
}
