import { describe, expect, it } from "vitest";
import {
  machineApiOf,
  makeHello,
  type NodeFacts,
  observeGrpcTunnel,
  observeNode,
  RESOLVERS_MAX,
  talosVersionOf,
} from "./hello.ts";

describe("the Machine API of a kernel command line", () => {
  it.each([
    [
      "a query with the join token",
      "x=1 siderolink.api=https://omni.example:8090?jointoken=SECRET y=2",
      "https://omni.example:8090",
    ],
    ["no scheme", "siderolink.api=omni.example:8090?jointoken=SECRET", "grpc://omni.example:8090"],
    [
      "an IPv6 literal",
      "siderolink.api=grpc://[fd00::1]:8090/?jointoken=SECRET&grpc_tunnel=true",
      "grpc://[fd00::1]:8090",
    ],
    ["a user and a password", "siderolink.api=https://SECRET:SECRET@omni.example/", "https://omni.example"],
    ["a fragment and a path", "siderolink.api=https://omni.example/SECRET#SECRET", "https://omni.example"],
    ["what is no URL", "siderolink.api=https://[SECRET", ""],
    ["a scheme that Talos does not dial", "siderolink.api=http://omni.example:8090", ""],
    ["a host that is none", "siderolink.api=grpc://om_ni.example:8090", ""],
    ["a name that is not ASCII", "siderolink.api=grpc://ömni.example:8090", ""],
    ["an IPv6 literal that is none", "siderolink.api=grpc://[fe80::1%25eth0]:8090", ""],
    ["digits and dots alone", "siderolink.api=grpc://192.0.2.01:8090", ""],
    ["a port that is none", "siderolink.api=grpc://omni.example:0", ""],
    ["nothing", "talos.platform=metal", ""],
    ["another argument that ends alike", "not.siderolink.api=https://omni.example", ""],
  ])("gives scheme, host and port, and never a secret: %s (S1)", (_, kernelArguments, expected) => {
    expect(machineApiOf(kernelArguments)).toBe(expected);
    expect(machineApiOf(kernelArguments)).not.toContain("SECRET");
  });
});

describe("what a node observes of itself", () => {
  it("reads the version where the host is Talos, and nothing where it is not", () => {
    expect(talosVersionOf('NAME="Talos"\nID=talos\nVERSION_ID=v1.13.2\n')).toBe("v1.13.2");
    expect(talosVersionOf('ID=debian\nVERSION_ID="12"\n')).toBe("");
    expect(talosVersionOf("")).toBe("");
  });

  it("tells the gRPC tunnel by the interface, and knows when it does not know (M4)", () => {
    expect(observeGrpcTunnel((name) => name === "siderolinktun")).toBe(true);
    expect(observeGrpcTunnel((name) => name === "siderolink")).toBe(false);
    expect(observeGrpcTunnel(() => false)).toBeUndefined();
  });

  it("goes into the hello, and an unknown tunnel is left out", () => {
    const speaker = { nodeId: "n", bootId: new Uint8Array(16), agentVersion: "1", roles: ["omni-host"] } as const;
    const facts = observeNode();
    expect(makeHello(speaker, { ...facts, grpcTunnel: undefined }, "r")).not.toHaveProperty("grpcTunnel");
    expect(makeHello(speaker, { ...facts, grpcTunnel: true }, "r")).toMatchObject({ grpcTunnel: true, roles: [1] });
  });

  const speaker = { nodeId: "n", bootId: new Uint8Array(16), agentVersion: "1", roles: [] } as const;
  const helloOf = (facts: Partial<NodeFacts>) => makeHello(speaker, { ...observeNode(), ...facts }, "r");

  it.each([
    ["192.0.2.53", ["192.0.2.53"]],
    ["2001:db8::53", ["2001:db8::53"]],
    ["192.0.2.53:53", ["192.0.2.53"]],
    ["[2001:db8::53]:53", ["2001:db8::53"]],
    ["192.0.2.53:5353", []],
    ["[2001:db8::53]:5353", []],
    ["fe80::1%eth0", []],
    ["[fe80::1%eth0]:53", []],
    ["dns.example", []],
  ])("names a resolver by its bare address, where that is all there is to it: %s", (resolver, named) => {
    expect(helloOf({ resolvers: [resolver] }).resolvers).toEqual(named);
  });

  it("names each resolver once, and no more than it may (S2)", () => {
    const resolvers = [
      "fe80::1%eth0",
      "192.0.2.1",
      "192.0.2.1:53",
      ...Array.from({ length: 20 }, (_, at) => `10.0.0.${at}`),
    ];
    const named = helloOf({ resolvers }).resolvers;
    expect(named).toHaveLength(RESOLVERS_MAX);
    expect(named.slice(0, 2)).toEqual(["192.0.2.1", "10.0.0.0"]);
  });

  it("says names and versions in printable ASCII of bounded length", () => {
    expect(helloOf({ hostname: "wörker\n1" }).hostname).toBe("w?rker?1");
    expect(helloOf({ hostname: "h".repeat(300) }).hostname).toBe("h".repeat(253));
    expect(helloOf({ talosVersion: "v1".repeat(300) }).talosVersion).toHaveLength(64);
  });
});
