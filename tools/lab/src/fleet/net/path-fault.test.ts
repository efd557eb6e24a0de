import { describe, expect, it } from "vitest";
import { countPackets } from "./net-fault.ts";
import { faultRules, type RuleFaultSpec } from "./path-fault.ts";

const node = { ipv4: "198.51.100.6", ipv6: "2001:db8:51:1::2" };
const rulesOf = (spec: RuleFaultSpec) =>
  faultRules("t", node, spec)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("ip"));
const udp = { protocol: "udp", port: 51_820 } as const;

describe("rules of a path's fault", () => {
  it.each<[string, RuleFaultSpec, string[]]>([
    [
      "a drop both ways takes the server's port on its side, both families",
      { kind: "drop", traffic: udp },
      [
        "ip saddr 198.51.100.6 meta l4proto udp udp dport 51820 counter drop",
        "ip6 saddr 2001:db8:51:1::2 meta l4proto udp udp dport 51820 counter drop",
        "ip daddr 198.51.100.6 meta l4proto udp udp sport 51820 counter drop",
        "ip6 daddr 2001:db8:51:1::2 meta l4proto udp udp sport 51820 counter drop",
      ],
    ],
    [
      "a host narrows it to the host's family",
      { kind: "drop", traffic: { ...udp, host: "192.0.2.6", wireguardOnly: true }, direction: "return" },
      ["ip daddr 198.51.100.6 ip saddr 192.0.2.6 meta l4proto udp udp sport 51820 @th,64,8 1-4 counter drop"],
    ],
    [
      "a refusal is of what the node sends",
      { kind: "reject", traffic: { protocol: "icmp" }, refusal: "admin-prohibited" },
      [
        "ip saddr 198.51.100.6 meta l4proto icmp counter reject with icmpx type admin-prohibited",
        "ip6 saddr 2001:db8:51:1::2 meta l4proto ipv6-icmp counter reject with icmpx type admin-prohibited",
      ],
    ],
    [
      "a loss is in steps of a hundred-thousandth",
      { kind: "loss", ratio: 0.001, direction: "forward" },
      [
        "ip saddr 198.51.100.6 numgen random mod 100000 < 100 counter drop",
        "ip6 saddr 2001:db8:51:1::2 numgen random mod 100000 < 100 counter drop",
      ],
    ],
    [
      "a redirect is of the family it leads to",
      { kind: "redirect", protocol: "tcp", port: 443, to: { address: "2001:db8:2:2::2", port: 8_443 } },
      ["ip6 saddr 2001:db8:51:1::2 meta l4proto tcp tcp dport 443 counter dnat ip6 to [2001:db8:2:2::2]:8443"],
    ],
  ])("%s", (_, spec, expected) => {
    expect(rulesOf(spec)).toEqual(expected);
  });

  it.each<[RuleFaultSpec, string]>([
    [{ kind: "loss", ratio: 1.1 }, "ratio: 1.1 is not right; expected 0 to 1"],
    [{ kind: "mtu-black-hole", maxBytes: 0 }, "maxBytes: 0 is not right; expected a whole number from 1"],
    [{ kind: "drop", traffic: { protocol: "udp", port: 0 } }, "port: 0 is not right; expected 1 to 65535"],
    [
      { kind: "drop", traffic: { port: 53 } },
      "traffic.protocol: undefined is not right; expected tcp or udp, for a port",
    ],
    [
      { kind: "drop", traffic: { protocol: "tcp", wireguardOnly: true } },
      "traffic.protocol: tcp is not right; expected udp, for wireguardOnly",
    ],
    [
      { kind: "reject", traffic: udp, refusal: "tcp-reset" },
      "traffic.protocol: udp is not right; expected tcp, for a tcp-reset",
    ],
    [
      { kind: "drop", traffic: { host: "example.org; flush ruleset" } },
      "address: example.org; flush ruleset is not right; expected an IPv4 or IPv6 address",
    ],
    [
      { kind: "redirect", protocol: "tcp", port: 1, host: "::1", to: { address: "192.0.2.1", port: 1 } },
      "host: ::1 is not right; expected of the family of `to`",
    ],
  ])("refuses %j", (spec, message) => {
    expect(() => faultRules("t", node, spec)).toThrow(expect.objectContaining({ code: "bad-input", message }));
  });

  it("counts the packets of every counter", () => {
    const rule = (packets: number) => ({ rule: { expr: [{ match: {} }, { counter: { packets, bytes: 1 } }] } });
    expect(countPackets(JSON.stringify({ nftables: [{ metainfo: {} }, rule(3), rule(4)] }))).toBe(7);
  });
});
