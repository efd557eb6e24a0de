import { readFileSync, writeFileSync } from "node:fs";
import { zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { machineApiOf } from "./kernel-arguments.ts";
import { ADDRESSES_MAX, nodeAddresses } from "./node-address.ts";
import { interfaceNames, observeGrpcTunnel, observeNode } from "./node-facts.ts";
import { talosVersionOf } from "./os-release.ts";
import { RESOLVERS_MAX, resolverAddresses, resolversOf } from "./resolver-address.ts";
import { scratchFile } from "./testing/scratch-file.ts";

describe("the Machine API of a kernel command line", () => {
  const inline = (yaml: string) => `talos.config.inline=${zstdCompressSync(yaml).toString("base64")}`;
  const document =
    "version: v1alpha1\nkind: KmsgLogConfig\nurl: tcp://a:1\n---\napiVersion: v1alpha1\nkind: SideroLinkConfig\n";
  it.each([
    [
      "a query with the join token",
      "x=1 siderolink.api=https://omni.example:8090?jointoken=SECRET y=2",
      "https://omni.example:8090",
    ],
    ["no scheme", "siderolink.api=omni.example:8090?jointoken=SECRET", "grpc://omni.example:8090"],
    ["no scheme and no port", "siderolink.api=omni.example?jointoken=SECRET", "grpc://omni.example:443"],
    [
      "an IPv6 literal",
      "siderolink.api=grpc://[fd00::1]:8090/?jointoken=SECRET&grpc_tunnel=true",
      "grpc://[fd00::1]:8090",
    ],
    ["an IPv6 literal without port", "siderolink.api=https://[fd00::1]?jointoken=SECRET", "https://[fd00::1]:443"],
    ["a zone", "siderolink.api=https://[fe80::1%25eth0]:8090?jointoken=SECRET", "https://[fe80::1%eth0]:8090"],
    ["a user and a password", "siderolink.api=https://SECRET:SECRET@omni.example/", "https://omni.example:443"],
    ["a fragment and a path", "siderolink.api=https://omni.example/SECRET#SECRET", "https://omni.example:443"],
    [
      "http, which is TLS for Talos",
      "siderolink.api=http://omni.example:80?jointoken=SECRET",
      "https://omni.example:80",
    ],
    ["http without port", "siderolink.api=http://omni.example?jointoken=SECRET", "https://omni.example:443"],
    ["tcp, which is TLS too", "siderolink.api=tcp://omni.example:8090?jointoken=SECRET", "https://omni.example:8090"],
    ["upper case", "siderolink.api=HTTPS://Omni.example:8090?jointoken=SECRET", "https://omni.example:8090"],
    ["cleartext in upper case", "siderolink.api=GRPC://omni.example:8090", "grpc://omni.example:8090"],
    ["an underscore", "siderolink.api=grpc://om_ni.example:8090", "grpc://om_ni.example:8090"],
    ["a final dot", "siderolink.api=https://omni.example.:8090?jointoken=SECRET", "https://omni.example:8090"],
    ["quotes", 'siderolink.api="https://omni.example:8090?jointoken=SECRET"', "https://omni.example:8090"],
    [
      "two, of which the first counts",
      "siderolink.api=grpc://a.example:1 siderolink.api=grpc://b:2",
      "grpc://a.example:1",
    ],
    [
      "a document, which wins over an argument",
      `siderolink.api=grpc://a.example:1 ${inline(`${document}apiUrl: https://omni.example:8090?jointoken=SECRET\n`)}`,
      "https://omni.example:8090",
    ],
    [
      "a document in two arguments, and quoted",
      inline(`${document}apiUrl: "grpc://omni.example:8090/?jointoken=SECRET"\n`).replace(
        /^(.{60})/,
        "$1 talos.config.inline=",
      ),
      "grpc://omni.example:8090",
    ],
    ["a document of another kind", inline("kind: EventSinkConfig\nendpoint: a:1\n"), undefined],
    ["a document that cannot be decoded", "talos.config.inline=SECRET", undefined],
    ["nothing", "talos.platform=metal", undefined],
    ["an empty argument", "siderolink.api= x=1", undefined],
    ["another argument that ends alike", "not.siderolink.api=https://omni.example", undefined],
  ])("gives how Talos dials, host and port, and never a secret: %s (S1)", (_, kernelArguments, url) => {
    expect(machineApiOf(kernelArguments)).toEqual(url === undefined ? undefined : { kind: "endpoint", url });
    expect(url ?? "").not.toContain("SECRET");
  });

  const host = "its host is neither a host name nor an address, IPv6 in brackets";
  it.each([
    ["no end of a literal", "siderolink.api=https://[SECRET", "it is not a URL of host and port, IPv6 in brackets"],
    ["IPv6 without brackets", "siderolink.api=fd00::1:8090", "it is not a URL of host and port, IPv6 in brackets"],
    ["no host", "siderolink.api=https://?jointoken=SECRET", host],
    [
      "a name that is not ASCII",
      "siderolink.api=grpc://ömni.example",
      "its host is not ASCII; Talos needs it as punycode, xn--",
    ],
    ["digits and dots alone", "siderolink.api=grpc://192.0.2.01:8090", host],
    ["a name in brackets", "siderolink.api=grpc://[omni]:8090", host],
    ["a zone at a global address", "siderolink.api=grpc://[fd00::1%25eth0]:8090", host],
    ["port 0", "siderolink.api=grpc://omni.example:0", "its port is not a number from 1 to 65535"],
    [
      "a port that is no number",
      "siderolink.api=https://omni.example:SECRET",
      "its port is not a number from 1 to 65535",
    ],
    [
      "two, of which the first cannot be read",
      "siderolink.api=grpc://a:0 siderolink.api=grpc://b:2",
      "its port is not a number from 1 to 65535",
    ],
    [
      "a document",
      inline(`${document}apiUrl: https://omni.example:x?jointoken=SECRET\n`),
      "its port is not a number from 1 to 65535",
    ],
  ])("is unreadable, which is not absent: %s", (_, kernelArguments, why) => {
    expect(machineApiOf(kernelArguments)).toEqual({ kind: "unreadable", why });
    const facts = observeNode({}, { kernelArguments: scratchFile(kernelArguments) });
    expect(facts).toMatchObject({ machineApiUnreadable: why });
    expect(facts).not.toHaveProperty("machineApi");
  });
});

describe("what a node observes of itself", () => {
  it("reads the version when the host is Talos, and none otherwise", () => {
    expect(talosVersionOf('NAME="Talos"\nID=talos\nVERSION_ID=v1.13.2\n')).toBe("v1.13.2");
    expect(talosVersionOf('ID=debian\nVERSION_ID="12"\n')).toBeUndefined();
    expect(talosVersionOf("")).toBeUndefined();
  });

  it.each([
    [["lo", "siderolinktun"], "", true],
    [["lo", "siderolink"], "siderolink.api=grpc://omni.example:8090?grpc_tunnel=true", false],
    [["lo"], "siderolink.api=grpc://omni.example:8090?jointoken=SECRET&grpc_tunnel=true", true],
    [["lo"], "siderolink.api=grpc://omni.example:8090?jointoken=SECRET&grpc_tunnel=false", undefined],
    [["lo"], "siderolink.api=omni.example:8090?grpc_tunnel=y", true],
    [["lo"], "grpc_tunnel=true", undefined],
    [[], "", undefined],
  ] as const)(
    "finds the gRPC tunnel by the interface, then by the argument, else does not know (M4): %j %s",
    (interfaces, kernelArguments, expected) => {
      expect(observeGrpcTunnel(interfaces, kernelArguments)).toBe(expected);
    },
  );

  it("reads the interfaces of its own network namespace", () => {
    const table = "Inter-|   Receive\n face |bytes\n    lo: 1 2\nsiderolink:1 2\n eth0.5: 0 0\n";
    expect(interfaceNames(table)).toEqual(["lo", "siderolink", "eth0.5"]);
    expect(interfaceNames(readFileSync("/proc/net/dev", "utf8"))).toContain("lo");
  });

  it("names the node's own addresses, and neither the tunnel's nor those of a link (S2)", () => {
    const v4 = (address: string) => ({ address, family: "IPv4" as const });
    const v6 = (address: string) => ({ address, family: "IPv6" as const });
    expect(
      nodeAddresses({
        lo: [v4("127.0.0.1"), v6("::1")],
        eth0: [v4("10.1.2.3"), v6("fe80::1"), v6("2001:db8::3"), v4("169.254.7.7")],
        siderolink: [v6("fdae:41e4:649b:9303::7")],
        siderolinktun: [v6("fdae:41e4:649b:9303::7")],
        eth1: [v4("10.1.2.3"), v6("fd00::9")],
      }),
    ).toEqual(["10.1.2.3", "2001:db8::3", "fd00::9"]);
    const many = Array.from({ length: 40 }, (_, at) => v4(`10.0.0.${at}`));
    expect(nodeAddresses({ eth0: many })).toHaveLength(ADDRESSES_MAX);
  });

  it("takes the prefix of the in-tunnel address on the kernel command line while there is no interface", () => {
    const named = (text: string) =>
      observeNode({}, { kernelArguments: scratchFile(text), addresses6: "/none" }).siderolinkPrefix;
    expect(named("a=b talos.events.sink=[fdae:41e4:649b:9303::1]:8090 c=d")).toBe("fdae:41e4:649b:9303");
    expect(named("talos.logging.kernel=tcp://[fdae::1]:8092")).toBe("fdae:0:0:0");
    expect(named("talos.events.sink=omni.example:8090 talos.logging.kernel=tcp://[fdae:0:1:0203::1]:1")).toBe(
      "fdae:0:1:203",
    );
    expect(named("talos.events.sink=[2001:db8::1]:8090")).toBeUndefined();
    expect(named("talos.events.sink=[fdae]:8090 talos.logging.kernel=tcp://192.0.2.1:1")).toBeUndefined();
  });

  it("has no part of the join token in any fact, wherever it is on the command line (S1)", () => {
    const token = "TOPSECRETTOKEN";
    for (const kernelArguments of [
      `siderolink.api=https://omni.example:8090?jointoken=${token}&grpc_tunnel=true talos.platform=metal`,
      `siderolink.api=${token}://omni.example?jointoken=${token}`,
      `siderolink.api=https://${token}@omni.example/${token}?jointoken=${token}#${token}`,
      `siderolink.api=https://omni.example?grpc_tunnel=${token} talos.events.sink=${token}`,
    ]) {
      const facts = observeNode({}, { kernelArguments: scratchFile(kernelArguments) });
      expect(JSON.stringify(facts)).not.toMatch(new RegExp(token, "i"));
    }
  });

  it("names the resolvers of resolv.conf, read each time, unless others are configured", () => {
    const resolvConf = scratchFile("# by DHCP\nsearch example\nnameserver 192.0.2.53\n nameserver\t2001:db8::53 \n");
    expect(observeNode({}, { resolvConf }).resolvers).toEqual(["192.0.2.53", "2001:db8::53"]);
    writeFileSync(resolvConf, "nameserver 192.0.2.54\n");
    expect(observeNode({}, { resolvConf }).resolvers).toEqual(["192.0.2.54"]);
    expect(observeNode({ resolvers: ["192.0.2.55:53"] }, { resolvConf }).resolvers).toEqual(["192.0.2.55"]);
    expect(observeNode({ resolvers: ["192.0.2.55:5353"] }, { resolvConf })).not.toHaveProperty("resolvers");
  });

  it("takes the local host as resolver when resolv.conf names none, as resolv.conf(5) says", () => {
    expect(resolversOf("options edns0\n#nameserver 192.0.2.1\n")).toEqual(["127.0.0.1"]);
  });

  it.each([
    ["192.0.2.53", ["192.0.2.53"]],
    ["2001:db8::53", ["2001:db8::53"]],
    ["192.0.2.53:53", ["192.0.2.53"]],
    ["[2001:db8::53]:53", ["2001:db8::53"]],
    ["192.0.2.53:5353", []],
    ["[2001:db8::53]:5353", []],
    ["fe80::1%eth0", ["fe80::1%eth0"]],
    ["[fe80::1%eth0]:53", ["fe80::1%eth0"]],
    ["fd00::1%eth0", []],
    ["dns.example", []],
  ])("names a resolver on port 53 by its address, with its zone: %s", (resolver, named) => {
    expect(resolverAddresses([resolver])).toEqual(named);
  });

  it("names each resolver once, up to a bound (S2)", () => {
    const resolvers = [
      "fd00::1%eth0",
      "192.0.2.1",
      "192.0.2.1:53",
      ...Array.from({ length: 20 }, (_, at) => `10.0.0.${at}`),
    ];
    const named = resolverAddresses(resolvers);
    expect(named).toHaveLength(RESOLVERS_MAX);
    expect(named.slice(0, 2)).toEqual(["192.0.2.1", "10.0.0.0"]);
  });
});
