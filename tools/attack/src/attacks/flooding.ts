/**
 * Attacks by a client that can reach the port and has no certificate or token: use up the collector's CPU or memory.
 */
import { REQUEST_TIMEOUT_MS } from "@lifeline/rpc";
import { type Attack, type Claim, outcomeOf } from "../attack.ts";
import type { FloodRequest } from "../flood.ts";
import { floodOutcome } from "../flood-outcome.ts";
import type { FrameFlood } from "../http2-frames.ts";
import { emptyMessages, field, framed } from "../message-bytes.ts";
import { floodAttack, SOURCES } from "../play-flood.ts";
import { ENROL, METHOD_PATHS, STREAM, WITNESS } from "./method-paths.ts";

const CONNECTIONS = 320;
const STREAMS = 4;

/** Twelve: the deadline of a request, and two for the flood to begin. */
const PAST_DEADLINE_S = REQUEST_TIMEOUT_MS / 1_000 + 2;

/** The largest message an unauthenticated client may send, and what it holds: empty sources, two bytes each. */
const EMPTY_SOURCES = 8_190;
const SOURCES_FIELD = 4;

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const fullRequest = base64(framed(emptyMessages(SOURCES_FIELD, EMPTY_SOURCES)));
/** An enrolment without its last byte: a whole one is read and refused at once. */
const partEnrolment = base64(framed(field(1, Buffer.alloc(2 * EMPTY_SOURCES - 8, "a"))).subarray(0, -1));

/** The head of a message, and then a byte of it at a time. */
const TRICKLED = {
  body: base64(Buffer.from([0, 0, 0, 0x40, 0])),
  more: { bytes: base64(Buffer.from([8])), everyMs: 100 },
};
const CA_REQUEST = { path: "/lifeline.v1.EnrolService/GetFleetCa", body: base64(framed(new Uint8Array())), ends: true };

const TLS = { kind: "tls" } as const;
const requestsOf = (request: Omit<FloodRequest, "path">) => METHOD_PATHS.map((path) => ({ path, ...request }));
const callsOf = (requests: readonly FloodRequest[], streams = STREAMS) =>
  ({ kind: "calls", streams, requests }) as const;

export const flooding: readonly Attack[] = [
  floodAttack({
    name: "unfinished-requests",
    leastSeconds: PAST_DEADLINE_S,
    tries: `holds ${CONNECTIONS} connections of ${STREAMS} streams, on each a request of 16 KiB that does not end: a witness's of ${EMPTY_SOURCES} messages, or an enrolment`,
    job: {
      connections: CONNECTIONS,
      again: false,
      start: TLS,
      traffic: callsOf([
        { path: WITNESS, body: fullRequest },
        { path: ENROL, body: partEnrolment },
      ]),
    },
    least: { calls: 1, statuses: { 16: 1, 4: 1 } },
  }),
  floodAttack({
    name: "endless-requests",
    tries: "does the same on every method in turn, and starts again what the collector ends",
    job: { connections: CONNECTIONS, start: TLS, traffic: callsOf(requestsOf({ body: fullRequest })) },
    least: { calls: 1, statuses: { 16: 1 } },
  }),
  floodAttack({
    name: "trickled-requests",
    leastSeconds: PAST_DEADLINE_S,
    tries: "sends the head of a message to every method, then one byte of it ten times a second",
    job: { connections: CONNECTIONS, again: false, start: TLS, traffic: callsOf(requestsOf(TRICKLED)) },
    least: { calls: 1, statuses: { 16: 1, 4: 1 } },
  }),
  floodAttack({
    name: "unread-answers",
    tries: "requests the CA over and over, and reads no answer",
    job: { connections: CONNECTIONS, start: TLS, traffic: { ...callsOf([CA_REQUEST], 100), reads: false } },
    least: { calls: 1 },
  }),
  floodAttack({
    name: "unauthenticated-reports",
    tries: "opens report streams without a certificate and writes to them as fast as they take it",
    job: { connections: 64, start: TLS, traffic: callsOf([{ path: STREAM, more: { bytes: fullRequest } }]) },
    least: { ended: 1, calls: 1 },
  }),
  ...frameFloods(),
];

/** Frames that cost the sender little; those of RFC 9113 §10.5, and of CVE-2023-44487 and CVE-2024-27983. */
function frameFloods(): readonly Attack[] {
  const floods: readonly [name: string, frames: readonly FrameFlood[], reads: boolean, tries: string][] = [
    [
      "rapid-reset",
      ["rapid-reset", "unserved-reset"],
      true,
      "opens streams of a method, and of a path or content type that is not served, and resets them at once",
    ],
    ["header-flood", ["headers"], true, "opens streams without end, each with 8 KiB of header fields"],
    ["continuation-flood", ["continuation"], true, "sends a header that does not end"],
    ["settings-flood", ["settings"], false, "sends settings without end, and reads no acknowledgement"],
    ["ping-flood", ["ping"], false, "sends pings without end, and reads no answer"],
    ["empty-frames", ["empty-data"], true, "sends frames of no data without end"],
  ];
  return floods.map(([name, frames, reads, tries]) => ({
    name,
    position: "port",
    tries,
    async run(testBed) {
      const basics = { sources: SOURCES, connections: 32, again: true, start: TLS } as const;
      const claims: Claim[] = [];
      for (const flood of frames) {
        const least = { ended: 1 };
        const account = await testBed.flood({ ...basics, traffic: { kind: "frames", flood, reads }, least });
        const { outcome, observed } = floodOutcome(account, least);
        claims.push([`${flood}: ${observed}`, outcome === "held"]);
      }
      return outcomeOf(...claims);
    },
  }));
}
