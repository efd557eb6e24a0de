import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { tunnelInterfaces } from "./link.ts";
import { probe } from "./probe.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";

const GLOBAL = "fdae41e4649b9303123456789abcdef0 05 40 00 80";
const LINK_LOCAL = "fe8000000000000000fc00fffe000001 05 40 20 80";

/** A node's /sys and /proc, with the files that the probe reads. */
function nodeRoots() {
  const root = mkdtempSync(join(tmpdir(), "lifeline-link-"));
  const clock = manualClock(1_000);
  const put = (path: string, text: string | number) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  };
  put("sys/class/net/lo/mtu", 65_536);
  put("proc/net/if_inet6", "");
  put("proc/sys/net/ipv6/conf/all/disable_ipv6", 0);
  const world = worldOf({ clock, sysRoot: join(root, "sys"), procRoot: join(root, "proc") });
  return {
    root,
    clock,
    put,
    interface(name: string, counters: { rx: number; tx: number; packets: number; index?: number }) {
      const folder = `sys/class/net/${name}`;
      put(`${folder}/mtu`, 1_280);
      put(`${folder}/ifindex`, counters.index ?? 7);
      put(`${folder}/statistics/rx_bytes`, counters.rx);
      put(`${folder}/statistics/tx_bytes`, counters.tx);
      put(`${folder}/statistics/tx_packets`, counters.packets);
    },
    addresses: (...lines: string[]) => put("proc/net/if_inet6", lines.join("\n")),
    remove: (path: string) => rmSync(join(root, path), { recursive: true }),
    read: () => probe(targetOf({ probe: "link" }, { host: "siderolink", port: 0, family: 6 }), world),
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}

describe("the link probe", () => {
  it("reports the counters, and is alive when bytes were received since the last reading", async () => {
    using node = nodeRoots();
    node.interface("siderolink", { rx: 100, tx: 200, packets: 2 });
    node.addresses(`${LINK_LOCAL} siderolink`, `${GLOBAL} siderolink`);
    const first = await node.read();
    expect(first.outcome).toEqual({ reason: "link-idle", phase: "plan" });
    expect(first.evidence).toEqual({
      link: { name: "siderolink", rxBytes: 100, txBytes: 200, rxFrozenMs: 0, txPacketsSince: 0, mtuBytes: 1_280 },
    });
    node.clock.advance(1_000);
    node.interface("siderolink", { rx: 164, tx: 264, packets: 3 });
    const second = await node.read();
    expect(second.outcome.reason).toBe("link-alive");
    expect(second.rtt).toBeUndefined();
  });

  it("is frozen when a packet a second is sent and nothing is received", async () => {
    using node = nodeRoots();
    node.addresses(`${GLOBAL} siderolink`);
    const reasons: string[] = [];
    for (let second = 0; second <= 4; second += 1) {
      node.interface("siderolink", { rx: 100, tx: second * 80, packets: second });
      reasons.push((await node.read()).outcome.reason);
      node.clock.advance(1_000);
    }
    expect(reasons).toEqual(["link-idle", "link-idle", "link-idle", "link-frozen", "link-frozen"]);
  });

  it("recognises a TUN device, which counts no keepalives", async () => {
    using node = nodeRoots();
    node.addresses(`${GLOBAL} siderolinktun`);
    node.put("sys/class/net/siderolinktun/tun_flags", "0x1001");
    node.interface("siderolinktun", { rx: 0, tx: 0, packets: 0 });
    await node.read();
    node.clock.advance(200_000);
    node.interface("siderolinktun", { rx: 0, tx: 80, packets: 1 });
    expect((await node.read()).outcome.reason).toBe("link-idle");
  });

  it("prefers the interface that has an address", async () => {
    using node = nodeRoots();
    node.interface("siderolink", { rx: 1, tx: 1, packets: 1 });
    node.interface("siderolinktun", { rx: 2, tx: 2, packets: 2 });
    node.addresses(`${LINK_LOCAL} siderolink`, `${GLOBAL} siderolinktun`);
    expect((await node.read()).evidence.link?.name).toBe("siderolinktun");
    expect(tunnelInterfaces(join(node.root, "sys"))).toEqual(["siderolink", "siderolinktun"]);
  });

  it.each([
    ["IPv6 is on", () => {}, "NO_ADDRESS"],
    ["IPv6 is off for all", (node) => node.put("proc/sys/net/ipv6/conf/all/disable_ipv6", 1), "IPV6_DISABLED"],
    [
      "IPv6 is off for the tunnel",
      (node) => node.put("proc/sys/net/ipv6/conf/siderolink/disable_ipv6", 1),
      "IPV6_DISABLED",
    ],
    ["the kernel has no IPv6", (node) => node.remove("proc/net/if_inet6"), "IPV6_DISABLED"],
  ] satisfies [string, (node: ReturnType<typeof nodeRoots>) => void, string][])(
    "has no address, and the code says why: %s",
    async (_, change, code) => {
      using node = nodeRoots();
      node.interface("siderolink", { rx: 100, tx: 200, packets: 2 });
      node.addresses(`${LINK_LOCAL} siderolink`, `${GLOBAL} eth0`);
      change(node);
      const sample = await node.read();
      expect(sample.outcome).toEqual({ reason: "link-no-address", phase: "plan" });
      expect(sample.evidence.code).toBe(code);
      expect(sample.evidence.link?.rxBytes).toBe(100);
    },
  );

  it("is absent, and drops what it read of an earlier interface", async () => {
    using node = nodeRoots();
    expect((await node.read()).outcome).toEqual({ reason: "link-absent", phase: "plan" });
    expect((await node.read()).evidence).toEqual({});
    node.addresses(`${GLOBAL} siderolink`);
    node.interface("siderolink", { rx: 100, tx: 0, packets: 0 });
    await node.read();
    node.remove("sys/class/net/siderolink");
    node.addresses();
    await node.read();
    node.interface("siderolink", { rx: 900, tx: 0, packets: 0 });
    node.addresses(`${GLOBAL} siderolink`);
    expect((await node.read()).outcome.reason).toBe("link-idle");
  });

  it.each([
    ["/sys cannot be read", (node) => node.remove("sys"), "ENOENT"],
    ["/sys is another namespace's", (node) => node.remove("sys/class/net/siderolink"), "ENODEV"],
    ["a counter is missing", (node) => node.remove("sys/class/net/siderolink/statistics/rx_bytes"), "ENOENT"],
    ["a counter is empty", (node) => node.put("sys/class/net/siderolink/statistics/rx_bytes", ""), "ERANGE"],
    ["a counter is no number", (node) => node.put("sys/class/net/siderolink/statistics/rx_bytes", "x"), "ERANGE"],
  ] satisfies [string, (node: ReturnType<typeof nodeRoots>) => void, string][])(
    "blames the agent, and reports nothing of the tunnel, when %s (M4)",
    async (_, change, code) => {
      using node = nodeRoots();
      node.interface("siderolink", { rx: 100, tx: 200, packets: 2 });
      node.addresses(`${GLOBAL} siderolink`);
      change(node);
      const sample = await node.read();
      expect(sample.outcome).toEqual({ reason: "agent-resource", phase: "plan" });
      expect(sample.evidence).toEqual({ code });
    },
  );

  it("can be read on this host", async () => {
    const target = targetOf({ probe: "link" }, { host: "siderolink", port: 0, family: 6 });
    expect((await probe(target, worldOf())).outcome.reason).toMatch(/^link-/);
  });
});
