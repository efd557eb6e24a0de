import { describe, expect, it } from "vitest";
import { defaultGateways } from "./default-gateways.ts";
import { temporaryFile } from "./testing/loopback.ts";

const HEAD4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
const line4 = (gateway: string, destination = "00000000", mask = "00000000") =>
  `eth0\t${destination}\t${gateway}\t0003\t0\t0\t0\t${mask}\t0\t0\t0\n`;
const zero = "0".repeat(32);
const line6 = (gateway: string) => `${zero} 00 ${zero} 00 ${gateway} 00000400 00000002 00000000 00000003     eth0\n`;

describe("the gateways of a host", () => {
  it.each([
    ["one of IPv4", line4("010200C0"), "", ["192.0.2.1"]],
    ["one of IPv6", "", line6("fd000000000000000000000000000001"), ["fd00::1"]],
    ["both", line4("010200C0"), line6("fd000000000000000000000000000001"), ["192.0.2.1", "fd00::1"]],
    ["one behind two routes", line4("010200C0") + line4("010200C0"), "", ["192.0.2.1"]],
    ["no router of another network", line4("010200C0", "0000000A", "000000FF"), "", []],
    ["no router on the link itself", line4("00000000"), "", []],
    ["no link-local router", "", line6("fe800000000000000000000000000001"), []],
    ["nothing that cannot be read", "eth0\t00000000\tx\t0003\t0\t0\t0\t00000000\n", "\0", []],
  ])("are %s", (_, rows4, rows6, gateways) => {
    using route4 = temporaryFile("route", HEAD4 + rows4);
    using route6 = temporaryFile("ipv6_route", rows6);
    expect(defaultGateways({ route4: route4.path, route6: route6.path })).toEqual(gateways);
  });

  it("are none where there are no tables", () => {
    expect(defaultGateways({ route4: "/nonexistent", route6: "/nonexistent" })).toEqual([]);
  });
});
