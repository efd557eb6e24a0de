/** Attacks by a client that can reach the port: make the collector work before authentication. */

import { HANDSHAKE_TIMEOUT_MS, WAITING_PER_SOURCE_MAX } from "@lifeline/rpc";
import type { Attack } from "../attack.ts";
import { longChain, selfSigned } from "../certificate-chain.ts";
import { floodAttack, playFlood, SOURCES } from "../play-flood.ts";

const CHAIN_CERTIFICATES = 96;
const CHAINS_PER_SECOND = 24;
const HANDSHAKES_PER_SECOND = 2_000;
const IDLE = 10_000;
const MANY_SOURCES = Array.from({ length: 250 }, (_, at) => `127.0.67.${at + 1}`);

/** Twelve: the deadline of a first byte and of a handshake, and two for the flood to begin. */
const PAST_DEADLINE_S = HANDSHAKE_TIMEOUT_MS / 1_000 + 2;

/** What {@link IDLE} connections take to begin, and more where the machine is busy, s. */
const IDLE_BEGUN_WITHIN_S = 3;

const UNTIL_ANSWERED = { kind: "client-hello", leaves: true } as const;

export const handshaking: readonly Attack[] = [
  floodAttack({
    name: "long-chains",
    tries: `shows a chain of ${CHAIN_CERTIFICATES} certificates of a slow curve, ${CHAINS_PER_SECOND} times a second`,
    job: (nowMs) => ({
      connections: 64,
      perSecond: CHAINS_PER_SECOND,
      start: { kind: "tls", leaves: true, ...longChain(CHAIN_CERTIFICATES, nowMs) },
    }),
    least: { ended: 1 },
  }),
  floodAttack({
    name: "odd-curve",
    tries: "shows a certificate of its own making whose key is on a curve that Node has no name for",
    job: (nowMs) => ({
      connections: 4,
      perSecond: 4,
      start: { kind: "tls", leaves: true, ...selfSigned("brainpoolP512r1", nowMs) },
    }),
  }),
  floodAttack({
    name: "handshake-flood",
    tries: `starts ${HANDSHAKES_PER_SECOND} handshakes a second and closes each when it is answered`,
    job: { connections: 512, perSecond: HANDSHAKES_PER_SECOND, start: UNTIL_ANSWERED },
  }),
  floodAttack({
    name: "handshakes-of-many",
    tries: `the same from ${MANY_SOURCES.length} sources`,
    job: { sources: MANY_SOURCES, connections: 512, perSecond: HANDSHAKES_PER_SECOND, start: UNTIL_ANSWERED },
  }),
  floodAttack({
    name: "half-handshakes",
    leastSeconds: PAST_DEADLINE_S,
    tries: "starts handshakes and never continues them",
    job: { connections: 2_000, perSecond: HANDSHAKES_PER_SECOND, start: { kind: "client-hello", leaves: false } },
    least: { established: 0, ended: 1 },
  }),
  floodAttack({
    name: "idle-connections",
    leastSeconds: IDLE_BEGUN_WITHIN_S + PAST_DEADLINE_S,
    tries: `opens ${IDLE} connections from one address and sends nothing on them`,
    job: { sources: SOURCES.slice(0, 1), connections: IDLE, perSecond: 5_000, again: false, start: { kind: "tcp" } },
    // The source holds so many at once: what is ended beyond the others is ended for its deadline.
    least: { ended: IDLE - WAITING_PER_SOURCE_MAX + 1 },
  }),
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
