/**
 * Stand-ins on loopback for what a node of default settings measures: the endpoints of a plan under their own names,
 * with certificates.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestCa } from "@lifeline/harness";
import { type Listener, startListener } from "../counting-listener.ts";
import { ENDPOINTS } from "../spool/default-plan.ts";
import type { Workshop } from "../workshop.ts";

/** Where they listen; each name has both addresses, as most of the page's have. */
const ADDRESSES = ["127.0.0.1", "::1"] as const;

/** An endpoint and the port it has here. */
export interface StandIn {
  readonly requirementId: string;
  readonly host: string;
  readonly port: number;
}

/** What is measured, twice: each side has ports of its own, so that its connections are counted apart. */
export interface StandIns {
  readonly listener: Listener;
  readonly forAgent: readonly StandIn[];
  /** `address:port` of each endpoint's two addresses. */
  readonly forExporter: readonly string[];
  /** The CA of their certificates. */
  readonly caFile: string;
  /** Their names, as hosts(5) has them. */
  readonly hostsFile: string;
}

/** Starts them. */
export async function startStandIns(workshop: Workshop): Promise<StandIns> {
  const folder = await workshop.folder();
  const names = [...new Set(ENDPOINTS.map(([, host]) => host))];
  const ca = await TestCa.create("bench", workshop.clock);
  const { certPem, keyPem } = await ca.server([...names, ...ADDRESSES]);
  const [address, twin] = ADDRESSES;
  const ports = 2 * ENDPOINTS.length;
  const listener = await startListener(workshop, { address, twin, ports, tls: { certPem, keyPem } });

  const [caFile, hostsFile] = [join(folder, "ca.pem"), join(folder, "hosts")];
  await writeFile(caFile, ca.certPem);
  await writeFile(hostsFile, ADDRESSES.map((each) => `${each} ${names.join(" ")}\n`).join(""));
  const forAgent = ENDPOINTS.map(([requirementId, host], at) => ({
    requirementId,
    host,
    port: listener.ports[at] ?? 0,
  }));
  const forExporter = listener.ports
    .slice(ENDPOINTS.length)
    .flatMap((port) => [`${address}:${port}`, `[${twin}]:${port}`]);
  return { listener, forAgent, forExporter, caFile, hostsFile };
}
