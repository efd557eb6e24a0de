/** For tests: targets on loopback and worlds to probe them in. Not part of the package. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProbeOptions, systemClock, type Target, targetId } from "@lifeline/measure";
import { probe } from "../probe.ts";
import { createProbeWorld, type ProbeWorld, type ProbeWorldOptions } from "../world.ts";
import { fixture, udpPeer } from "./peers.ts";

/** A target at `127.0.0.1` unless said otherwise, with 500 ms to answer. */
export function targetOf(options: ProbeOptions, changes: Partial<Target> & { port: number }): Target {
  const target = { requirementId: "test", host: "127.0.0.1", family: 4 as const, options, ...changes };
  return { id: targetId(target), cadenceMs: 1_000, timeoutMs: 500, ...target };
}

/** The system's world, without any resolver or hosts file of this host, trusting the fixtures' root as public. */
export function worldOf(changes: Partial<ProbeWorldOptions> = {}): ProbeWorld {
  return createProbeWorld({
    clock: systemClock,
    random: () => 0.5,
    resolvers: ["127.0.0.1:9"],
    hostsFile: "/nonexistent",
    publicRoots: [fixture("root.pem")],
    ...changes,
  });
}

/** A file that is gone at the end. */
export function temporaryFile(name: string, text: string): Disposable & { readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-probe-"));
  const path = join(folder, name);
  writeFileSync(path, text);
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

/** Stalls the event loop for `ms`, as a long garbage collection does. */
export function stallLoop(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Resolves when the kernel stamps arrivals, which begins a moment after the first world is made. */
export async function stampsReady(): Promise<void> {
  await using echo = await udpPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));
  const target = targetOf({ probe: "udp", payloadBytes: 6, expectRefusal: false }, { port: echo.port });
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if ((await probe(target, worldOf())).rtt?.source === "kernel") return;
  }
}
