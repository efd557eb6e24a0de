import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@lifeline/measure";
import pino from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { REQUEST_MAX_BYTES } from "./control.ts";
import { readState, requestFault } from "./control-client.ts";
import { startStandIn } from "./stand-in.ts";
import type { StandIn } from "./stand-in-state.ts";

const log = pino({ level: "silent" });
let folder: string;
let path: string;
let standIn: StandIn;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lab-control-"));
  path = join(folder, "control.sock");
  standIn = await startStandIn({ clock: systemClock, log, controlPath: path });
});

afterAll(async () => {
  await standIn.close();
  await rm(folder, { recursive: true });
});

function send(method: string, url: string, body: string): Promise<{ status: number | undefined; answer: unknown }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: path, method, path: url }, async (incoming) => {
      let text = "";
      for await (const chunk of incoming) text += String(chunk);
      resolve({ status: incoming.statusCode, answer: JSON.parse(text) });
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

describe("the control socket", () => {
  it("tells the state, and changes a fault", async () => {
    expect(await readState(path)).toEqual(standIn.state());
    const after = await requestFault(path, { listener: "api", fault: "refuse" });
    expect(after.listeners.map(({ name, fault }) => [name, fault])).toEqual([
      ["api", "refuse"],
      ["machine-api", "none"],
      ["siderolink", "none"],
    ]);
    expect(await requestFault(path, { listener: "all", fault: "none" })).toEqual(standIn.state());
  });

  it("may be opened by its owner only", async () => {
    expect(((await stat(path)).mode & 0o777).toString(8)).toBe("600");
  });

  it.each([
    ["POST", "/fault", "drop", 400, 'request: "drop" is not JSON; expected {"listener": …, "fault": …}'],
    ["POST", "/fault", "", 400, 'request: "" is not JSON; expected {"listener": …, "fault": …}'],
    ["POST", "/fault", "[]", 400, 'request: [] is not an object; expected {"listener": …, "fault": …}'],
    ["POST", "/fault", '{"listener":"api"}', 400, "fault: missing; expected one of none, refuse, drop, stall"],
    [
      "POST",
      "/fault",
      '{"listener":"api","fault":"slow"}',
      400,
      'fault: "slow" is not one; expected one of none, refuse, drop, stall',
    ],
    [
      "POST",
      "/fault",
      '{"listener":"api","fault":"drop","port":1}',
      400,
      '"port": unknown key; expected listener, fault',
    ],
    ["POST", "/fault", " ".repeat(REQUEST_MAX_BYTES + 1), 413, "request: longer than 4096 bytes"],
    ["GET", "/fault", "", 405, "GET /fault: method not allowed; expected POST"],
    ["POST", "/state", "{}", 405, "POST /state: method not allowed; expected GET"],
    ["GET", "/faults", "", 404, '"/faults": no such path; expected /state or /fault'],
  ])("refuses %s %s %.40s with %d", async (method, url, body, status, message) => {
    expect(await send(method, url, body)).toEqual({ status, answer: { error: { code: "bad-input", message } } });
    expect(standIn.state().listeners.every(({ fault }) => fault === "none")).toBe(true);
  });

  it("survives a client that leaves half-way", async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(path, () => {
        socket.write("POST /fault HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n{", () => socket.destroy());
      });
      socket.once("close", () => resolve());
    });
    expect(await readState(path)).toEqual(standIn.state());
  });

  it("hands a refusal's code and message to the client", async () => {
    const bad = requestFault(path, JSON.parse('{"listener":"api","fault":"slow"}'));
    await expect(bad).rejects.toMatchObject({ code: "bad-input", message: expect.stringMatching(/^fault: "slow"/) });
    await expect(readState(join(folder, "none.sock"))).rejects.toMatchObject({ code: "control-unreachable" });
  });

  it("replaces the socket of a dead process, never one in use or a file", async () => {
    const start = (controlPath: string) => startStandIn({ clock: systemClock, log, controlPath });
    await expect(start(path)).rejects.toMatchObject({ code: "listen-failed" });
    const file = join(folder, "file");
    await writeFile(file, "");
    await expect(start(file)).rejects.toMatchObject({
      code: "bad-input",
      message: `control: ${JSON.stringify(file)} exists and is not a socket`,
    });
    const stale = await leaveStaleSocket();
    const second = await start(stale);
    expect(await readState(stale)).toEqual(second.state());
    await second.close();
    await expect(stat(stale)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("refuses a path that no Unix socket can have", async () => {
    const long = `/tmp/${"x".repeat(103)}`;
    await expect(startStandIn({ clock: systemClock, log, controlPath: long })).rejects.toMatchObject({
      code: "bad-input",
      message: `control: "/tmp/${"x".repeat(58)}… is 108 bytes long; expected a path of 1 to 107 bytes`,
    });
  });
});

/** A socket file whose process is gone: closing moves the path away first, so that Node cannot remove it. */
async function leaveStaleSocket(): Promise<string> {
  const { rename } = await import("node:fs/promises");
  const [bound, stale] = [join(folder, "bound.sock"), join(folder, "stale.sock")];
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(bound, resolve));
  await rename(bound, stale);
  await new Promise((resolve) => server.close(resolve));
  return stale;
}
