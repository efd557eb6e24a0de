import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { manualClock, type Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { emptyTrace, outcome, resultOf } from "./probe-result.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort } from "./testing/peers.ts";
import { attemptInTunnel } from "./tunnel-attempt.ts";

const ADDRESS = "fdae41e4649b9303123456789abcdef0 05 40 00 80";
const LINK_LOCAL = "fe8000000000000000fc00fffe000001 05 40 20 80";
const OMNI = "fdae:41e4:649b:9303::1";

/** A node's /sys and /proc; each file's path → content. */
function nodeWith(files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), "lifeline-tunnel-"));
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  };
  put("sys/class/net/lo/mtu", "65536");
  for (const [path, text] of Object.entries(files)) put(path, text);
  const clock = manualClock(1_000);
  const world = worldOf({ clock, sysRoot: join(root, "sys"), procRoot: join(root, "proc") });
  return { put, clock, world, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

const JOINED = {
  "proc/net/if_inet6": `${LINK_LOCAL} siderolink\n${ADDRESS} siderolink`,
  "sys/class/net/siderolink/statistics/rx_bytes": "100",
};
const target = targetOf(
  { probe: "tcp", acceptReset: true },
  { host: OMNI, port: 8_090, family: 6, inTunnel: true, timeoutMs: 950 },
);

describe("an attempt in the tunnel is not made", () => {
  const off = { "proc/sys/net/ipv6/conf/all/disable_ipv6": "1" };
  it.each<[string, Record<string, string>, Reason, string | undefined]>([
    ["without an interface", { "proc/net/if_inet6": `${ADDRESS} eth0` }, "link-absent", undefined],
    ["without IPv6 in the kernel", {}, "link-absent", "IPV6_DISABLED"],
    [
      "without an address",
      { "proc/net/if_inet6": `${LINK_LOCAL} siderolink`, "sys/class/net/siderolink/mtu": "1280" },
      "link-no-address",
      "NO_ADDRESS",
    ],
    [
      "while IPv6 is off",
      { "proc/net/if_inet6": "", "sys/class/net/siderolink/mtu": "1280", ...off },
      "link-no-address",
      "IPV6_DISABLED",
    ],
    [
      "at an address of another tunnel",
      { "proc/net/if_inet6": `${ADDRESS.replace("9303", "9304")} siderolink` },
      "network-unreachable",
      undefined,
    ],
  ])("%s", async (_, files, reason, code) => {
    using node = nodeWith(files);
    const result = await attemptInTunnel(target, node.world, () => Promise.reject(new Error("attempted")));
    expect(result.outcome).toEqual({ reason, phase: "plan" });
    expect(result.evidence).toEqual(code === undefined ? {} : { code });
  });

  it("when the interfaces cannot be read, which is no fault of the node", async () => {
    using node = nodeWith({ "proc/net/if_inet6": "" });
    const world = { ...node.world, sysRoot: "/nonexistent" };
    const result = await attemptInTunnel(target, world, () => Promise.reject(new Error("attempted")));
    expect([result.outcome.reason, result.evidence.code]).toEqual(["agent-resource", "ENOENT"]);
  });
});

describe("a lost attempt in the tunnel", () => {
  /** Lost after a second; the interface has received those bytes 300 ms after the start, and at the end. */
  async function lostAfter(settled: string, ended: string, reason: Reason = "timeout"): Promise<Reason> {
    using node = nodeWith(JOINED);
    const result = await attemptInTunnel(target, node.world, async () => {
      node.put("sys/class/net/siderolink/statistics/rx_bytes", settled);
      node.clock.advance(300);
      node.put("sys/class/net/siderolink/statistics/rx_bytes", ended);
      node.clock.advance(650);
      return resultOf(emptyTrace(), outcome(reason, "connect"));
    });
    expect(result.outcome.phase).toBe("connect");
    return result.outcome.reason;
  }

  it.each<[string, string, string, Reason, Reason]>([
    ["is a timeout where the tunnel received nothing", "100", "100", "timeout", "timeout"],
    ["is a timeout where an earlier answer was under way", "200", "200", "timeout", "timeout"],
    ["is one-way where the tunnel received something else", "100", "212", "timeout", "tunnel-one-way"],
    ["is a timeout where the counter began again", "200", "0", "timeout", "timeout"],
    ["is a timeout where the counter cannot be read", "100", "", "timeout", "timeout"],
    ["stays answered", "100", "212", "answered", "answered"],
    ["stays stalled", "100", "212", "stalled", "stalled"],
  ])("%s", async (_, settled, ended, reason, wanted) => {
    expect(await lostAfter(settled, ended, reason)).toBe(wanted);
  });

  it("is a timeout where it ended before anything can be told", async () => {
    using node = nodeWith(JOINED);
    const result = await attemptInTunnel(target, node.world, async () => {
      node.put("sys/class/net/siderolink/statistics/rx_bytes", "212");
      return resultOf(emptyTrace(), outcome("timeout", "connect"));
    });
    expect(result.outcome.reason).toBe("timeout");
    expect(node.clock.advance(1_000)).toBeUndefined();
  });
});

describe("the probe", () => {
  it("sends nothing to a target in the tunnel where there is no tunnel", async () => {
    using node = nodeWith({ "proc/net/if_inet6": `${ADDRESS} eth0` });
    expect((await probe(target, node.world)).outcome.reason).toBe("link-absent");
  });

  it("attempts other targets whatever the tunnel is", async () => {
    using node = nodeWith({});
    const { world } = node;
    const elsewhere = targetOf({ probe: "tcp", acceptReset: true }, { port: await closedPort() });
    expect((await probe(elsewhere, { ...world, clock: worldOf().clock })).outcome.reason).toBe("answered");
  });
});
