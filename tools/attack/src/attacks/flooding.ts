/** By whoever reaches the port, without certificate or token: to make the collector work or hold memory. */
import { type Attack, outcomeOf } from "../attack.ts";
import { floodText } from "../flood.ts";
import type { FrameFlood } from "../http2-frames.ts";
import { emptyMessages, framed } from "../message-bytes.ts";
import { METHOD_PATHS, STREAM, WITNESS } from "./methods.ts";

/** As many as one source may hold, and one more source than honest nodes come from. */
export const SOURCES: readonly string[] = Array.from({ length: 8 }, (_, at) => `127.0.66.${at + 1}`);

const CONNECTIONS = 320;
const STREAMS = 4;

/** The largest message a stranger may send, and what it holds: empty sources, two bytes each. */
const EMPTY_SOURCES = 8_190;
const SOURCES_FIELD = 4;

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const fullRequest = base64(framed(emptyMessages(SOURCES_FIELD, EMPTY_SOURCES)));

export const flooding: readonly Attack[] = [
  {
    name: "unfinished-requests",
    position: "port",
    tries: `holds ${CONNECTIONS} connections of ${STREAMS} streams, on each a request of 16 KiB and ${EMPTY_SOURCES} messages that does not end`,
    async run(testBed) {
      const requests = [{ path: WITNESS, body: fullRequest }];
      const traffic = { kind: "calls", streams: STREAMS, requests } as const;
      const basics = { sources: SOURCES, connections: CONNECTIONS, again: false, start: { kind: "tls" } } as const;
      return outcomeOf([floodText(await testBed.flood({ ...basics, traffic })), true]);
    },
  },
  {
    name: "endless-requests",
    position: "port",
    tries: "the same on every method in turn, and whatever is ended is begun anew",
    async run(testBed) {
      const requests = METHOD_PATHS.map((path) => ({ path, body: fullRequest }));
      const traffic = { kind: "calls", streams: STREAMS, requests } as const;
      const basics = { sources: SOURCES, connections: CONNECTIONS, again: true, start: { kind: "tls" } } as const;
      return outcomeOf([floodText(await testBed.flood({ ...basics, traffic })), true]);
    },
  },
  {
    name: "trickled-requests",
    position: "port",
    tries: "sends the head of a message on every method, and one byte of it ten times a second",
    async run(testBed) {
      const head = Buffer.from([0, 0, 0, 0x40, 0]);
      const more = { bytes: base64(Buffer.from([8])), everyMs: 100 };
      const requests = METHOD_PATHS.map((path) => ({ path, body: base64(head), more }));
      const traffic = { kind: "calls", streams: STREAMS, requests } as const;
      const basics = { sources: SOURCES, connections: CONNECTIONS, again: false, start: { kind: "tls" } } as const;
      return outcomeOf([floodText(await testBed.flood({ ...basics, traffic })), true]);
    },
  },
  {
    name: "unread-answers",
    position: "port",
    tries: "asks for the authority without end, and reads no answer",
    async run(testBed) {
      const requests = [
        { path: "/lifeline.v1.EnrolService/GetAuthority", body: base64(framed(new Uint8Array())), ends: true },
      ];
      const traffic = { kind: "calls", streams: 100, requests, reads: false } as const;
      const basics = { sources: SOURCES, connections: CONNECTIONS, again: true, start: { kind: "tls" } } as const;
      return outcomeOf([floodText(await testBed.flood({ ...basics, traffic })), true]);
    },
  },
  {
    name: "stranger-reports",
    position: "port",
    tries: "opens report streams without a certificate and writes to them as fast as they take it",
    async run(testBed) {
      const requests = [{ path: STREAM, more: { bytes: fullRequest } }];
      const traffic = { kind: "calls", streams: STREAMS, requests } as const;
      const basics = { sources: SOURCES, connections: 64, again: true, start: { kind: "tls" } } as const;
      return outcomeOf([floodText(await testBed.flood({ ...basics, traffic })), true]);
    },
  },
  ...frameFloods(),
];

/** Frames that cost the sender little; those of RFC 9113 §10.5, and of CVE-2023-44487 and CVE-2024-27983. */
function frameFloods(): readonly Attack[] {
  const floods: readonly [name: string, flood: FrameFlood, reads: boolean, tries: string][] = [
    ["rapid-reset", "rapid-reset", true, "opens streams and resets them at once, without end"],
    ["header-flood", "headers", true, "opens streams without end, each with 8 KiB of header fields"],
    ["continuation-flood", "continuation", true, "sends a header that does not end"],
    ["settings-flood", "settings", false, "sends settings without end, and reads no acknowledgement"],
    ["ping-flood", "ping", false, "sends pings without end, and reads no answer"],
    ["empty-frames", "empty-data", true, "sends frames of no data without end"],
  ];
  return floods.map(([name, flood, reads, tries]) => ({
    name,
    position: "port",
    tries,
    async run(testBed) {
      const traffic = { kind: "frames", flood, reads } as const;
      const basics = { sources: SOURCES, connections: 32, again: true, start: { kind: "tls" } } as const;
      return outcomeOf([floodText(await testBed.flood({ ...basics, traffic })), true]);
    },
  }));
}
