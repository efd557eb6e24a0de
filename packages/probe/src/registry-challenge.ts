/**
 * The challenge of a registry, and the anonymous token that answers it (distribution specification, token
 * authentication; RFC 6750). The token goes to the registry that asked for it and nowhere else (S1).
 */
import { matchesHost, type Target, type Trust } from "@lifeline/measure";
import { headerOf, type ResponseHeaders } from "./exchange.ts";
import { emptyTrace } from "./probe-result.ts";
import { type RegistryAnswer, RegistrySession } from "./registry-session.ts";
import type { ProbeWorld } from "./world.ts";

/** Most characters of a challenge that are read: the header of a large realm has some 300. */
const CHALLENGE_MAX_CHARS = 2_048;

/** A token as a header can hold it. */
const TOKEN = /^[\x21-\x7e]{1,12288}$/;

/** Where a token is given, and for which service. */
export interface BearerChallenge {
  readonly realm: URL;
  readonly service: string | undefined;
}

/** Reads `Bearer realm="…",service="…"`; undefined: it is another challenge, or has no realm that can be read. */
export function readBearer(headers: ResponseHeaders): BearerChallenge | undefined {
  const text = headerOf(headers, "www-authenticate")?.slice(0, CHALLENGE_MAX_CHARS) ?? "";
  if (!/^bearer\s/i.test(text)) return undefined;
  const realm = URL.parse(parameterOf(text, "realm") ?? "");
  return realm === null ? undefined : { realm, service: parameterOf(text, "service") };
}

function parameterOf(text: string, name: string): string | undefined {
  return new RegExp(`[\\s,]${name}="([^"]*)"`, "i").exec(text)?.[1];
}

/** Whether a token may be asked for there: https on its own port, at the registry itself or a documented host. */
export function isAllowedRealm({ realm }: BearerChallenge, host: string, documentedHosts: readonly string[]): boolean {
  if (realm.protocol !== "https:" || realm.port !== "" || realm.username !== "" || realm.password !== "") return false;
  return [host, ...documentedHosts].some((pattern) => matchesHost(pattern, realm.hostname));
}

/**
 * Fetches an anonymous token that may pull `repository`. An answer: another status than 200, or how the request ended
 * without one. Undefined: an answer that holds no token.
 */
export async function fetchToken(
  world: ProbeWorld,
  target: Target,
  trust: Trust | undefined,
  { realm, service }: BearerChallenge,
  repository: string,
): Promise<string | RegistryAnswer | undefined> {
  const session = new RegistrySession(
    world,
    { ...target, host: realm.hostname, port: 443 },
    trust ?? { kind: "public" },
    emptyTrace(),
  );
  const query = new URLSearchParams(service === undefined ? [] : [["service", service]]);
  query.append("scope", `repository:${repository}:pull`);
  try {
    const answer = await session.request({ method: "GET", path: `${realm.pathname}?${query}` });
    return answer.kind === "answer" && answer.status === 200 ? tokenIn(answer.body) : answer;
  } finally {
    session.close();
  }
}

function tokenIn(body: string): string | undefined {
  try {
    const { token, access_token: accessToken } = JSON.parse(body) as Readonly<Record<string, unknown>>;
    const given = token ?? accessToken;
    return typeof given === "string" && TOKEN.test(given) ? given : undefined;
  } catch {
    return undefined;
  }
}
