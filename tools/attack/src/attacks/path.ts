/** Attacks from the network path between a node and its collector. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { TestCa } from "@lifeline/harness";
import {
  addService,
  admitAll,
  channelCredentials,
  createRpcServer,
  listenSecurely,
  RpcError,
  RpcStatus,
} from "@lifeline/rpc";
import { enrolPb, reportPb } from "@lifeline/wire";
import { type Attack, outcomeOf } from "../attack.ts";
import { within } from "../poll.ts";
import type { TestBed } from "../test-bed.ts";
import { said } from "./refusal.ts";

const HOUR_MS = 3_600_000;

async function bound(server: Server): Promise<number> {
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Everything that arrives at a listener which answers nothing. */
async function eavesdrop(): Promise<{ readonly address: string; heard(): Buffer; close(): void }> {
  const pieces: Buffer[] = [];
  const server = createServer((socket) => socket.on("error", () => {}).on("data", (bytes) => pieces.push(bytes)));
  const port = await bound(server);
  return { address: `127.0.0.1:${port}`, heard: () => Buffer.concat(pieces), close: () => server.close() };
}

/** The first byte of a TLS record that holds a handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 22;

export const path: readonly Attack[] = [
  {
    name: "downgrade-plaintext",
    position: "path",
    tries: "speaks plaintext to the collector, and offers an agent nothing but plaintext",
    async run(testBed) {
      const { first } = await testBed.openStream(channelCredentials.createInsecure(), "plain-1");
      const ear = await eavesdrop();
      const token = await testBed.token();
      const agent = testBed.agent("plain-2", ear.address, token);
      const hasGivenUp = await within(testBed.clock, () => agent.output().includes("not connected"));
      await agent.kill();
      ear.close();
      const heard = ear.heard();
      return outcomeOf(
        [`a plaintext client: ${said(first)}`, first !== "let in"],
        ["the agent says that it is not connected", hasGivenUp],
        [
          `the agent sent ${heard.length} bytes, a TLS handshake and nothing of the token`,
          heard[0] === TLS_HANDSHAKE && !heard.includes(token),
        ],
      );
    },
  },
  {
    name: "downgrade-tls",
    position: "path",
    tries: "offers TLS 1.2 to the collector, and nothing later to an agent",
    async run(testBed) {
      const offered = await new Promise<string>((settle) => {
        const options = {
          port: testBed.port,
          host: "127.0.0.1",
          maxVersion: "TLSv1.2",
          rejectUnauthorized: false,
        } as const;
        const socket = connectTls(options, () => settle(`${socket.getProtocol()}`));
        socket.on("error", () => settle("refused"));
      });
      const { pem: cert, key } = await forgedListener(testBed);
      let sessions = 0;
      const old = createTlsServer({ cert, key, maxVersion: "TLSv1.2" }, () => {
        sessions += 1;
      });
      let tried = 0;
      old.on("tlsClientError", () => {
        tried += 1;
      });
      const port = await bound(old);
      const agent = testBed.agent("old-1", `127.0.0.1:${port}`, await testBed.token());
      await within(testBed.clock, () => tried > 0);
      await agent.kill();
      old.close();
      return outcomeOf(
        [`the collector: ${offered}`, offered === "refused"],
        [`the agent: ${tried} handshakes tried, ${sessions} sessions`, tried > 0 && sessions === 0],
      );
    },
  },
  {
    name: "man-in-the-middle",
    position: "path",
    tries: "poses as the collector: shows the true CA's certificate, and a listener's of its own",
    async run(testBed) {
      const token = await testBed.token();
      const heard: string[] = [];
      const impostor = await pose(testBed, heard);
      const agent = testBed.agent("deceived-1", impostor.address, token);
      const asked = await within(testBed.clock, () => heard.includes("getFleetCa"));
      const hasGivenUp = await within(testBed.clock, () => agent.output().includes("not connected"));
      await agent.kill();
      impostor.close();
      return outcomeOf(
        [`it was asked for the CA, as anybody is`, asked],
        [
          `and received ${[...new Set(heard)].join(", ")} and nothing else`,
          heard.every((what) => what === "getFleetCa"),
        ],
        ["the agent says that it is not connected", hasGivenUp],
      );
    },
  },
  {
    name: "replay-connection",
    position: "path",
    tries: "records the bytes of a node's connection and replays them on another",
    async run(testBed) {
      const node = await testBed.enrol(await testBed.token(), "recorded-1");
      const sent: Buffer[] = [];
      const server = createServer((socket: Socket) => {
        const onward = connect(testBed.port, "127.0.0.1");
        socket.on("data", (bytes) => sent.push(bytes));
        socket.pipe(onward).pipe(socket);
        for (const each of [socket, onward]) each.on("error", () => {});
      });
      const port = await bound(server);
      const stream = await testBed.openStream(testBed.client(node), "recorded-1", { address: `127.0.0.1:${port}` });
      await stream.report(1);
      await stream.answered(1);
      stream.close();
      server.close();
      const before = await testBed.stored("recorded-1");
      const again = connect(testBed.port, "127.0.0.1");
      again.on("error", () => {});
      const closed = new Promise<void>((settle) => again.once("close", () => settle()));
      again.end(Buffer.concat(sent));
      again.resume();
      await closed;
      const after = await testBed.stored("recorded-1");
      return outcomeOf([
        `${Buffer.concat(sent).length} bytes sent again: ${before.reports} report before, ${after.reports} after, ${after.duplicates} again`,
        before.reports === 1 && after.reports === 1 && after.duplicates === 0,
      ]);
    },
  },
];

/** A listener certificate that the attacker's own CA issued. */
async function forgedListener({ clock }: TestBed) {
  const ca = await TestCa.create("forged", clock, HOUR_MS);
  const { certPem: pem, keyPem: key } = await ca.server();
  return { pem, key, caPem: ca.certPem };
}

/** A false collector: it speaks the protocol, and records every call. */
async function pose(testBed: TestBed, heard: string[]): Promise<{ readonly address: string; close(): void }> {
  const { pem, key, caPem } = await forgedListener(testBed);
  const server = createRpcServer();
  const note = (what: string) => async () => {
    heard.push(what);
    throw new RpcError(RpcStatus.UNAVAILABLE, "later");
  };
  const onDefect = (what: string) => void heard.push(what);
  const shown = Buffer.from(testBed.caPem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const getFleetCa = async () => {
    heard.push("getFleetCa");
    return { caCertificateDer: shown };
  };
  addService(
    server,
    enrolPb.EnrolService,
    { getFleetCa, enrol: note("enrol"), renew: note("renew") },
    onDefect,
    admitAll,
  );
  addService(server, reportPb.ReportService, { stream: note("stream") }, onDefect, admitAll);
  const listener = await listenSecurely(
    { authenticated: server, unauthenticated: server },
    {
      host: "127.0.0.1",
      port: 0,
      certificates: { certPem: pem, keyPem: key, clientCaPem: caPem },
      maxConnections: 100,
      clock: testBed.clock,
      onRefused() {},
    },
  );
  return {
    address: `127.0.0.1:${listener.port}`,
    close() {
      listener.close();
      server.forceShutdown();
    },
  };
}
