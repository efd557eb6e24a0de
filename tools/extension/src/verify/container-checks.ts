/** Checks that every container must pass. */
import type { Report } from "./check.ts";
import { type Container, STOP_MAX_MS } from "./container.ts";
import { malformedLines } from "./log-lines.ts";
import { type Memory, readConfinement } from "./process-facts.ts";
import type { ProfileOptions } from "./profile-options.ts";
import type { TestNode } from "./test-node.ts";

/** Goal and bound of the proportional set size, bytes (BUDGETS.md). */
export const PSS_GOAL_BYTES = 48 * 1024 * 1024;
export const PSS_MAX_BYTES = 64 * 1024 * 1024;

const mib = (bytes: number) => (bytes / (1024 * 1024)).toFixed(1);

/** The container is confined as Talos confines it. */
export function checkConfinement({ profile, abilities }: ProfileOptions, { pid }: Container, report: Report): void {
  const seen = readConfinement(pid);
  const namespaces = profile === "v1.12" ? "ipc,mnt,pid,uts" : "mnt,pid,uts";
  const isRight =
    seen.noNewPrivileges &&
    seen.seccomp === (abilities.seccomp === undefined ? 0 : 2) &&
    seen.ownNamespaces.join() === namespaces &&
    (profile !== "v1.12" || seen.openFilesMax === "1024");
  const namespacesSeen = `own namespaces ${seen.ownNamespaces.join(" ")}`;
  const limits = `open files ${seen.openFilesMax}, oom_score_adj ${seen.oomScoreAdj}`;
  report(
    "confined",
    isRight,
    `${namespacesSeen}, no new privileges ${seen.noNewPrivileges}, seccomp ${seen.seccomp}, ${limits}`,
  );
}

/** It ends by itself at SIGTERM. */
export async function checkStop(name: string, container: Container, report: Report): Promise<void> {
  const { tookMs, status } = await container.stop();
  report(name, status === 0 && tookMs < STOP_MAX_MS, `SIGTERM: exit ${status} after ${Math.round(tookMs)} ms`);
}

/** Its memory is within the bound. */
export function checkMemory(name: string, { pssBytes, fileBytes }: Memory, report: Report): void {
  const bounds = `goal ${mib(PSS_GOAL_BYTES)}, at most ${mib(PSS_MAX_BYTES)}`;
  const seen = `PSS ${mib(pssBytes)} MiB, ${mib(fileBytes)} of it pages of files; ${bounds}`;
  report(name, pssBytes > 0 && pssBytes <= PSS_MAX_BYTES, seen);
}

/** It prints lines that Talos parses, and nothing else. */
export function checkLog(name: string, containers: readonly Container[], report: Report): void {
  const lines = containers.flatMap((each) => each.lines);
  const stderr = containers.map((each) => each.stderr).join("");
  const wrong = [...malformedLines(lines), ...(stderr === "" ? [] : [`stderr: ${stderr.slice(0, 300)}`])];
  const right = `${lines.length} lines of JSON with msg, level and time, nothing else`;
  report(name, wrong.length === 0 && lines.length > 0, wrong.length === 0 ? right : wrong.slice(0, 3).join(" | "));
}

/** It has written to its state, /run and /dev/shm alone. */
export function checkWrites(node: TestNode, report: Report): void {
  const paths = node.writtenPaths();
  const seen = paths.length === 0 ? "to the state, /run and /dev/shm alone" : `also ${paths.slice(0, 5).join(", ")}`;
  report(`writes ${node.name}`, paths.length === 0, seen);
}
