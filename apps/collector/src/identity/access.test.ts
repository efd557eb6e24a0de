import { manualClock } from "@lifeline/measure";
import { type Caller, type ClientCertificate, type Connection, RpcError, RpcStatus } from "@lifeline/rpc";
import { describe, expect, it } from "vitest";
import { Access } from "./access.ts";
import type { TokenPrincipal } from "./access-tokens.ts";
import { ATTEMPT_EVERY_MS, ATTEMPTS_MAX } from "./attempt-limit.ts";
import type { Registry } from "./registry.ts";

const READER = "r".repeat(32);
const ADMIN = "a".repeat(32);
const PEOPLE: Readonly<Record<string, TokenPrincipal>> = {
  [READER]: { name: "grafana", role: "reader" },
  [ADMIN]: { name: "ada", role: "admin" },
};
const HERE = "192.0.2.1:4711";

/** Access for two token holders; `looked` counts token look-ups. */
function door() {
  const refused: string[] = [];
  const looked: string[] = [];
  const clock = manualClock(0);
  const access = new Access({
    isSecure: true,
    tokens: {
      isEmpty: false,
      principalOf(token) {
        looked.push(token);
        return PEOPLE[token];
      },
    },
    registry: { isRevoked: () => false } as unknown as Registry,
    clock,
    onRefused: (why) => refused.push(why),
  });
  /** The status of a reader's call; OK when it is admitted. */
  const call = (bearerToken: string | undefined, connection = connected(), peer = HERE): number => {
    try {
      access.reader({ peer, connection, bearerToken } satisfies Caller);
      return RpcStatus.OK;
    } catch (error) {
      if (error instanceof RpcError) return error.code;
      throw error;
    }
  };
  let guesses = 0;
  const guess = (connection?: Connection, peer?: string) => {
    guesses += 1;
    return call(`guess-${guesses}-${"g".repeat(32)}`, connection, peer);
  };
  return { access, call, guess, refused, looked, clock };
}

function connected(certificate?: ClientCertificate): Connection {
  return { certificate, countCall() {}, authenticate() {} };
}

const { UNAUTHENTICATED, RESOURCE_EXHAUSTED, OK } = RpcStatus;

describe("guesses of an access token", () => {
  it("are limited by source before a look-up, and do not affect other sources", () => {
    const { guess, call, refused, looked, clock } = door();
    for (let at = 0; at < ATTEMPTS_MAX; at += 1) expect(guess()).toBe(UNAUTHENTICATED);
    expect([guess(), guess()]).toEqual([RESOURCE_EXHAUSTED, RESOURCE_EXHAUSTED]);
    expect(looked).toHaveLength(ATTEMPTS_MAX);
    expect(refused.slice(-2)).toEqual(["too-many-guesses", "too-many-guesses"]);
    expect([guess(undefined, "192.0.2.2:1"), call(READER, undefined, "192.0.2.2:1")]).toEqual([UNAUTHENTICATED, OK]);
    clock.advance(ATTEMPT_EVERY_MS);
    expect([guess(), guess()]).toEqual([UNAUTHENTICATED, RESOURCE_EXHAUSTED]);
  });

  it("count an IPv6 /64 as one source", () => {
    const { guess } = door();
    const guessAt = (at: number) => guess(undefined, `[2001:db8::${at.toString(16)}]:4711`);
    for (let at = 1; at <= ATTEMPTS_MAX; at += 1) expect(guessAt(at)).toBe(UNAUTHENTICATED);
    expect(guessAt(ATTEMPTS_MAX + 1)).toBe(RESOURCE_EXHAUSTED);
  });

  it("get an error that says when to try again, and nothing about the token", () => {
    const { access, guess } = door();
    for (let at = 0; at < ATTEMPTS_MAX; at += 1) guess();
    const call = () => access.reader({ peer: HERE, connection: connected(), bearerToken: READER });
    expect(call).toThrow("token: too many unknown ones from this address; try again in 3 s");
  });

  it("are not limited when they are right", () => {
    const { call, guess } = door();
    for (let at = 0; at < 3 * ATTEMPTS_MAX; at += 1) expect(call(READER)).toBe(OK);
    expect(guess()).toBe(UNAUTHENTICATED);
  });

  it("do not lock out a connection that has proven its token, or one whose certificate has the role", () => {
    const { call, guess } = door();
    const mine = connected();
    expect(call(READER, mine)).toBe(OK);
    for (let at = 0; at <= ATTEMPTS_MAX; at += 1) guess();
    expect([call(READER, mine), call(READER)]).toEqual([OK, RESOURCE_EXHAUSTED]);
    const shown = {
      organisations: ["lifeline:reader"],
      keySha256: "00",
      notAfterMs: 1,
    } as unknown as ClientCertificate;
    expect(call(undefined, connected(shown))).toBe(OK);
  });

  it("are also limited on connections that have proven another token", () => {
    const { call, guess, looked } = door();
    const connections = Array.from({ length: 2 * ATTEMPTS_MAX }, () => connected());
    for (const connection of connections) call(READER, connection);
    looked.length = 0;
    const codes = connections.flatMap((connection) => [guess(connection), guess(connection)]);
    expect(codes.filter((code) => code === UNAUTHENTICATED)).toHaveLength(ATTEMPTS_MAX);
    expect(looked).toHaveLength(ATTEMPTS_MAX);
  });
});
