import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import { systemClock } from "@lifeline/measure";
import { listen, RpcStatus, ServerCredentials } from "@lifeline/rpc";
import { createLog } from "@lifeline/settings";
import { afterEach, describe, expect, it } from "vitest";
import { scratch, until, WAIT_MAX_MS } from "../testing/fixtures.ts";
import { bytesAt } from "./message.ts";
import { TalosWatch } from "./view.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

/** A field of bytes of any length. */
function field(number: number, value: Uint8Array | string): Buffer {
  const content = Buffer.from(value);
  const varint = (rest: number): number[] => (rest < 0x80 ? [rest] : [(rest & 0x7f) | 0x80, ...varint(rest >> 7)]);
  return Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(content.length)]), content]);
}

const resource = (spec: Uint8Array) => field(1, Buffer.concat([field(1, field(3, "id")), field(2, field(1, spec))]));
const status = resource(Buffer.concat([field(1, "omni.example:8090"), Buffer.from([0x10, 1])]));
const peer = Buffer.concat([field(1, "PUBLIC"), field(2, "SECRET"), field(3, "192.0.2.7:51820")]);
const link = resource(
  Buffer.concat([field(11, "wireguard"), field(29, Buffer.concat([field(1, "SECRET"), field(5, peer)]))]),
);

type Answer = Uint8Array | { readonly code: number } | "stall";

/** Machined's socket, which answers each type of resource as the test says. */
async function machined(answer: (type: string) => Answer) {
  const socketPath = join(scratch().path, "machine.sock");
  const roles: string[] = [];
  const types: string[] = [];
  // A plain grpc-js server: machined has none of our limits.
  const server = new Server();
  const raw = (bytes: Buffer) => bytes;
  server.addService(
    {
      Get: {
        path: "/cosi.resource.State/Get",
        requestStream: false,
        responseStream: false,
        requestSerialize: raw,
        requestDeserialize: raw,
        responseSerialize: raw,
        responseDeserialize: raw,
      },
    },
    {
      Get: (
        call: { request: Buffer; metadata: { get(name: string): unknown[] } },
        done: (...args: unknown[]) => void,
      ) => {
        const type = Buffer.from(bytesAt(call.request, 2) ?? []).toString();
        roles.push(...call.metadata.get("talos-role").map(String));
        types.push(type);
        const given = answer(type);
        if (given === "stall") return;
        if (given instanceof Uint8Array) done(null, Buffer.from(given));
        else done({ code: given.code, details: "SECRET" });
      },
    } as never,
  );
  await listen(server, `unix:${socketPath}`, ServerCredentials.createInsecure());
  closers.push(() => server.forceShutdown());
  return { socketPath, roles, types };
}

function watch(socketPath: string, timeoutMs = WAIT_MAX_MS) {
  const lines: string[] = [];
  const log = createLog(systemClock, "trace", { write: (line) => lines.push(line) });
  const watching = new TalosWatch({ socketPath, clock: systemClock, log, everyMs: 20, timeoutMs });
  closers.push(() => watching.stop());
  return { watching, lines };
}

const isStatus = (type: string) => type === "SiderolinkStatuses.siderolink.talos.dev";

describe("the view of Talos", () => {
  it("comes from two resources, read as os:reader, without the keys beside them (S1)", async () => {
    const { socketPath, roles, types } = await machined((type) => (isStatus(type) ? status : link));
    const { watching, lines } = watch(socketPath);
    await until("two polls", () => watching.stats().polls >= 2);
    expect(watching.view()).toEqual({
      siderolinkHost: "omni.example:8090",
      siderolinkConnected: true,
      wireguardEndpoint: "192.0.2.7:51820",
    });
    expect(new Set(roles)).toEqual(new Set(["os:reader"]));
    expect(new Set(types)).toEqual(new Set(["SiderolinkStatuses.siderolink.talos.dev", "LinkStatuses.net.talos.dev"]));
    expect(watching.stats().failures).toBe(0);
    expect(lines).toEqual([]);
  });

  it("has only one part when Talos has one of them (M4)", async () => {
    const { socketPath } = await machined((type) => (isStatus(type) ? { code: RpcStatus.NOT_FOUND } : link));
    const { watching } = watch(socketPath);
    await until("a poll", () => watching.stats().polls >= 1);
    const view = { siderolinkHost: "", siderolinkConnected: undefined, wireguardEndpoint: "192.0.2.7:51820" };
    expect(watching.view()).toEqual(view);
    expect(watching.stats().failures).toBe(0);
  });

  it("is absent once Talos refuses; each failure is counted, and one line is logged", async () => {
    let isRefusing = false;
    const { socketPath } = await machined((type) =>
      isRefusing ? { code: RpcStatus.PERMISSION_DENIED } : isStatus(type) ? status : link,
    );
    const { watching, lines } = watch(socketPath);
    await until("a view", () => watching.view() !== undefined);
    isRefusing = true;
    await until("three failures", () => watching.stats().failures >= 3);
    expect(watching.view()).toBeUndefined();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("PERMISSION_DENIED");
    expect(lines[0]).not.toContain("SECRET");
  });

  // A stall has a short timeout, since it always expires; the answer has one that a busy machine does not reach.
  it.each([
    ["stalls", "stall", "DEADLINE_EXCEEDED", 50],
    ["answers with bytes that are no message", Uint8Array.of(0x0b), "MALFORMED", WAIT_MAX_MS],
  ] as const)("is absent while Talos %s", async (_, answer, word, timeoutMs) => {
    const { socketPath } = await machined(() => answer);
    const { watching, lines } = watch(socketPath, timeoutMs);
    await until("two failures", () => watching.stats().failures >= 2);
    expect(watching.view()).toBeUndefined();
    expect(lines[0]).toContain(word);
  });

  it("is absent without a socket, and drops a host that is not one", async () => {
    const { watching, lines } = watch(join(scratch().path, "none.sock"), 500);
    await until("a failure", () => watching.stats().failures >= 1);
    expect(watching.view()).toBeUndefined();
    expect(lines[0]).toMatch(/UNAVAILABLE|DEADLINE_EXCEEDED/);
    const odd = resource(field(1, "omni.example?jointoken=SECRET"));
    const { socketPath } = await machined((type) => (isStatus(type) ? odd : resource(Buffer.alloc(0))));
    const second = watch(socketPath);
    await until("a view", () => second.watching.view() !== undefined);
    expect(second.watching.view()).toEqual({ siderolinkHost: "", siderolinkConnected: false, wireguardEndpoint: "" });
  });
});
