/** Attacks by an authenticated client: small messages that decode into many objects. */
import { randomBytes } from "node:crypto";
import { makeKeyPair, openFleetCa, type Role } from "@lifeline/identity";
import { type Attack, outcomeOf } from "../attack.ts";
import { floodText } from "../flood.ts";
import { emptyMessages, framed } from "../message-bytes.ts";
import { SOURCES } from "../play-flood.ts";
import type { TestBed } from "../test-bed.ts";
import { METHOD_PATHS, WITNESS } from "./method-paths.ts";

const HOUR_MS = 3_600_000;

/** Two bytes each: as many as a message of 4 MiB holds. */
const EMPTY = 2_000_000;

/** Report.windows, WitnessRequest.sources. */
const WINDOWS_FIELD = 3;
const SOURCES_FIELD = 4;

/** How often a node sends such a report again. */
const TIMES = 5;

/** The start of a group (protobuf wire type 3) that is not known: each nests in the one before. */
const GROUP_START = 0x7b;

/** A certificate of a role, as an administrator would have issued it. */
export async function roleCertificate(testBed: TestBed, role: Role) {
  const { caPem, caKeyPem } = testBed.collector;
  const ca = await openFleetCa(caPem, caKeyPem, randomBytes);
  const { publicKeyDer, privateKeyPem: keyPem } = makeKeyPair();
  const times = { nowMs: testBed.clock.wallMs(), lifetimeMs: HOUR_MS };
  const { pem: certPem } = await ca.issueRole({ name: "greedy", role, publicKeyDer, ...times });
  return { certPem, keyPem };
}

/** Sends a request of 4 MiB to each method in `paths`, with a certificate of `role`. */
async function sendLarge(testBed: TestBed, role: Role, paths: readonly string[], message: Uint8Array) {
  const start = { kind: "tls", ...(await roleCertificate(testBed, role)) } as const;
  const requests = paths.map((path) => ({ path, body: framed(message).toString("base64"), ends: true }));
  const traffic = { kind: "calls", streams: 1, requests } as const;
  const account = await testBed.flood({
    sources: SOURCES.slice(0, 1),
    connections: 1,
    again: true,
    start,
    traffic,
    least: { calls: 2 },
  });
  const isRefused = account.statuses["0"] === undefined && account.statuses["none"] === undefined;
  return outcomeOf([floodText(account), isRefused && account.calls > 1]);
}

export const counting: readonly Attack[] = [
  {
    name: "empty-windows",
    position: "node",
    tries: `sends a report of ${EMPTY} empty windows, ${TIMES} times`,
    async run(testBed) {
      const stream = await testBed.openStream(testBed.client(await testBed.node("empty-1")), "empty-1");
      const bytes = emptyMessages(WINDOWS_FIELD, EMPTY);
      for (let sequence = 1; sequence <= TIMES; sequence += 1) await stream.report(sequence, { bytes });
      await stream.report(TIMES + 1);
      const { acked, refused } = await stream.answered(TIMES + 1);
      return outcomeOf([
        `${refused.length} of ${TIMES} refused (${[...new Set(refused)].join(", ")}), ${acked} of 1 that is right acknowledged`,
        refused.length === TIMES && acked === 1,
      ]);
    },
  },
  {
    name: "empty-sources",
    position: "port",
    tries: `reports ${EMPTY} empty sources with a witness's certificate, over and over`,
    run: (testBed) => sendLarge(testBed, "witness", [WITNESS], emptyMessages(SOURCES_FIELD, EMPTY)),
  },
  {
    name: "nested-groups",
    position: "port",
    tries: "calls every method with an administrator's certificate and 4 MB of nested groups",
    run: (testBed) => sendLarge(testBed, "admin", METHOD_PATHS, Buffer.alloc(2 * EMPTY, GROUP_START)),
  },
];
