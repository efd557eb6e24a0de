/** How drills make their faults: on the path, at the tunnel's ends, in the lab's services. */
import type { NetFault, PathFaultSpec, ServiceMode, ServiceName, Traffic, TunnelFault } from "@lifeline/lab";
import type { Clear } from "./fault-drill.ts";
import { PORTS } from "./lab-programs.ts";
import type { LabNode, TestBed } from "./test-bed.ts";

/** Datagrams to and from the SideroLink port. */
export const SIDEROLINK: Traffic = { protocol: "udp", port: PORTS.siderolink };

/** Connections to the Machine API. */
export const MACHINE_API: Traffic = { protocol: "tcp", port: PORTS.machineApi };

/** Injects a fault; the result clears it. */
export async function injected(fault: NetFault): Promise<Clear> {
  await fault.inject();
  return () => fault.clear();
}

/** A fault of the node's path. */
export const path = (spec: PathFaultSpec) => (testBed: TestBed, node: LabNode) =>
  injected(testBed.net.path(node.name, spec));

/** A fault of the node's tunnel ends. */
export const tunnel = (fault: TunnelFault) => (testBed: TestBed, node: LabNode) =>
  injected(testBed.net.tunnelFault(node.name, fault));

/** A mode of one of the lab's services, towards the node. */
export const mode =
  <Service extends ServiceName>(service: Service, broken: ServiceMode<Service>, names?: readonly string[]) =>
  async (testBed: TestBed, node: LabNode): Promise<Clear> => {
    await testBed.setMode(node, service, broken, names);
    return () => testBed.setMode(node, service, (service === "middlebox" ? "intercept" : "ok") as ServiceMode<Service>);
  };
