import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pause, systemClock } from "@lifeline/measure";
import pino from "pino";
import { afterAll, describe, expect, it } from "vitest";
import { createDelayedPath, type DelayedPath, runIn } from "./delay-wire.ts";

const log = pino({ level: "silent" });
const DELAY_MS = 10;
const CONNECTS = 20;
/** No packet leaves early; what a busy machine adds is not this test's matter. */
const ROUND_TRIP_MIN_MS = 2 * DELAY_MS;
const ROUND_TRIP_TYPICAL_MAX_MS = ROUND_TRIP_MIN_MS + 10;

/** Listens on a port of the kernel's choice, prints it, and ends with its standard input. */
const ECHO_SERVER = `
  const server = require("node:net").createServer((socket) => socket.on("error", () => {}).end());
  server.listen(0, process.argv[1], () => console.log(server.address().port));
  process.stdin.resume().once("end", () => process.exit(0));
`;
/** Connects so many times, one after the other, and prints how long each took, ms. */
const CONNECTOR = `
  const [host, port, count] = process.argv.slice(1);
  const connect = () => new Promise((resolve, reject) => {
    const begin = process.hrtime.bigint();
    const socket = require("node:net").connect(Number(port), host, () => {
      resolve(Number(process.hrtime.bigint() - begin) / 1e6);
      socket.destroy();
    }).on("error", reject);
  });
  (async () => {
    const took = [];
    for (let i = 0; i < Number(count); i++) took.push(await connect());
    console.log(JSON.stringify(took));
  })();
`;

const laid = await createDelayedPath({ delayMs: DELAY_MS, log });
const path = laid.kind === "path" ? laid : undefined;
const why = laid.kind === "path" ? "" : ` (cannot run: ${laid.reason}, ${laid.detail})`;

afterAll(async () => {
  await path?.close();
});

async function firstLine(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new Error("spawn the child with a piped stdout");
  let text = "";
  for await (const chunk of stdout) {
    text += String(chunk);
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}

async function connectTimesMs(over: DelayedPath): Promise<number[]> {
  const server = runIn(over.serverNamespace, process.execPath, ["-e", ECHO_SERVER, over.serverAddress]);
  try {
    const port = await firstLine(server);
    const args = ["-e", CONNECTOR, over.serverAddress, port, String(CONNECTS)];
    const times: unknown = JSON.parse(await firstLine(runIn(over.clientNamespace, process.execPath, args)));
    return times as number[];
  } finally {
    server.stdin?.end();
    if (server.exitCode === null) await once(server, "exit");
  }
}

const namespacesExist = (names: readonly string[]) => names.map((name) => existsSync(`/run/netns/${name}`));

describe("a delayed path", () => {
  it("can be laid wherever the whole test suite must run", () => {
    expect(process.env["CI"] === "true" ? why : "").toBe("");
  });

  it.skipIf(path === undefined)(`10 ms each way makes a TCP handshake of 20 ms, never less${why}`, async () => {
    if (path === undefined) return;
    const timesMs = (await connectTimesMs(path)).sort((a, b) => a - b);
    expect(timesMs).toHaveLength(CONNECTS);
    expect(timesMs[0]).toBeGreaterThanOrEqual(ROUND_TRIP_MIN_MS);
    expect(timesMs[CONNECTS / 2]).toBeLessThan(ROUND_TRIP_TYPICAL_MAX_MS);
  });

  it.skipIf(path === undefined)(`close() removes both namespaces and tells what was carried${why}`, async () => {
    const own = await createDelayedPath({ delayMs: 0, log });
    if (own.kind !== "path") throw new Error(own.detail);
    const names = [own.clientNamespace, own.serverNamespace];
    expect(namespacesExist(names)).toEqual([true, true]);
    await connectTimesMs(own);
    const stats = await own.close();
    expect(stats?.toServer).toMatchObject({ overflowed: 0, unsent: 0 });
    // SYN, and the ACK that answers SYN-ACK, at least.
    expect(stats?.toServer.carried).toBeGreaterThanOrEqual(2 * CONNECTS);
    expect(stats?.toClient.carried).toBeGreaterThanOrEqual(CONNECTS);
    expect(namespacesExist(names)).toEqual([false, false]);
    expect(await own.close()).toEqual(stats);
  });

  it.skipIf(path === undefined).each(["SIGTERM", "SIGKILL"] as const)(
    `leaves no namespace behind when its owner dies of %s${why}`,
    async (signal) => {
      const module = fileURLToPath(new URL("./delay-wire.ts", import.meta.url));
      const script = `
        const { createDelayedPath } = await import(${JSON.stringify(module)});
        const path = await createDelayedPath({ delayMs: 1, log: { debug() {} } });
        console.log(JSON.stringify([path.clientNamespace, path.serverNamespace]));
        setInterval(() => {}, 1000);`;
      const args = ["--conditions=lifeline:source", "--input-type=module", "-e", script];
      const owner = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      const names = JSON.parse(await firstLine(owner)) as string[];
      expect(namespacesExist(names)).toEqual([true, true]);
      owner.kill(signal);
      for (let waits = 0; waits < 200 && namespacesExist(names).includes(true); waits += 1)
        await pause(systemClock, 10);
      expect(namespacesExist(names)).toEqual([false, false]);
    },
  );

  it.each([-1, 10_001, Number.NaN])("refuses a delay of %d ms", async (delayMs) => {
    await expect(createDelayedPath({ delayMs, log })).rejects.toMatchObject({
      code: "bad-input",
      message: `delayMs: ${delayMs} is out of range; expected 0 to 10000`,
    });
  });
});
