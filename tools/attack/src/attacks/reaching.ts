/**
 * Attacks by a client that can reach a port or process of the collector: guess tokens, read other roles' data, or block
 * the collector.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { ShippedProgram } from "@lifeline/harness";
import { pause } from "@lifeline/measure";
import { createRpcClient } from "@lifeline/rpc";
import { queryPb } from "@lifeline/wire";
import { type Attack, type Claim, outcomeOf } from "../attack.ts";
import { floodText } from "../flood.ts";
import { listeningPorts } from "../listening-ports.ts";
import { field, framed, numberField } from "../message-bytes.ts";
import { playFlood, SOURCES } from "../play-flood.ts";
import { within } from "../poll.ts";
import { CALL, type TestBed } from "../test-bed.ts";
import { guess } from "./guess.ts";
import { refusalOf, said } from "./refusal.ts";

const GUESSES = 4_000;

const QUERY = "/lifeline.v1.QueryService";

/** Node that prints a line when it may be signalled, and listens for a debugger at a free port when it is. */
const DEBUGGABLE = ["--inspect-port=0", "-e", "console.log('runs'); process.stdin.resume()"];

/** How much longer than that the programs are watched, ms. */
const WATCHED_MS = 500;

/** What the metrics listener answers to a request under that name. */
function getMetrics(port: number, host: string): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path: "/metrics", headers: { host } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (more: string) => {
        text += more;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on("error", reject).end();
  });
}

/** Resolves when a Node that was sent the signal has opened a debugger port: as long as that takes here. */
async function untilDebuggerOpens({ clock }: TestBed): Promise<Claim> {
  const node = spawn(process.execPath, DEBUGGABLE, { stdio: ["pipe", "pipe", "ignore"] });
  try {
    await once(node.stdout, "data");
    node.kill("SIGUSR1");
    const opens = await within(clock, () => listeningPorts(node.pid ?? 0).length > 0);
    await pause(clock, WATCHED_MS);
    return [`a Node that may be debugged ${opens ? "opened" : "did not open"} a port`, opens];
  } finally {
    node.kill("SIGKILL");
  }
}

/** Sends a program the signal that makes Node open a debugger port, and returns what its result is by then. */
function signalled(name: string, pid: number | undefined): () => Claim {
  if (pid === undefined) return () => [`the ${name} is dead`, false];
  const before = listeningPorts(pid);
  process.kill(pid, "SIGUSR1");
  return () => openedBy(name, pid, before);
}

function openedBy(name: string, pid: number, before: readonly number[]): Claim {
  try {
    const more = listeningPorts(pid).filter((port) => !before.includes(port));
    return [
      `the ${name} lives and opened ${more.length === 0 ? "no port" : `port ${more.join(", ")}`}`,
      more.length === 0,
    ];
  } catch {
    return [`the ${name} exited`, false];
  }
}

export const reaching: readonly Attack[] = [
  {
    name: "guess-access-token",
    position: "port",
    tries: `queries with ${GUESSES} invented access tokens`,
    async run(testBed) {
      const requests = Array.from({ length: GUESSES }, () => ({
        path: `${QUERY}/ListNodes`,
        headers: { authorization: `Bearer ${randomBytes(32).toString("base64url")}` },
        body: framed(new Uint8Array()).toString("base64"),
        ends: true,
      }));
      const traffic = { kind: "calls", streams: 4, requests } as const;
      const basics = { sources: SOURCES.slice(0, 1), connections: 8, again: true, start: { kind: "tls" } } as const;
      const { account, triedMax } = await guess(testBed, { ...basics, traffic, least: { statuses: { 16: 1 } } });
      const reader = createRpcClient(queryPb.QueryService, testBed.address, testBed.client());
      const honest = await refusalOf(reader.unary("listNodes", {}, { ...CALL, bearerToken: testBed.readerToken }));
      reader.close();
      const tried = account.statuses["16"] ?? 0;
      return outcomeOf(
        [
          `${floodText(account)}; ${tried} tried, want at most ${triedMax}`,
          tried > 0 && tried <= triedMax && account.statuses["0"] === undefined,
        ],
        [`a reader at another address: ${said(honest)}`, honest === "OK"],
      );
    },
  },
  {
    name: "unknown-host",
    position: "anywhere",
    tries: "lets a browser request the metrics under a name that resolves to their address (DNS rebinding)",
    async run({ collector: { httpPort } }) {
      const foreign = await getMetrics(httpPort, `evil.example:${httpPort}`);
      const own = await getMetrics(httpPort, `127.0.0.1:${httpPort}`);
      return outcomeOf(
        [`under another name: ${foreign.status} ${foreign.text.slice(0, 120).trim()}`, foreign.status === 421],
        [`under its address: ${own.status}`, own.status === 200],
      );
    },
  },
  {
    name: "unread-metrics",
    position: "anywhere",
    tries: "requests the metrics on 500 connections and reads no answer",
    async run(testBed) {
      const { httpPort: port } = testBed.collector;
      const bytes = Buffer.from(`GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`.repeat(16)).toString(
        "base64",
      );
      const start = { kind: "plain", bytes, reads: false } as const;
      return playFlood(testBed, { port, sources: SOURCES, connections: 500, again: true, start });
    },
  },
  {
    name: "unread-queries",
    position: "port",
    tries: "requests the whole fleet with a reader's token over and over, and reads no answer",
    async run(testBed) {
      const headers = { authorization: `Bearer ${testBed.readerToken}` };
      const messages = {
        ListVerdicts: numberField(3, 10_000),
        ListIncidents: numberField(4, 10_000),
        GetNode: field(1, "bystander-1"),
      };
      const requests = Object.entries(messages).map(([method, message]) => ({
        path: `${QUERY}/${method}`,
        headers,
        body: framed(message).toString("base64"),
        ends: true,
      }));
      const traffic = { kind: "calls", streams: 4, requests, reads: false } as const;
      const basics = { sources: SOURCES, connections: 64, again: true, start: { kind: "tls" } } as const;
      return playFlood(testBed, { ...basics, traffic }, { calls: 1 });
    },
  },
  {
    name: "inspector-by-signal",
    position: "anywhere",
    tries: "sends collector, agent and reflector SIGUSR1, at which Node listens for a debugger",
    async run(testBed) {
      const agent = testBed.agent("signalled-1", testBed.address, await testBed.token());
      const args = ["--listen", "127.0.0.1:0"];
      const reflector = new ShippedProgram({ room: "reflector", args });
      reflector.start();
      await within(testBed.clock, () => agent.output().includes('"connected"'));
      await within(testBed.clock, () => reflector.output().includes('"reflecting"'));
      const programs = { collector: testBed.collector.program, agent, reflector };
      const results = Object.entries(programs).map(([name, { pid }]) => signalled(name, pid));
      const opens = await untilDebuggerOpens(testBed);
      const claims = results.map((result) => result());
      await Promise.all([agent.kill(), reflector.kill()]);
      return outcomeOf(opens, ...claims);
    },
  },
];
