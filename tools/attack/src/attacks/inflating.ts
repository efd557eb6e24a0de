/** Attacks by a client that can reach the port: requests that are small on the wire and large when decompressed. */
import { deflateSync, gzipSync } from "node:zlib";
import { type Attack, outcomeOf } from "../attack.ts";
import { floodText } from "../flood.ts";
import { emptyMessages, field, framed } from "../message-bytes.ts";
import { SOURCES } from "../play-flood.ts";
import { ENROL, STREAM, WITNESS } from "./method-paths.ts";

/** Messages in one write, and what each inflates to: as much as an unauthenticated client's message may have. */
const MESSAGES = 356;
const INFLATED_BYTES = 16_380;

/**
 * How calls are counted that were open when their connection ended: the collector ends one whose requests become too
 * many bytes. Where Node learns of the reset first, it gives them CANCEL or INTERNAL_ERROR (RFC 9113 §7).
 */
const UNFINISHED = ["cut", "reset 8", "reset 2"];

/** Between two calls of one connection. */
const PAUSE_MS = 500;

const COMPRESSIONS = { deflate: deflateSync, gzip: gzipSync } as const;

function inflating(name: string, encoding: keyof typeof COMPRESSIONS, path: string, message: Uint8Array): Attack {
  const small = framed(COMPRESSIONS[encoding](message, { level: 9 }), true);
  const bytes = Buffer.concat(Array.from({ length: MESSAGES }, () => small)).toString("base64");
  return {
    name,
    position: "port",
    tries: `sends ${path.slice(1)} ${MESSAGES} messages in a write that inflate (${encoding}) to 16 KiB each`,
    async run(testBed) {
      const requests = [{ path, headers: { "grpc-encoding": encoding }, body: bytes }];
      const traffic = { kind: "calls", streams: 1, pauseMs: PAUSE_MS, requests } as const;
      const basics = { sources: SOURCES.slice(0, 1), connections: 1, again: true, start: { kind: "tls" } } as const;
      const account = await testBed.flood({ ...basics, traffic, least: { statuses: { 12: 1 } } });
      // UNIMPLEMENTED is what gRPC has for an encoding that is not supported ("gRPC Compression").
      const { 12: refused = 0, ...others } = account.statuses;
      const unfinished = UNFINISHED.reduce((sum, status) => sum + (others[status] ?? 0), 0);
      const areUnfinished = Object.keys(others).every((status) => UNFINISHED.includes(status));
      return outcomeOf([floodText(account), refused > unfinished && areUnfinished]);
    },
  };
}

export const inflatingRequests: readonly Attack[] = [
  inflating("inflated-witness", "deflate", WITNESS, emptyMessages(4, INFLATED_BYTES / 2)),
  inflating("inflated-enrolment", "gzip", ENROL, field(1, Buffer.alloc(INFLATED_BYTES - 8, "a"))),
  inflating("inflated-reports", "deflate", STREAM, field(2, emptyMessages(3, INFLATED_BYTES / 2 - 8))),
];
