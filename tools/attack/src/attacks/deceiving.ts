/** Attacks by a false collector that holds the CA's key: crash the agent, or make it measure without limit. */
import { randomBytes } from "node:crypto";
import { createSecureServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { Relay } from "@lifeline/harness";
import { makeKeyPair, openFleetCa } from "@lifeline/identity";
import { pause } from "@lifeline/measure";
import { type Attack, outcomeOf } from "../attack.ts";
import { emptyMessages, field, framed, numberField } from "../message-bytes.ts";
import { peakRssMbOf } from "../meter.ts";
import { within } from "../poll.ts";
import type { TestBed } from "../test-bed.ts";

const HOUR_MS = 3_600_000;

/** Two bytes each: as many as a message of 4 MiB holds. */
const EMPTY = 2_000_000;

/** What an agent may hold while it is lied to, MB. */
const AGENT_MAX_MB = 150;

/** StreamResponse.plan and its targets, StreamResponse.ack and its reports. */
const EMPTY_TARGETS = framed(field(1, emptyMessages(3, EMPTY)));
const EMPTY_KEYS = framed(field(2, emptyMessages(1, EMPTY)));

/** A target that is right but for its options: requirement, host, port, IPv4, cadence and timeout. */
const target = (options: Buffer) =>
  Buffer.concat([
    field(1, "lied"),
    field(2, "127.0.0.1"),
    ...[9, 4, 1_000, 1_000].map((value, at) => numberField(3 + at, value)),
    options,
  ]);

/**
 * Each fails at every attempt, if it is begun at all: a path with a space, an ALPN name of 400 bytes, where 255 are the
 * most (RFC 7301).
 */
const UNUSABLE = [
  target(field(9, Buffer.concat([field(2, "GET"), field(3, "/a b"), field(4, "1.1")]))),
  target(field(8, Buffer.concat([field(1, numberField(1, 1)), field(2, "é".repeat(200))]))),
].map((one) => framed(field(1, Buffer.concat([field(1, "0123456789abcdef"), field(3, one)]))));

/** A collector that answers every stream with those messages. */
async function lie(testBed: TestBed, messages: readonly Buffer[]) {
  const { caPem, caKeyPem } = testBed.collector;
  const ca = await openFleetCa(caPem, caKeyPem, randomBytes);
  const { publicKeyDer, privateKeyPem: key } = makeKeyPair();
  const times = { nowMs: testBed.clock.wallMs(), lifetimeMs: HOUR_MS };
  const { pem: cert } = await ca.issueServer({ publicKeyDer, names: ["127.0.0.1"], ...times });
  const server = createSecureServer({ cert, key, minVersion: "TLSv1.3" });
  let streams = 0;
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream) => {
    streams += 1;
    stream.on("error", () => {}).resume();
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    for (const message of messages) stream.write(message);
  });
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
  return { port: (server.address() as AddressInfo).port, streams: () => streams, close: () => server.close() };
}

/** Messages of a false collector, and what the agent logs when it has refused them. */
interface Lie {
  readonly messages: readonly Buffer[];
  readonly refusal: RegExp;
}

/** Enrols an agent, connects it to a collector that sends those messages, and returns the result. */
async function deceive(testBed: TestBed, nodeId: string, { messages, refusal }: Lie) {
  const liar = await lie(testBed, messages);
  const relay = await Relay.open(testBed.clock);
  const via = `127.0.0.1:${relay.port}`;
  const token = await testBed.token();
  relay.target(testBed.port);
  const enrolling = testBed.agent(nodeId, via, token);
  await within(testBed.clock, () => enrolling.output().includes('"connected"'));
  await enrolling.kill();
  relay.target(liar.port);
  const agent = testBed.agent(nodeId, via, token, { measuresNothing: false });
  const { pid } = agent;
  const hasRefused = await within(testBed.clock, () => refusal.test(agent.output()));
  await pause(testBed.clock, testBed.seconds * 1_000);
  const isSame = pid !== undefined && agent.pid === pid;
  const peakMb = Math.round(isSame ? (peakRssMbOf(pid) ?? 0) : 0);
  await agent.kill();
  liar.close();
  await relay.close();
  return { isSame, peakMb, hasRefused, streams: liar.streams(), log: agent.output() };
}

function lying(name: string, tries: string, lie: Lie): Attack {
  return {
    name,
    position: "anywhere",
    tries,
    async run(testBed) {
      const { isSame, peakMb, hasRefused, streams, log } = await deceive(testBed, `${name}-1`, lie);
      const isMeasuring = log.includes('"plan applied"');
      return outcomeOf(
        [
          `${streams} streams of the agent got false messages, and it ${isSame ? "still runs" : "exited"}`,
          isSame && streams > 0,
        ],
        [`it ${hasRefused ? "has" : "has not"} refused them`, hasRefused],
        [`it held at most ${peakMb} MB`, peakMb < AGENT_MAX_MB],
        [`it ${isMeasuring ? "runs" : "does not run"} the false plan`, !isMeasuring],
      );
    },
  };
}

export const deceiving: readonly Attack[] = [
  lying("empty-targets", `hands an agent a plan of ${EMPTY} empty targets`, {
    messages: [EMPTY_TARGETS],
    refusal: /plan\.targets: got/,
  }),
  lying("empty-keys", `acknowledges ${EMPTY} reports without a key to an agent`, {
    messages: [EMPTY_KEYS],
    refusal: /ack\.reports: got/,
  }),
  lying("unusable-plan", "hands an agent a plan of a path with a space and of an ALPN name that is too long", {
    messages: UNUSABLE,
    refusal: /http\.path[\s\S]*tls\.alpn/,
  }),
];
