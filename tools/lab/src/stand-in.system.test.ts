import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { request as requestHttp1 } from "node:https";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { systemClock } from "@lifeline/measure";
import { decodeReflected, encodeSender, ntpFromWallMs, OWN_ERROR_ESTIMATE } from "@lifeline/stamp";
import pino from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { unknownCallText } from "./machine-api.ts";
import { type StandInOptions, startStandIn } from "./stand-in.ts";
import type { Endpoint, StandIn } from "./stand-in-state.ts";

const log = pino({ level: "silent" });
/** Silence that counts as nothing coming back: loopback answers in microseconds. */
const SILENCE_MS = 250;

let running: StandIn | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

async function start(options: Partial<StandInOptions> = {}): Promise<StandIn> {
  running = await startStandIn({ clock: systemClock, log, ...options });
  return running;
}

/** The outcome of one attempt to connect. */
function tryConnect({ host, port }: Endpoint): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host, port });
    socket.once("connect", () => finish("connected"));
    socket.once("error", (error: NodeJS.ErrnoException) => finish(String(error.code)));
    const silence = systemClock.after(SILENCE_MS, () => finish("silence"));
    const finish = (result: string) => {
      silence.cancel();
      socket.on("error", () => undefined);
      socket.destroy();
      resolve(result);
    };
  });
}

/** One attempt to finish a TLS handshake that trusts only the stand-in's CA. */
function tryTls({ host, port }: Endpoint, caPem: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls({ host, port, ca: caPem, ALPNProtocols: ["h2"], servername: "localhost" });
    socket.once("secureConnect", () => finish(`${socket.getProtocol()} ${socket.alpnProtocol}`));
    socket.once("error", (error: NodeJS.ErrnoException) => finish(String(error.code)));
    const silence = systemClock.after(SILENCE_MS, () => finish("silence"));
    const finish = (result: string) => {
      silence.cancel();
      socket.destroy();
      resolve(result);
    };
  });
}

async function getHttp2({ host, port }: Endpoint, caPem: string, headers: Record<string, string>) {
  const session = connectHttp2(`https://${host}:${port}`, { ca: caPem, servername: "localhost" });
  try {
    const stream = session.request(headers);
    const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
    let body = "";
    for await (const chunk of stream) body += String(chunk);
    return { status: answer[":status"], type: answer["content-type"], body };
  } finally {
    session.close();
  }
}

async function getHttp1({ host, port }: Endpoint, caPem: string, path: string) {
  const outgoing = requestHttp1({ host, port, path, ca: caPem, agent: false, servername: "localhost" }).end();
  const [answer] = (await once(outgoing, "response")) as [import("node:http").IncomingMessage];
  let body = "";
  for await (const chunk of answer) body += String(chunk);
  return { version: answer.httpVersion, status: answer.statusCode, body };
}

/** Calls `path` with an empty message; resolves with the status code the server gave. */
async function callGrpc({ host, port }: Endpoint, caPem: string, path: string): Promise<number | undefined> {
  const client = new Client(`${host}:${port}`, credentials.createSsl(Buffer.from(caPem)), {
    "grpc.ssl_target_name_override": "localhost",
  });
  const asIs = (bytes: Buffer) => bytes;
  try {
    return await new Promise((resolve) => {
      const done = (error: ServiceError | null) => resolve(error?.code);
      client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), { deadline: systemClock.wallMs() + 5_000 }, done);
    });
  } finally {
    client.close();
  }
}

/** One STAMP test packet: `answered`, an errno, or `silence`. */
async function tryStamp({ host, port }: Endpoint): Promise<string> {
  const socket: UdpSocket = createSocket("udp4");
  socket.connect(port, host);
  await once(socket, "connect");
  const sequence = 0x7000_0001;
  const sentAt = ntpFromWallMs(systemClock.wallMs());
  const silence = new AbortController();
  const timer = systemClock.after(SILENCE_MS, () => silence.abort());
  try {
    socket.send(encodeSender({ sequence, sentAt, errorEstimate: OWN_ERROR_ESTIMATE }));
    const [bytes] = (await once(socket, "message", { signal: silence.signal })) as [Buffer];
    const reply = decodeReflected(bytes);
    return reply.kind === "ok" && reply.packet.sender.sequence === sequence ? "answered" : reply.kind;
  } catch (error) {
    return silence.signal.aborted ? "silence" : String((error as NodeJS.ErrnoException).code);
  } finally {
    timer.cancel();
    socket.close();
  }
}

describe("the stand-in's API endpoint", () => {
  it("is trusted only through its own CA, and uses TLS 1.3 with HTTP/2", async () => {
    const { api, caPem } = await start();
    expect(await tryTls(api, caPem)).toBe("TLSv1.3 h2");
    expect(caPem).not.toContain("PRIVATE KEY");
    const other = await startStandIn({ clock: systemClock, log });
    expect(await tryTls(api, other.caPem)).toBe("SELF_SIGNED_CERT_IN_CHAIN");
    await other.close();
  });

  it.each([
    [{ ":path": "/healthz" }, 200, "text/plain; charset=utf-8", /^$/],
    [{ ":path": "/healthz?probe=1" }, 200, "text/plain; charset=utf-8", /^$/],
    [{ ":path": "/" }, 200, "text/html; charset=utf-8", /Lifeline lab stand-in, not Omni/],
    [{ ":path": "/image/v1.13/amd64.iso" }, 410, "text/html; charset=utf-8", /image factory/],
    [{ ":path": "/nothing" }, 404, "text/html; charset=utf-8", /Lifeline lab stand-in, not Omni/],
    [{ ":path": "/nothing", accept: "application/json" }, 404, "application/json", /^\{"label":"lab",/],
    [{ ":path": "/healthz", ":method": "DELETE" }, 405, "text/html; charset=utf-8", /expected GET or HEAD/],
    [{ ":path": "/healthz", ":method": "HEAD" }, 200, "text/plain; charset=utf-8", /^$/],
  ])("answers %j with %d", async (headers, status, type, body) => {
    const { api, caPem } = await start();
    const answer = await getHttp2(api, caPem, headers);
    expect(answer).toMatchObject({ status, type });
    expect(answer.body).toMatch(body);
  });

  it("answers HTTP/1.1 to a client that requests it", async () => {
    const { api, caPem } = await start();
    expect(await getHttp1(api, caPem, "/healthz")).toEqual({ version: "1.1", status: 200, body: "" });
  });

  it("has a certificate for the names it was given", async () => {
    const { api, caPem } = await start({ names: ["omni.lab", "10.77.0.2"] });
    const socket = connectTls({ host: api.host, port: api.port, ca: caPem, servername: "omni.lab" });
    await once(socket, "secureConnect");
    const { subjectaltname } = socket.getPeerCertificate();
    socket.destroy();
    expect(subjectaltname).toBe(
      "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:localhost, DNS:omni.lab, IP Address:10.77.0.2",
    );
  });

  it("survives peers that speak no TLS, reset, or leave half-way", async () => {
    const { api, machineApi, caPem } = await start();
    for (const { host, port } of [api, machineApi]) {
      const rude = connectTcp({ host, port });
      await once(rude, "connect");
      rude.write("GET / HTTP/1.1\r\n\r\n");
      await once(rude.resume(), "close");
      const gone = connectTcp({ host, port });
      await once(gone, "connect");
      gone.resetAndDestroy();
      const half = connectTls({ host, port, ca: caPem, ALPNProtocols: ["h2"], servername: "localhost" });
      await once(half, "secureConnect");
      half.destroy();
    }
    expect(await tryTls(api, caPem)).toBe("TLSv1.3 h2");
    expect(await callGrpc(machineApi, caPem, "/sidero.link.ProvisionService/Probe")).toBe(12);
  });
});

describe("the stand-in's Machine API", () => {
  it.each([
    ["/sidero.link.ProvisionService/Lifeline", "unknown method Lifeline for service sidero.link.ProvisionService"],
    ["/sidero.link.Other/Lifeline", "unknown service sidero.link.Other"],
    ["/", "unknown service "],
  ])("says of %s what grpc-go says", (path, text) => {
    expect(unknownCallText(path)).toBe(text);
  });

  it.each([
    "/sidero.link.ProvisionService/Lifeline",
    "/sidero.link.ProvisionService/Provision",
    "/grpc.health.v1.Health/Check",
    "/lifeline.v1.Nowhere/Probe",
  ])("answers %s with UNIMPLEMENTED, as Omni answers what it does not know", async (path) => {
    const { machineApi, caPem } = await start();
    expect(await callGrpc(machineApi, caPem, path)).toBe(12);
  });

  it("agrees to h2", async () => {
    const { machineApi, caPem } = await start();
    expect(await tryTls(machineApi, caPem)).toBe("TLSv1.3 h2");
  });
});

describe("the stand-in's SideroLink port", () => {
  it("reflects STAMP", async () => {
    const { siderolink } = await start();
    expect(await tryStamp(siderolink)).toBe("answered");
  });
});

describe("a fault of a TCP listener", () => {
  it.each(["api", "machine-api"] as const)(
    "refuse: %s answers with a reset, then is back on its port",
    async (name) => {
      const standIn = await start();
      const endpoint = name === "api" ? standIn.api : standIn.machineApi;
      await standIn.fault(name, "refuse");
      expect(await tryConnect(endpoint)).toBe("ECONNREFUSED");
      await standIn.fault(name, "none");
      expect(await tryTls(endpoint, standIn.caPem)).toBe("TLSv1.3 h2");
    },
  );

  it.each(["api", "machine-api"] as const)("drop: %s is silent, then is back on its port", async (name) => {
    const standIn = await start();
    const endpoint = name === "api" ? standIn.api : standIn.machineApi;
    await standIn.fault(name, "drop");
    expect(await tryConnect(endpoint)).toBe("silence");
    await standIn.fault(name, "none");
    expect(await tryTls(endpoint, standIn.caPem)).toBe("TLSv1.3 h2");
  });

  it.each(["api", "machine-api"] as const)("stall: %s accepts and sends nothing, then answers again", async (name) => {
    const standIn = await start();
    const endpoint = name === "api" ? standIn.api : standIn.machineApi;
    await standIn.fault(name, "stall");
    expect(await tryConnect(endpoint)).toBe("connected");
    const rude = connectTcp(endpoint);
    await once(rude, "connect");
    rude.resetAndDestroy();
    expect(await tryTls(endpoint, standIn.caPem)).toBe("silence");
    await standIn.fault(name, "none");
    expect(await tryTls(endpoint, standIn.caPem)).toBe("TLSv1.3 h2");
  });

  it.each(["refuse", "drop", "stall"] as const)("%s destroys the connections that were open", async (fault) => {
    const standIn = await start();
    const { host, port } = standIn.api;
    const socket = connectTls({ host, port, ca: standIn.caPem, servername: "localhost" });
    await once(socket, "secureConnect");
    socket.on("error", () => undefined).resume();
    const closed = once(socket, "close");
    await standIn.fault("api", fault);
    await closed;
  });

  it("changes directly from one to another, and the last one requested is in force", async () => {
    const standIn = await start();
    const turns = (["drop", "refuse", "stall", "refuse", "drop"] as const).map((fault) => standIn.fault("api", fault));
    await Promise.all(turns);
    expect(await tryConnect(standIn.api)).toBe("silence");
    await standIn.fault("api", "refuse");
    expect(await tryConnect(standIn.api)).toBe("ECONNREFUSED");
  });

  it("refuses more changes than can wait (S2)", async () => {
    const standIn = await start();
    const turns = Array.from({ length: 33 }, () => standIn.fault("api", "stall"));
    const settled = await Promise.allSettled(turns);
    expect(settled.map((turn) => turn.status).filter((status) => status === "rejected")).toHaveLength(1);
    expect(settled[32]).toMatchObject({ reason: { code: "busy" } });
  });

  it("leaves the other listeners alone, and the state shows it", async () => {
    const standIn = await start();
    await standIn.fault("machine-api", "refuse");
    expect(standIn.state()).toEqual({
      label: "lab",
      pid: process.pid,
      listeners: [
        { name: "api", protocol: "https", ...standIn.api, fault: "none" },
        { name: "machine-api", protocol: "grpcs", ...standIn.machineApi, fault: "refuse" },
        { name: "siderolink", protocol: "stamp", ...standIn.siderolink, fault: "none" },
      ],
      caPem: standIn.caPem,
    });
    expect(await tryTls(standIn.api, standIn.caPem)).toBe("TLSv1.3 h2");
    expect(await tryStamp(standIn.siderolink)).toBe("answered");
  });
});

describe("a fault of the SideroLink port", () => {
  it.each([
    ["refuse", "ECONNREFUSED"],
    ["drop", "silence"],
    ["stall", "silence"],
  ] as const)("%s: a datagram meets %s, and the reflector is back on its port after", async (fault, seen) => {
    const standIn = await start();
    await standIn.fault("siderolink", fault);
    expect(await tryStamp(standIn.siderolink)).toBe(seen);
    await standIn.fault("siderolink", "none");
    expect(await tryStamp(standIn.siderolink)).toBe("answered");
  });
});

describe("a stand-in", () => {
  it("takes one fault for all listeners", async () => {
    const standIn = await start();
    await standIn.fault("all", "refuse");
    expect(await tryConnect(standIn.api)).toBe("ECONNREFUSED");
    expect(await tryConnect(standIn.machineApi)).toBe("ECONNREFUSED");
    expect(await tryStamp(standIn.siderolink)).toBe("ECONNREFUSED");
  });

  it("closes everything under any fault, and then accepts no more changes", async () => {
    const standIn = await start();
    await Promise.all([standIn.fault("api", "drop"), standIn.fault("siderolink", "drop")]);
    await Promise.all([standIn.close(), standIn.close()]);
    expect(await tryConnect(standIn.api)).toBe("ECONNREFUSED");
    expect(await tryConnect(standIn.machineApi)).toBe("ECONNREFUSED");
    expect(await tryStamp(standIn.siderolink)).toBe("ECONNREFUSED");
    await expect(standIn.fault("api", "none")).rejects.toMatchObject({ code: "closed" });
  });

  it("refuses more names than a certificate should hold", async () => {
    const names = Array.from({ length: 17 }, (_, n) => `n${n}.lab`);
    const message = "names: 17 names; expected at most 16";
    await expect(start({ names })).rejects.toMatchObject({ code: "bad-input", message });
  });
});
