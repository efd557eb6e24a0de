/** Attacks by a client that can reach the port: make the collector work before authentication. */

import { HANDSHAKE_TIMEOUT_MS, WAITING_PER_SOURCE_MAX } from "@lifeline/rpc";
import type { Attack } from "../attack.ts";
import { longChain, selfSigned } from "../certificate-chain.ts";
import { playFlood } from "../play-flood.ts";
import { SOURCES } from "./flooding.ts";

const CHAIN_CERTIFICATES = 96;
const CHAINS_PER_SECOND = 24;
const HANDSHAKES_PER_SECOND = 2_000;
const IDLE = 10_000;

/** Twelve: the deadline of a first byte and of a handshake, and two for the flood to begin. */
const PAST_DEADLINE_S = HANDSHAKE_TIMEOUT_MS / 1_000 + 2;

/** What {@link IDLE} connections take to begin, and more where the machine is busy, s. */
const IDLE_BEGUN_WITHIN_S = 3;

export const handshaking: readonly Attack[] = [
  {
    name: "long-chains",
    position: "port",
    tries: `shows a chain of ${CHAIN_CERTIFICATES} certificates of a slow curve, ${CHAINS_PER_SECOND} times a second`,
    async run(testBed) {
      const start = { kind: "tls", leaves: true, ...longChain(CHAIN_CERTIFICATES, testBed.clock.wallMs()) } as const;
      const pace = { connections: 64, perSecond: CHAINS_PER_SECOND, again: true };
      return playFlood(testBed, { sources: SOURCES, ...pace, start }, { ended: 1 });
    },
  },
  {
    name: "odd-curve",
    position: "port",
    tries: "shows a certificate of its own making whose key is on a curve that Node has no name for",
    async run(testBed) {
      const start = { kind: "tls", leaves: true, ...selfSigned("brainpoolP512r1", testBed.clock.wallMs()) } as const;
      return playFlood(testBed, { sources: SOURCES, connections: 4, perSecond: 4, again: true, start });
    },
  },
  {
    name: "handshake-flood",
    position: "port",
    tries: `starts ${HANDSHAKES_PER_SECOND} handshakes a second and closes each when it is answered`,
    async run(testBed) {
      const start = { kind: "client-hello", leaves: true } as const;
      const pace = { connections: 512, perSecond: HANDSHAKES_PER_SECOND, again: true };
      return playFlood(testBed, { sources: SOURCES, ...pace, start });
    },
  },
  {
    name: "handshakes-of-many",
    position: "port",
    tries: `the same from ${250} sources`,
    async run(testBed) {
      const start = { kind: "client-hello", leaves: true } as const;
      const sources = Array.from({ length: 250 }, (_, at) => `127.0.67.${at + 1}`);
      const pace = { connections: 512, perSecond: HANDSHAKES_PER_SECOND, again: true };
      return playFlood(testBed, { sources, ...pace, start });
    },
  },
  {
    name: "half-handshakes",
    leastSeconds: PAST_DEADLINE_S,
    position: "port",
    tries: "starts handshakes and never continues them",
    async run(testBed) {
      const start = { kind: "client-hello", leaves: false } as const;
      const pace = { connections: 2_000, perSecond: HANDSHAKES_PER_SECOND, again: true };
      return playFlood(testBed, { sources: SOURCES, ...pace, start }, { established: 0, ended: 1 });
    },
  },
  {
    name: "idle-connections",
    leastSeconds: IDLE_BEGUN_WITHIN_S + PAST_DEADLINE_S,
    position: "port",
    tries: `opens ${IDLE} connections from one address and sends nothing on them`,
    async run(testBed) {
      const pace = { connections: IDLE, perSecond: 5_000, again: false };
      const start = { kind: "tcp" } as const;
      // The source holds so many at once: what is ended beyond the others is ended for its deadline.
      return playFlood(
        testBed,
        { sources: SOURCES.slice(0, 1), ...pace, start },
        {
          ended: IDLE - WAITING_PER_SOURCE_MAX + 1,
        },
      );
    },
  },
  {
    name: "idle-node",
    position: "node",
    tries: `opens ${IDLE} connections with one node's certificate and sends nothing on them`,
    async run(testBed) {
      const { certPem, keys } = await testBed.node("idle-1");
      const start = { kind: "tls", certPem, keyPem: keys.privateKeyPem } as const;
      const pace = { connections: IDLE, perSecond: 5_000, again: false };
      return playFlood(testBed, { sources: SOURCES.slice(0, 1), ...pace, start });
    },
  },
];
