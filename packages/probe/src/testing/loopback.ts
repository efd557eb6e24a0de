/** For tests: targets on loopback and worlds to probe them in. Not part of the package. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProbeOptions, pause, systemClock, type Target, targetId } from "@lifeline/measure";
import { openKernelClock } from "../kernel.ts";
import { probe } from "../probe.ts";
import { createProbeWorld, type ProbeWorld, type ProbeWorldOptions } from "../world.ts";
import { fixture, udpPeer } from "./peers.ts";
import { PunctualClock } from "./punctual-clock.ts";

/**
 * A target at `127.0.0.1` unless said otherwise, with 10 s to answer: an attempt that waits for an answer ends when it
 * comes.
 */
export function targetOf(options: ProbeOptions, changes: Partial<Target> & { port: number }): Target {
  const target = { requirementId: "test", host: "127.0.0.1", family: 4 as const, options, ...changes };
  return { id: targetId(target), cadenceMs: 1_000, timeoutMs: 10_000, ...target };
}

/**
 * The host's world, without any resolver or hosts file of this host, trusting the fixtures' root as public. Its clock
 * is a {@link PunctualClock} unless another is given, so that no attempt is stalled by chance.
 */
export function worldOf(changes: Partial<ProbeWorldOptions> = {}): ProbeWorld {
  const { clock = new PunctualClock() } = changes;
  const stamps = openKernelClock();
  const kernel = clock instanceof PunctualClock && stamps !== undefined ? { kernel: clock.kernel(stamps) } : {};
  return createProbeWorld({
    clock,
    random: () => 0.5,
    resolvers: ["127.0.0.1:9"],
    hostsFile: "/nonexistent",
    resolvConf: "/nonexistent",
    publicRoots: [fixture("root.pem")],
    ...kernel,
    ...changes,
  });
}

/** A file that is removed at the end. */
export function temporaryFile(name: string, text: string): Disposable & { readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-probe-"));
  const path = join(folder, name);
  writeFileSync(path, text);
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

/** Resolves when the name is resolved and connect(2) was called, before the event loop turns. */
export async function afterSyn(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  await new Promise<void>((resolve) => process.nextTick(resolve));
}

/** Resolves when the kernel stamps arrivals, which begins a moment after the first world is made. */
export async function stampsReady(): Promise<void> {
  await using echo = await udpPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));
  const target = targetOf({ probe: "udp", payloadBytes: 6, expectRefusal: false }, { port: echo.port });
  while ((await probe(target, worldOf())).rtt?.source !== "kernel") await pause(systemClock, 5);
}
