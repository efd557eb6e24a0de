import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { addressBytes, answerQuestion, readQuestion } from "./dns-answer.ts";
import { type DnsServer, openDnsServer } from "./dns-server.ts";
import { createModeTable } from "./mode-table.ts";
import { MODES, type ServiceMode } from "./modes.ts";
import { createZone } from "./zone.ts";

const HOST = "127.0.0.1";
const ILL = "127.0.0.2";
const WELL = "127.0.0.3";
const SILENCE_MS = 300;

const table = createModeTable();
const zone = createZone([
  { name: "omni.lab.test", addresses: ["10.99.0.1", "fd00::1"], owner: "omni" },
  { name: "ghcr.io", addresses: ["10.99.0.1"], owner: "public" },
]);
const drift = ["192.0.2.80", "2001:db8::80"];
let server: DnsServer;

beforeAll(async () => {
  server = await openDnsServer({ endpoint: { host: HOST, port: 0 }, table, zone, drift });
});
afterEach(() => table.clear());
afterAll(() => server.close());

/** The addresses, or the resolver's code; one attempt. */
async function resolve(from: string, name: string, family: 4 | 6): Promise<readonly string[] | string> {
  const resolver = new Resolver({ timeout: SILENCE_MS, tries: 1 });
  resolver.setServers([`${HOST}:${server.port}`]);
  resolver.setLocalAddress(from);
  const answer = family === 4 ? resolver.resolve4(name) : resolver.resolve6(name);
  return answer.catch((error: NodeJS.ErrnoException) => error.code ?? "error");
}

const set = (mode: ServiceMode<"dns">, names?: readonly string[]) =>
  table.set({ client: ILL, service: "dns", mode, ...(names === undefined ? {} : { names }) });

/** A question for A of omni.lab.test, letter case kept, as RFC 1035 §4.1.2 writes it. */
const QUESTION = Buffer.from("123401000001000000000000046f4d4e69036c616204746573740000010001", "hex");

describe("the DNS server", () => {
  it.each([
    ["omni.lab.test", 4, ["10.99.0.1"]],
    ["omni.lab.test", 6, ["fd00::1"]],
    ["OMNI.lab.TEST", 4, ["10.99.0.1"]],
    ["ghcr.io", 6, "ENODATA"],
    ["example.com", 4, "ENOTFOUND"],
  ] as const)("answers %s over IPv%d from the zone", async (name, family, expected) => {
    expect(await resolve(WELL, name, family)).toEqual(expected);
  });

  it.each([
    ["nxdomain", "ENOTFOUND"],
    ["servfail", "ESERVFAIL"],
    ["refused", "EREFUSED"],
    ["silent", "ETIMEOUT"],
    ["nodata", "ENODATA"],
    ["garbage", "EBADRESP"],
    ["drift", ["192.0.2.80"]],
  ] as const)("in mode %s tells the client it is set for %s, and others the truth", async (mode, expected) => {
    set(mode);
    expect(await resolve(ILL, "omni.lab.test", 4)).toEqual(expected);
    expect(await resolve(WELL, "omni.lab.test", 4)).toEqual(["10.99.0.1"]);
  });

  it("drifts in both families", async () => {
    set("drift");
    expect(await resolve(ILL, "omni.lab.test", 6)).toEqual(["2001:db8::80"]);
  });

  it("limits a mode to the names it is set for", async () => {
    set("nxdomain", ["Omni.lab.test."]);
    expect(await resolve(ILL, "omni.lab.test", 4)).toBe("ENOTFOUND");
    expect(await resolve(ILL, "ghcr.io", 4)).toEqual(["10.99.0.1"]);
  });

  it("answers over TCP what it answers over UDP, several questions a connection and in pieces", async () => {
    const socket = connect({ host: HOST, port: server.port });
    await once(socket, "connect");
    const framed = Buffer.concat([Buffer.from([0, QUESTION.length]), QUESTION]);
    socket.write(Buffer.concat([framed, framed.subarray(0, 7)]));
    socket.write(framed.subarray(7));
    let bytes = Buffer.alloc(0);
    const expected = answerQuestion(read(QUESTION), "ok", zone, drift) ?? Buffer.alloc(0);
    const size = 2 + expected.length;
    for await (const chunk of socket) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      if (bytes.length >= 2 * size) break;
    }
    expect([bytes.subarray(2, size), bytes.subarray(size + 2)]).toEqual([expected, expected]);
  });

  it("survives messages that are no query", async () => {
    const socket = createSocket("udp4");
    for (const text of ["", "00", "ff".repeat(40), "1234010000010000000000003f"]) {
      socket.send(Buffer.from(text, "hex"), server.port, HOST);
    }
    expect(await resolve(WELL, "omni.lab.test", 4)).toEqual(["10.99.0.1"]);
    socket.close();
  });
});

function read(message: Buffer) {
  const question = readQuestion(message);
  if (question === undefined) throw new Error("no question");
  return question;
}

describe("a DNS answer", () => {
  it("repeats the question with its letter case", () => {
    const answer = answerQuestion(read(QUESTION), "ok", zone, drift);
    expect(answer?.subarray(12, QUESTION.length)).toEqual(QUESTION.subarray(12));
    expect(answer?.subarray(-4)).toEqual(Buffer.from([10, 99, 0, 1]));
  });

  it("is given or not, but never thrown, whatever comes", () => {
    const modes = fc.constantFrom(...(Object.keys(MODES.dns) as ServiceMode<"dns">[]));
    const messages = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.uint8Array({ maxLength: 60 }).map((tail) => Buffer.concat([QUESTION.subarray(0, 12), tail])),
    );
    fc.assert(
      fc.property(messages, modes, (message, mode) => {
        const question = readQuestion(Buffer.from(message));
        if (question !== undefined) answerQuestion(question, mode, zone, drift);
      }),
    );
  });

  it.each([
    ["10.99.0.1", "0a630001"],
    ["::", "00".repeat(16)],
    ["::1", `${"00".repeat(15)}01`],
    ["fd00::1:2", `fd00${"0000".repeat(5)}00010002`],
    ["2001:db8:1:2:3:4:5:6", "20010db8000100020003000400050006"],
    ["::ffff:10.0.0.1", `${"00".repeat(10)}ffff0a000001`],
  ])("carries %s as its bytes", (address, hex) => {
    expect(addressBytes(address).toString("hex")).toBe(hex);
  });
});
