/** Credentials, and to whom they are sent: the command line against real TLS servers on loopback. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { manualClock } from "@lifeline/measure";
import {
  type CallContext,
  type ListenerCertificates,
  RpcError,
  RpcStatus,
  type ServerCredentials,
} from "@lifeline/rpc";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { run } from "../run.ts";
import { type Answers, MET_ROW, NOW_MS, startCollector, verdicts } from "../testing/collector.ts";
import { demandingListenerOf, listenerOf, personOf, testFleetCa } from "../testing/fleet-ca.ts";
import { runHere } from "../testing/run-cli.ts";
import { testWorld } from "../testing/world.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-credentials-"));
afterAll(() => rmSync(directory, { recursive: true }));
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const fleet = await testFleetCa();
const other = await testFleetCa("other");
const SECRET = "c2VjcmV0LXRva2Vu";

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}
const tokenFile = file("token", `${SECRET}\n`);

/** A collector that records the credentials of each call. */
async function collector(credentials?: ServerCredentials | ListenerCertificates, answers: Partial<Answers> = {}) {
  const calls: { method: string; token: string | undefined; name: string | undefined }[] = [];
  const note = (method: string, { bearerToken: token, connection }: CallContext) =>
    calls.push({ method, token, name: connection?.certificate?.commonName });
  const all: Partial<Answers> = {
    getFleetCa: async (_, context) => {
      note("getFleetCa", context);
      return { caCertificateDer: fleet.certDer };
    },
    listVerdicts: async (_, context) => {
      note("listVerdicts", context);
      return verdicts(MET_ROW);
    },
    ...answers,
  };
  const server = await startCollector(all, credentials);
  closers.push(server.stop);
  return { address: server.address, calls };
}

const QUERIED = { method: "listVerdicts", token: SECRET, name: undefined };
const CA_FETCHED = { method: "getFleetCa", token: undefined, name: undefined };

describe("a token goes with every call", () => {
  it.each([
    ["of --token-file", ["--token-file", tokenFile], {}],
    ["of LIFELINE_TOKEN_FILE", [], { LIFELINE_TOKEN_FILE: tokenFile }],
    ["of LIFELINE_TOKEN", [], { LIFELINE_TOKEN: SECRET }],
  ])("%s, to a collector on this host in plaintext too", async (_, flags, env) => {
    const { address, calls } = await collector();
    const { exitCode, err } = await runHere(["status", "--collector", address, ...flags], { env });
    expect([exitCode, err]).toEqual([0, ""]);
    expect(calls).toEqual([QUERIED]);
  });

  it.each([
    ["--allow-plaintext", ["--token-file", tokenFile], {}, "--token-file"],
    ["--allow-plaintext", [], { LIFELINE_TOKEN: SECRET }, "LIFELINE_TOKEN"],
  ])("but never in plaintext beyond this host, %s or not", async (flag, flags, env, named) => {
    // TEST-NET-1 (RFC 5737): were anything sent, it would be an error of another kind.
    const { err, exitCode } = await runHere(["status", "--collector", "192.0.2.1:9470", flag, ...flags], { env });
    expect(err).toBe(`\
error: ${named}: a token is never sent in plaintext to another host, because anybody on the path could read it
use TLS: --ca-fingerprint or --ca-file, without --allow-plaintext
`);
    expect(exitCode).toBe(2);
  });

  it("over TLS with a CA file, and not to a server of another CA", async () => {
    const caFile = file("ca.pem", fleet.certPem);
    const flags = ["--ca-file", caFile, "--token-file", tokenFile];
    const { address, calls } = await collector(await listenerOf(fleet));
    expect((await runHere(["status", "--collector", address, ...flags])).exitCode).toBe(0);
    expect(calls).toEqual([QUERIED]);
    const impostor = await collector(await listenerOf(other));
    expect((await runHere(["status", "--collector", impostor.address, ...flags])).exitCode).toBe(3);
    expect(impostor.calls).toEqual([]);
  });

  it("is read again for each frame, and the fleet CA is fetched once", async () => {
    const { address, calls } = await collector(await listenerOf(fleet));
    const path = file("replaced", "first");
    const clock = manualClock(NOW_MS);
    const abort = new AbortController();
    let frames = 0;
    const world = testWorld({
      clock,
      interrupt: abort.signal,
      onWrite: () => {
        writeFileSync(path, "second");
        frames++;
        setImmediate(() => (frames < 3 ? clock.advance(1_000) : abort.abort()));
      },
    });
    const flags = ["--collector", address, "--ca-fingerprint", fleet.fingerprint, "--token-file", path];
    await run(["status", "--watch", "--json", ...flags], world);
    expect(calls.map(({ method, token }) => `${method} ${token ?? ""}`)).toEqual([
      "getFleetCa ",
      "listVerdicts first",
      "listVerdicts second",
      "listVerdicts second",
    ]);
  });
});

describe("a fleet CA by its fingerprint", () => {
  const flags = ["--token-file", tokenFile];

  it.each([
    ["--ca-fingerprint", ["--ca-fingerprint", fleet.fingerprint], {}],
    ["--ca-fingerprint as openssl prints it", ["--ca-fingerprint", fleet.fingerprint.toUpperCase()], {}],
    ["LIFELINE_CA_FINGERPRINT", [], { LIFELINE_CA_FINGERPRINT: fleet.fingerprint }],
  ])("of %s is fetched first, without credentials; then the token is sent", async (_, caFlags, env) => {
    const { address, calls } = await collector(await listenerOf(fleet));
    const said = await runHere(["status", "--collector", address, ...caFlags, ...flags], { env });
    expect([said.exitCode, said.err]).toEqual([0, ""]);
    expect(calls).toEqual([CA_FETCHED, QUERIED]);
  });

  it("is ignored where a flag names a CA file", async () => {
    const { address, calls } = await collector(await listenerOf(fleet));
    const env = { LIFELINE_CA_FINGERPRINT: other.fingerprint };
    const caFile = file("ca.pem", fleet.certPem);
    expect((await runHere(["status", "--collector", address, "--ca-file", caFile], { env })).exitCode).toBe(0);
    expect(calls).toEqual([{ ...QUERIED, token: undefined }]);
  });

  it("sends a client certificate on the verified connection only", async () => {
    const { certPem, keyPem } = await personOf(fleet, "admin");
    const pair = ["--cert-file", file("ada.pem", certPem), "--key-file", file("ada.key", keyPem)];
    const flags = ["--ca-fingerprint", fleet.fingerprint, ...pair];
    const { address, calls } = await collector(await listenerOf(fleet));
    expect((await runHere(["status", "--collector", address, ...flags])).exitCode).toBe(0);
    expect(calls).toEqual([CA_FETCHED, { method: "listVerdicts", token: undefined, name: "ada" }]);
  });

  it("fails where the collector requires a client certificate, because first contact sends none", async () => {
    const { certPem, keyPem } = await personOf(fleet, "admin");
    const pair = ["--cert-file", file("ada.pem", certPem), "--key-file", file("ada.key", keyPem)];
    const { address, calls } = await collector(await demandingListenerOf(fleet));
    const refused = await runHere(["status", "--collector", address, "--ca-fingerprint", fleet.fingerprint, ...pair]);
    expect([refused.exitCode, calls]).toEqual([3, []]);
    expect(refused.err).toContain("admits clients without a certificate (if it requires one, use --ca-file)");
  });

  it("of another CA is refused: the error has both, and no credentials were sent", async () => {
    const { address, calls } = await collector(await listenerOf(fleet));
    const { err, out, exitCode } = await runHere([
      "status",
      "--collector",
      address,
      "--ca-fingerprint",
      other.fingerprint,
      ...flags,
    ]);
    expect(err).toBe(`\
error: the collector at ${address} has another fleet CA than --ca-fingerprint: got ${fleet.fingerprint}, want ${other.fingerprint}
no token and no certificate was sent
check: the fingerprint in the collector's log, and that this is the collector's address
`);
    expect([out, exitCode]).toEqual(["", 2]);
    expect(calls).toEqual([CA_FETCHED]);
  });

  it("that a server of another CA presents gets no token", async () => {
    const { address, calls } = await collector(await listenerOf(other));
    const said = await runHere(["status", "--collector", address, "--ca-fingerprint", fleet.fingerprint, ...flags]);
    expect(said.exitCode).toBe(3);
    expect(calls).toEqual([CA_FETCHED]);
  });

  it("does not excuse an expired certificate", async () => {
    const { address, calls } = await collector(await listenerOf(fleet, { isExpired: true }));
    const said = await runHere(["status", "--collector", address, "--ca-fingerprint", fleet.fingerprint, ...flags]);
    expect(said.err).toContain("certificate has expired");
    expect(said.err).toContain("it serves TLS 1.3, with a valid certificate for this address");
    expect(said.exitCode).toBe(3);
    expect(calls).toEqual([CA_FETCHED]);
  });

  it("is refused by a collector without a fleet CA, which says so", async () => {
    const getFleetCa = async () => {
      throw new RpcError(RpcStatus.FAILED_PRECONDITION, "this collector enrols no agents");
    };
    const { address } = await collector(await listenerOf(fleet), { getFleetCa });
    const said = await runHere(["status", "--collector", address, "--ca-fingerprint", fleet.fingerprint, ...flags]);
    expect(said.err).toBe(`error: the collector at ${address} cannot do this: this collector enrols no agents\n`);
    expect(said.exitCode).toBe(2);
  });
});

describe("behind an HTTP proxy", () => {
  it("both connections go through it, and only the collector gets the token", async () => {
    const { address, calls } = await collector(await listenerOf(fleet, { names: ["collector.example"] }));
    const connects: (string | undefined)[] = [];
    const proxy = createServer().on("connect", ({ url }, socket) => {
      connects.push(url);
      const onward = connect(Number(address.split(":")[1]), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        onward.pipe(socket).pipe(onward);
      });
      for (const each of [onward, socket]) each.on("error", () => onward.destroy());
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    closers.push(() => proxy.close());
    const main = join(import.meta.dirname, "../main.ts");
    const flags = [
      "--collector",
      "collector.example:9470",
      "--ca-fingerprint",
      fleet.fingerprint,
      "--token-file",
      tokenFile,
    ];
    const child = spawn(process.execPath, ["--conditions=lifeline:source", main, "status", ...flags], {
      env: { grpc_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const [err, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
    expect([err, code]).toEqual(["", 0]);
    expect(connects).toEqual(["collector.example:9470", "collector.example:9470"]);
    expect(calls).toEqual([CA_FETCHED, QUERIED]);
  });
});

describe("a refusal", () => {
  const refusing = (code: number, message: string): Partial<Answers> => ({
    listVerdicts: async () => {
      throw new RpcError(code, message);
    },
  });

  it("of a token names its source, and never repeats it, even if the collector does (S1)", async () => {
    const answers = refusing(RpcStatus.UNAUTHENTICATED, `unknown token ${SECRET}, want one of the list`);
    const { address } = await collector(undefined, answers);
    const said = await runHere(["status", "--collector", address, "--token-file", tokenFile]);
    expect(said.err).toBe(
      `error: the collector at ${address} does not accept the token of --token-file: unknown token [token], want one of the list\n`,
    );
    expect(said.exitCode).toBe(2);
  });

  it("for a missing role names the credentials", async () => {
    const { address } = await collector(undefined, refusing(RpcStatus.PERMISSION_DENIED, "needs the role admin"));
    const said = await runHere(["status", "--collector", address], { env: { LIFELINE_TOKEN: SECRET } });
    expect(said.err).toBe(
      `error: the collector at ${address} refuses this to the token of LIFELINE_TOKEN: needs the role admin\n`,
    );
  });
});
