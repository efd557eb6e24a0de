/** Attacks from a whole IPv6 network, which gives the attacker any number of source addresses. */
import { randomBytes } from "node:crypto";
import { makeKeyPair, signingRequestDer } from "@lifeline/identity";
import { type Attack, outcomeOf } from "../attack.ts";
import { floodText } from "../flood.ts";
import { field, framed } from "../message-bytes.ts";
import { NETWORK_ADDRESSES } from "../network-namespace.ts";
import { floodAttack } from "../play-flood.ts";
import { guess } from "./guess.ts";
import { ENROL } from "./method-paths.ts";
import { refusalOf, said } from "./refusal.ts";

const [HOST = ""] = NETWORK_ADDRESSES;
const ADDRESSES = 20;
const ATTEMPTS = 400;

export const networking: readonly Attack[] = [
  {
    name: "enrolment-from-one-network",
    position: "port",
    tries: `guesses the secret of a token ${ATTEMPTS} times from ${ADDRESSES} addresses of one IPv6 /64`,
    needsNetwork: true,
    async run(testBed) {
      const [id] = (await testBed.token()).split(".");
      const requests = Array.from({ length: ATTEMPTS }, () => {
        // A new key each time, because each key has a limit too.
        const certificateRequest = signingRequestDer(makeKeyPair().privateKeyPem, "guess-2");
        const guess = `${id}.${randomBytes(32).toString("base64url")}`;
        const message = Buffer.concat([field(1, guess), field(2, certificateRequest)]);
        return { path: ENROL, body: framed(message).toString("base64"), ends: true };
      });
      const traffic = { kind: "calls", streams: 1, requests } as const;
      const sources = NETWORK_ADDRESSES.slice(0, ADDRESSES);
      const basics = { host: HOST, sources, connections: ADDRESSES, again: true, start: { kind: "tls" } } as const;
      const { account, triedMax } = await guess(testBed, { ...basics, traffic, least: { statuses: { 16: 1 } } });
      const elsewhere = await refusalOf(testBed.node("elsewhere-1"));
      const tried = account.statuses["16"] ?? 0;
      return outcomeOf(
        [
          `${floodText(account)}; ${tried} tried, want at most ${triedMax}`,
          tried > 0 && tried <= triedMax && account.statuses["0"] === undefined,
        ],
        [`from another address meanwhile: ${said(elsewhere)}`, elsewhere === "OK"],
      );
    },
  },
  floodAttack({
    name: "handshakes-of-one-network",
    tries: `starts handshakes over and over from ${NETWORK_ADDRESSES.length} addresses of one IPv6 /64`,
    needsNetwork: true,
    job: {
      host: HOST,
      sources: NETWORK_ADDRESSES,
      connections: 512,
      perSecond: 2_000,
      start: { kind: "client-hello", leaves: true },
    },
  }),
];
