import { spawn } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NS_PER_MS, pause, systemClock } from "@lifeline/measure";
import pino from "pino";
import { afterAll, describe, expect, it } from "vitest";
import { TUNNEL_OMNI_ADDRESS } from "./address-plan.ts";
import { createFleetNet, type FleetNet } from "./fleet-net.ts";
import type { Host } from "./host.ts";
import { canRunFleet, isInstalled } from "./obstacle.ts";
import type { PathFaultSpec } from "./path-fault.ts";
import { connect, ECHO_PORT, heard, send, startEcho } from "./testing/talk.ts";

const log = pino({ level: "silent" });
const clock = systemClock;
const able = await canRunFleet();
const why = able === true ? "" : ` (cannot run: ${able})`;
/** Captures need tcpdump. CI has it. */
const captures = process.env["CI"] === "true" || (await isInstalled("tcpdump"));
/** node3's link: delay each way, ms. */
const DELAY_MS = 10;

const net =
  able === true
    ? await createFleetNet({ nodes: 3, servers: ["other"], delayMs: { node2: 0, node3: DELAY_MS }, clock, log })
    : undefined;
const echo = net && (await startEcho(net.omni));
if (net !== undefined) await startEcho(net.servers["other"] as Host);

afterAll(async () => {
  await net?.close();
});

/** The fleet, the echo server, node1 and Omni's two addresses. */
function stage() {
  if (net === undefined || echo === undefined) throw new Error("the fleet cannot run here");
  return { net, echo, node: net.node("node1"), omni: net.omni, v4: net.omni.outer.ipv4, v6: net.omni.outer.ipv6 };
}

/** Does `work` while the fault is there; resolves with its result and the fault's hits. */
async function under<T>(spec: PathFaultSpec, work: () => Promise<T>): Promise<{ seen: T; hits: number }> {
  const fault = stage().net.path("node1", spec);
  await fault.inject();
  try {
    return { seen: await work(), hits: await fault.hits() };
  } finally {
    await fault.clear();
  }
}

const udp = { protocol: "udp", port: ECHO_PORT } as const;
const tcp = { protocol: "tcp", port: ECHO_PORT } as const;
const noErrors = (answered: number) => ({ answered, errors: [] });

/** What processes of this machine are in the network namespaces named, by their inodes. */
function inhabitants(namespaces: readonly string[]): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && namespaces.includes(readlinkSync(`/proc/${pid}/ns/net`));
    } catch {
      return false;
    }
  });
}

async function tunnelAnswers(over: FleetNet, name: string): Promise<boolean> {
  return (await connect(over.node(name), TUNNEL_OMNI_ADDRESS, 9_999)).answer === "ECONNREFUSED";
}

async function answersWithin(over: FleetNet, name: string, tries: number): Promise<boolean> {
  for (let tried = 0; tried < tries; tried += 1) if (await tunnelAnswers(over, name)) return true;
  return false;
}

describe("a fleet's network", () => {
  it("can be made wherever the whole test suite must run", () => {
    expect(process.env["CI"] === "true" ? why : "").toBe("");
  });
});

describe.skipIf(able !== true)(`hosts${why}`, () => {
  it("sees the files given to it, its own interfaces and its own processes", async () => {
    const { node } = stage();
    expect(await node.run("cat", ["/proc/cmdline"])).toMatch(/siderolink\.api=\S+\?jointoken=/);
    expect(await node.run("cat", ["/etc/os-release"])).toContain("ID=talos");
    expect((await node.run("ls", ["/sys/class/net"])).split("\n")).toEqual(["eth0", "lo", "mgmt", "siderolink", ""]);
    await node.writeFile("/etc/resolv.conf", "nameserver 192.0.2.6\n");
    expect(await node.run("cat", ["/etc/resolv.conf"])).toBe("nameserver 192.0.2.6\n");
    await expect(node.writeFile("/etc/passwd", "")).rejects.toMatchObject({ code: "bad-input" });
  });

  it("reports the end of a process that was stopped and continued", async () => {
    const { node } = stage();
    for (let round = 0; round < 20; round += 1) {
      const sleeper = node.spawn("sh", ["-c", "echo up; exec sleep 0.1"]);
      await sleeper.hasSaid("up");
      sleeper.signal("SIGSTOP");
      await pause(clock, 30);
      sleeper.signal("SIGCONT");
      expect(await sleeper.ended).toEqual({ status: 0, signal: null });
    }
  });

  it("says how a command failed", async () => {
    await expect(stage().node.run("ip", ["link", "show", "none"])).rejects.toMatchObject({ code: "command-failed" });
  });

  it("reaches Omni by both families, and the collector beside the path", async () => {
    const { node, v4, v6, net } = stage();
    expect(await send(node, { host: v4 })).toEqual(noErrors(5));
    expect(await send(node, { host: v6 })).toEqual(noErrors(5));
    // No process listens there, so the collector's own kernel refuses.
    expect(await connect(node, net.collector.management)).toMatchObject({ answer: "ECONNREFUSED" });
  });

  it("accepts rules of its own: a reflector shares the SideroLink port, a witness counts WireGuard packets", async () => {
    const { net, omni, node, v4 } = stage();
    await omni.nft(`
      table inet sharing {
        set heard { type ipv4_addr; flags dynamic; counter; }
        chain come {
          type nat hook prerouting priority dstnat;
          udp dport 51820 @th,64,8 != 1-4 redirect to :${ECHO_PORT}
        }
        chain count {
          type filter hook input priority filter;
          udp dport 51820 @th,64,8 1-4 update @heard { ip saddr counter }
        }
      }`);
    expect(await send(node, { host: v4, port: 51_820 })).toEqual(noErrors(5));
    expect(await send(node, { host: v4, port: 51_820, first: 4 })).toEqual(noErrors(0));
    expect(await tunnelAnswers(net, "node1")).toBe(true);
    const set = await omni.run("nft", ["-j", "list", "set", "inet", "sharing", "heard"]);
    expect(set).toContain(node.outer.ipv4);
    await omni.nft("delete table inet sharing");
  });

  it("has no way out", async () => {
    const { answer } = await connect(stage().node, "203.0.114.1");
    expect(["EHOSTUNREACH", "ENETUNREACH"]).toContain(answer);
  });
});

describe.skipIf(able !== true)(`the tunnel${why}`, () => {
  it("is up: closed ports refuse TCP and UDP, the event sink accepts, both sides count", async () => {
    const { net, node } = stage();
    const sink = await net.openSink();
    expect(await tunnelAnswers(net, "node1")).toBe(true);
    expect((await send(node, { host: TUNNEL_OMNI_ADDRESS, port: 9_999, count: 1 })).errors).toEqual(["ECONNREFUSED"]);
    expect(await connect(node, TUNNEL_OMNI_ADDRESS, 8_090)).toMatchObject({ connected: true });
    await sink.end();
    const own = await net.tunnel.nodeState("node1");
    expect(own.latestHandshakeS).toBeGreaterThan(0);
    expect(own.rxBytes).toBeGreaterThan(0);
    expect(await net.tunnel.omniState("node1")).toMatchObject({ endpoint: expect.stringContaining(node.outer.ipv4) });
  });

  it.each(["stale", "not-joined", "no-ipv6"] as const)(
    "%s: dead while injected, alive when cleared, alone",
    async (kind) => {
      const { net } = stage();
      const fault = net.tunnelFault("node1", kind);
      await fault.inject();
      await fault.inject();
      expect(await tunnelAnswers(net, "node1")).toBe(false);
      expect(await tunnelAnswers(net, "node2")).toBe(true);
      await fault.clear();
      // Omni begins the handshake; had it not the endpoint, the node would, 15 s after it met silence
      // (wireguard.com/papers, §6.2).
      expect(await answersWithin(net, "node1", 40)).toBe(true);
    },
    60_000,
  );

  it("reconnects every peer after a restart of Omni's side, except the peer left out", async () => {
    const { net } = stage();
    await net.tunnel.restartOmni({ without: ["node2"] });
    expect(await answersWithin(net, "node1", 40)).toBe(true);
    expect(await net.tunnel.omniState("node2")).toBeUndefined();
    expect(await tunnelAnswers(net, "node2")).toBe(false);
    await net.tunnel.addPeer("node2");
    expect(await answersWithin(net, "node2", 40)).toBe(true);
  }, 90_000);
});

describe.skipIf(able !== true)(`faults of the path${why}`, () => {
  it.each([
    ["both", 0, 0],
    ["forward", 0, 0],
    ["return", 5, 0],
  ] as const)("drop %s: the server receives %d, the node %d of 5", async (direction, atServer, atNode) => {
    const { node, echo, v4, v6 } = stage();
    for (const host of [v4, v6]) {
      const before = heard(echo);
      const { seen, hits } = await under({ kind: "drop", traffic: udp, direction }, () => send(node, { host }));
      expect([heard(echo) - before, seen, hits]).toEqual([atServer, noErrors(atNode), 5]);
    }
    expect(await send(node, { host: v4 })).toEqual(noErrors(5));
  });

  it("drop reaches no other node, no other port, and never the management network", async () => {
    const { net, node, v4 } = stage();
    const { seen } = await under({ kind: "drop", traffic: {} }, async () => [
      await send(node, { host: v4 }),
      await send(net.node("node2"), { host: v4 }),
      (await connect(node, net.collector.management)).answer,
    ]);
    expect(seen).toEqual([noErrors(0), noErrors(5), "ECONNREFUSED"]);
    const other = await under({ kind: "drop", traffic: { protocol: "udp", port: 53 } }, () => send(node, { host: v4 }));
    expect(other.seen).toEqual(noErrors(5));
  });

  it("drops only what looks like WireGuard", async () => {
    const { node, v4 } = stage();
    const traffic = { ...udp, wireguardOnly: true };
    const { seen } = await under({ kind: "drop", traffic }, async () => [
      (await send(node, { host: v4, first: 1 })).answered,
      (await send(node, { host: v4, first: 4 })).answered,
      (await send(node, { host: v4, first: 5 })).answered,
      (await send(node, { host: v4, first: 0x80 })).answered,
    ]);
    expect(seen).toEqual([0, 0, 5, 5]);
  });

  it.each([
    ["port-unreachable", ["ECONNREFUSED"], "ECONNREFUSED"],
    ["admin-prohibited", ["EHOSTUNREACH", "EACCES"], /^(EHOSTUNREACH|EACCES)$/],
    // Linux does not report these to a connected UDP socket.
    ["host-unreachable", [], "EHOSTUNREACH"],
  ] as const)("reject with %s, every packet of it", async (refusal, codes, answer) => {
    const { node, v4, v6 } = stage();
    for (const host of [v4, v6]) {
      const { seen } = await under({ kind: "reject", traffic: udp, refusal }, () => send(node, { host, count: 20 }));
      expect(seen.answered).toBe(0);
      for (const code of seen.errors) expect(codes).toContain(code);
      // No rate limit: an error for each, but for the one that the last `send` reports instead.
      if (codes.length > 0) expect(seen.errors.length).toBeGreaterThanOrEqual(10);
      const connected = await under({ kind: "reject", traffic: tcp, refusal }, () => connect(node, host));
      expect(connected.seen).toEqual({ connected: false, answer: expect.stringMatching(answer) });
    }
  });

  it("resets a TCP handshake, or the stream after it", async () => {
    const { node, v4, v6 } = stage();
    for (const host of [v4, v6]) {
      const refused = await under({ kind: "reject", traffic: tcp, refusal: "tcp-reset" }, () => connect(node, host));
      expect(refused.seen).toEqual({ connected: false, answer: "ECONNREFUSED" });
      const cut = await under({ kind: "midstream-reset", port: ECHO_PORT }, () => connect(node, host));
      expect(cut.seen).toEqual({ connected: true, answer: "ECONNRESET" });
      expect(await connect(node, host)).toEqual({ connected: true, answer: "omni" });
    }
  });

  it.each([0, 0.01, 0.05, 0.2])("loss of %d is within its binomial bounds, and counted", async (ratio) => {
    const { node, v4 } = stage();
    const count = 2_000;
    const spec = { kind: "loss", ratio, traffic: udp, direction: "forward" } as const;
    const { seen, hits } = await under(spec, () => send(node, { host: v4, count, gapMs: 0 }));
    expect(seen).toEqual(noErrors(count - hits));
    // Five standard deviations: one false alarm in a million runs.
    expect(Math.abs(hits - count * ratio)).toBeLessThanOrEqual(5 * Math.sqrt(count * ratio * (1 - ratio)));
  });

  it.each(["forward", "return"] as const)(
    "an MTU black hole %s drops large packets without an ICMP error",
    async (direction) => {
      const { node, v4, v6, echo } = stage();
      for (const [host, headerBytes] of [
        [v4, 28],
        [v6, 48],
      ] as const) {
        const before = heard(echo);
        const { seen } = await under({ kind: "mtu-black-hole", maxBytes: 1_300, direction }, async () => [
          await send(node, { host, bytes: 1_300 - headerBytes }),
          await send(node, { host, bytes: 1_301 - headerBytes }),
        ]);
        expect(seen).toEqual([noErrors(5), noErrors(0)]);
        expect(heard(echo) - before).toBe(direction === "forward" ? 5 : 10);
      }
    },
  );

  it.each(["forward", "return"] as const)(
    "a bottleneck %s queues, then drops, and the sender's send() succeeds",
    async (direction) => {
      const { node, v4 } = stage();
      const burst = { host: v4, count: 200, bytes: 1_000, gapMs: 0, waitMs: 600 };
      const spec = { kind: "rate", bitsPerSecond: 1_000_000, direction } as const;
      const { seen, hits } = await under(spec, () => send(node, burst));
      expect(hits).toBeGreaterThan(0);
      expect(seen).toEqual(noErrors(burst.count - hits));
      expect(await send(node, burst)).toEqual(noErrors(burst.count));
    },
  );

  it("an MTU black hole drops the tunnel's full packets, 1,340 bytes outside, and passes its small ones", async () => {
    const { node } = stage();
    const answers = async (maxBytes: number) => {
      const told: number[] = [];
      for (const bytes of [16, 1_232]) {
        // Omni's kernel refuses only once a second.
        await pause(clock, 1_100);
        const order = { host: TUNNEL_OMNI_ADDRESS, port: 9_999, count: 1, bytes };
        told.push((await under({ kind: "mtu-black-hole", maxBytes }, () => send(node, order))).seen.errors.length);
      }
      return told;
    };
    expect(await answers(1_340)).toEqual([1, 1]);
    expect(await answers(1_339)).toEqual([1, 0]);
  });

  it("redirects a port to another server", async () => {
    const { net, node, v4, v6 } = stage();
    const other = net.servers["other"]?.outer;
    if (other === undefined) throw new Error("no other server");
    for (const [host, address] of [
      [v4, other.ipv4],
      [v6, other.ipv6],
    ] as const) {
      const to = { address, port: ECHO_PORT };
      const { seen } = await under({ kind: "redirect", protocol: "tcp", port: 443, host, to }, () =>
        connect(node, host, 443),
      );
      expect(seen).toEqual({ connected: true, answer: "other" });
      expect(await connect(node, host, 443)).toEqual({ connected: false, answer: "ECONNREFUSED" });
    }
  });

  it.skipIf(!captures)("delays a link, as a capture at the node sees it", async () => {
    const { net, v4 } = stage();
    const node = net.node("node3");
    const taken = await net.capture(node, "eth0", `udp port ${ECHO_PORT}`);
    expect(await send(node, { host: v4, count: 10, gapMs: 50 })).toEqual(noErrors(10));
    const packets = await taken.stop();
    expect(packets).toHaveLength(20);
    const [asked, answered] = packets;
    const rttNs = Number((answered?.atNs ?? 0n) - (asked?.atNs ?? 0n));
    expect(rttNs).toBeGreaterThanOrEqual(2 * DELAY_MS * NS_PER_MS);
  });

  it("changes a link's delay for as long as the fault lasts, and loses nothing", async () => {
    const { net, node, v4 } = stage();
    const slow = net.delay("node1", 600);
    await slow.inject();
    // Both wait for half a second only: the answers come after 1.2 s, and none is lost.
    expect(await send(node, { host: v4, count: 2, waitMs: 500 })).toEqual({ answered: 0, errors: [] });
    expect(await send(node, { host: v4, count: 2, waitMs: 20_000 })).toEqual(noErrors(2));
    await slow.clear();
    expect(await send(node, { host: v4, count: 2, waitMs: 20_000 })).toEqual(noErrors(2));
    expect(() => net.delay("node2", 1)).toThrow(expect.objectContaining({ code: "bad-input" }));
  });
});

describe.skipIf(able !== true)(`the end of a fleet${why}`, () => {
  it("close() leaves no process and no namespace", async () => {
    const own = await createFleetNet({ nodes: 1, endpointFamily: 6, clock, log });
    expect(await tunnelAnswers(own, "node1")).toBe(true);
    expect((await own.tunnel.nodeState("node1")).endpoint).toBe(`[${own.omni.outer.ipv6}]:51820`);
    const hosts = [own.hop, own.collector, own.omni, ...own.nodes];
    const namespaces = hosts.map(({ pid }) => readlinkSync(`/proc/${pid}/ns/net`));
    own.node("node1").spawn("sleep", ["1000"]);
    expect(inhabitants(namespaces).length).toBeGreaterThanOrEqual(hosts.length);
    await own.close();
    await own.close();
    expect(inhabitants(namespaces)).toEqual([]);
    expect(() => own.omni.spawn("true", [])).toThrow(/closed/);
  });

  it.each(["SIGTERM", "SIGKILL"] as const)("leaves nothing behind when its creator is ended by %s", async (signal) => {
    const module = fileURLToPath(new URL("./fleet-net.ts", import.meta.url));
    const script = `
      const { createFleetNet } = await import(${JSON.stringify(module)});
      const { systemClock } = await import("@lifeline/measure");
      const { readlinkSync } = await import("node:fs");
      const net = await createFleetNet({ nodes: 1, clock: systemClock, log: { debug() {} } });
      net.node("node1").spawn("sleep", ["1000"]);
      const hosts = [net.hop, net.collector, net.omni, ...net.nodes];
      console.log(JSON.stringify(hosts.map(({ pid }) => readlinkSync("/proc/" + pid + "/ns/net"))));`;
    const args = ["--conditions=lifeline:source", "--input-type=module", "-e", script];
    const cwd = fileURLToPath(new URL("../../..", import.meta.url));
    const owner = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    for await (const chunk of owner.stdout) {
      text += String(chunk);
      if (text.includes("\n")) break;
    }
    const namespaces = JSON.parse(text) as string[];
    expect(inhabitants(namespaces).length).toBeGreaterThanOrEqual(namespaces.length);
    owner.kill(signal);
    for (let waits = 0; waits < 500 && inhabitants(namespaces).length > 0; waits += 1) await pause(clock, 10);
    expect(inhabitants(namespaces)).toEqual([]);
  });

  it("names the missing file of the machine, and leaves nothing behind", async () => {
    const files = { node1: { "/etc/no-such-file": "" } };
    await expect(createFleetNet({ nodes: 1, files, clock, log })).rejects.toMatchObject({
      code: "command-failed",
      message: expect.stringContaining("/etc/no-such-file"),
    });
  });

  it.each([
    [{ nodes: 0 }, "nodes: 0 is not right; expected 1 to 60"],
    [{ nodes: 1, servers: ["omni"] }, "servers: omni is not right; expected a name of no other host"],
    [{ nodes: 1, delayMs: { node2: 1 } }, "delayMs: node2 is not right; expected node1"],
  ])("refuses %j", async (options, message) => {
    await expect(createFleetNet({ ...options, clock, log })).rejects.toMatchObject({ code: "bad-input", message });
  });
});
