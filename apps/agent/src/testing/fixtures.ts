/** Targets, samples, directories and waiting, for several tests. */
import { mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Reason, type Sample, type Target, targetId } from "@lifeline/measure";
import { afterAll } from "vitest";

/** A TCP target on loopback. */
export function tcpTarget(port: number, overrides: Partial<Omit<Target, "id">> = {}): Target {
  const target = {
    requirementId: "test",
    host: "127.0.0.1",
    port,
    family: 4,
    options: { probe: "tcp", acceptReset: false },
    cadenceMs: 1_000,
    timeoutMs: 500,
    ...overrides,
  } as const;
  return { id: targetId(target), ...target };
}

/** A sample that took `tookMs` and ended for `reason`. */
export function sampleOf(target: string, startedAtMs: number, reason: Reason, tookMs = 10): Sample {
  const rtt = reason === "answered" ? { rtt: { ns: tookMs * 1_000_000, source: "kernel" as const } } : {};
  return {
    targetId: target,
    startedAtMs,
    endedAtMs: startedAtMs + tookMs,
    outcome: { reason, phase: "connect" },
    ...rtt,
    phases: {},
    evidence: { code: reason },
  };
}

/** Directories to remove after the test file, whatever was written to them late. */
const made: string[] = [];
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
});

/** A new directory, and how to remove it. */
export function scratch(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "lifeline-agent-"));
  made.push(path);
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Makes a file unreadable to any user; returns the function that undoes it. */
export function obstruct(path: string): () => void {
  renameSync(path, `${path}.away`);
  mkdirSync(path);
  return () => {
    rmdirSync(path);
    renameSync(`${path}.away`, path);
  };
}

/** Longest wait for an event, ms. A busy machine stays far below it, and a test that waits as long has failed. */
export const WAIT_MAX_MS = 15_000;

/** Waits until `holds`, at most `withinMs`; throws with `what` otherwise. */
export async function until(what: string, holds: () => boolean, withinMs = WAIT_MAX_MS): Promise<void> {
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += 10) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`did not happen within ${withinMs} ms: ${what}`);
}
