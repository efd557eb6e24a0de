import { describe, expect, it } from "vitest";
import { machineApiOf, makeHello, observeGrpcTunnel, observeNode, talosVersionOf } from "./hello.ts";

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
});
