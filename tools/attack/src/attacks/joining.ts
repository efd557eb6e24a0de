/** Attacks with a join token, or without one: enrol more nodes than the token allows. */
import { randomBytes } from "node:crypto";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import { type Attack, outcomeOf } from "../attack.ts";
import { isRefusedWith, refusalOf, said } from "./refusal.ts";

/** Guesses of a token: far more than a source may have wrong at once. */
const GUESSES = 60;

/** The shortest life of a token, s, and a moment more, ms. */
const SHORTEST_S = 60;
const AFTER_IT_MS = 61_000;

export const joining: readonly Attack[] = [
  {
    name: "reuse-token",
    position: "node",
    tries: "enrols two nodes with a token for one, in turn and at once",
    async run(testBed) {
      const token = await testBed.token();
      await testBed.enrol(token, "first-1");
      const second = await refusalOf(testBed.enrol(token, "second-1"));
      const raced = await testBed.token();
      const both = await Promise.all(["race-1", "race-2", "race-3"].map((id) => refusalOf(testBed.enrol(raced, id))));
      const letIn = both.filter((outcome) => outcome === "OK").length;
      return outcomeOf(
        [`the second: ${said(second)}`, isRefusedWith(second, RpcStatus.UNAUTHENTICATED)],
        [`of three at once ${letIn} came in`, letIn === 1],
      );
    },
  },
  {
    name: "expired-token",
    position: "node",
    tries: "enrols with a token after its end",
    async run(testBed) {
      const token = await testBed.token({ lifetimeSeconds: SHORTEST_S });
      await testBed.collector.jump(AFTER_IT_MS);
      try {
        const late = await refusalOf(testBed.enrol(token, "late-1"));
        return outcomeOf([said(late), isRefusedWith(late, RpcStatus.UNAUTHENTICATED)]);
      } finally {
        await testBed.collector.jump(0);
      }
    },
  },
  {
    name: "revoked-token",
    position: "node",
    tries: "enrols with a token that was revoked",
    async run(testBed) {
      const token = await testBed.token();
      const [id = ""] = token.split(".");
      await testBed.collector.admin((client, by) => client.unary("revokeJoinToken", { id }, by));
      const refusal = await refusalOf(testBed.enrol(token, "late-2"));
      return outcomeOf([said(refusal), isRefusedWith(refusal, RpcStatus.UNAUTHENTICATED)]);
    },
  },
  {
    name: "token-for-others",
    position: "node",
    tries: "enrols under an id that the token is not for",
    async run(testBed) {
      const refusal = await refusalOf(testBed.enrol(await testBed.token({ nodePattern: "rack-7-*" }), "rack-8-1"));
      return outcomeOf([said(refusal), isRefusedWith(refusal, RpcStatus.PERMISSION_DENIED)]);
    },
  },
  {
    name: "ephemeral-token",
    position: "node",
    tries:
      "takes over with an ephemeral token the id of a lasting key while its node is away, and the id of an ephemeral key in use",
    async run(testBed) {
      await testBed.enrol(await testBed.token(), "lasting-1");
      const token = await testBed.token({ usesMax: 9, ephemeral: true });
      const lasting = await refusalOf(testBed.enrol(token, "lasting-1"));
      const honest = await testBed.enrol(token, "passing-1");
      const stream = await testBed.openStream(testBed.client(honest), "passing-1");
      const passing = await refusalOf(testBed.enrol(token, "passing-1"));
      await stream.report(1);
      const { acked } = await stream.answered(1);
      return outcomeOf(
        [`the one that stays: ${said(lasting)}`, isRefusedWith(lasting, RpcStatus.ALREADY_EXISTS)],
        [`the one that speaks: ${said(passing)}`, isRefusedWith(passing, RpcStatus.ALREADY_EXISTS)],
        [`it goes on: ${acked} of 1 reports acknowledged`, acked === 1],
      );
    },
  },
  {
    name: "id-by-case",
    position: "node",
    tries: "enrols under the id of another node written in capitals",
    async run(testBed) {
      const token = await testBed.token({ usesMax: 2 });
      await testBed.enrol(token, "case-1");
      const second = await refusalOf(testBed.enrol(token, "CASE-1"));
      return outcomeOf([said(second), second !== "OK"]);
    },
  },
  {
    name: "guess-token",
    position: "port",
    tries: `guesses the secret of a token whose id it knows, ${GUESSES} times at once`,
    async run(testBed) {
      const [id] = (await testBed.token()).split(".");
      const via = await testBed.from("127.0.0.77");
      const guesses = Array.from({ length: GUESSES }, () => `${id}.${randomBytes(32).toString("base64url")}`);
      const outcomes = await Promise.all(guesses.map((guess) => refusalOf(testBed.enrol(guess, "guess-1", { via }))));
      const codes = new Map<string, number>();
      for (const outcome of outcomes) {
        const word = outcome instanceof RpcError ? RpcStatus[outcome.code] : outcome;
        codes.set(word, (codes.get(word) ?? 0) + 1);
      }
      const elsewhere = await refusalOf(testBed.enrol(await testBed.token(), "honest-1"));
      const tried = codes.get("UNAUTHENTICATED") ?? 0;
      const heard = [...codes].map(([word, count]) => `${word} ${count}`).join(", ");
      return outcomeOf(
        [heard, !codes.has("OK") && tried > 0 && tried < GUESSES / 2],
        [`from another address meanwhile: ${said(elsewhere)}`, elsewhere === "OK"],
      );
    },
  },
];
