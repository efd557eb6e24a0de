/**
 * Container registries (OCI distribution specification 1.1): the API answers at `/v2/`, and a public image is there.
 *
 * 1. `GET /v2/` answers 200, or 401 with a challenge. Then the image's manifest is asked for by HEAD, with an anonymous
 *    token where one is wanted. All of this is one attempt (M1).
 * 2. Clients do not need the answer to `/v2/`. So an image that is there counts, whatever `/v2/` answered.
 * 3. A redirect is recorded and not followed. It must lead to a host that the documents name.
 */
import { outcomeClassOf, type Reason, type RegistryExpectation, type Target, type Trust } from "@lifeline/measure";
import { headerOf } from "./exchange.ts";
import { isRateLimitedStatus, isUpstreamStatus, originOf, pauseOf } from "./http.ts";
import { boundedText, emptyTrace, outcome, type ProbeResult, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";
import { isDocumented, originText, redirectOrigin } from "./redirect.ts";
import { fetchToken, isAllowedRealm, readBearer } from "./registry-challenge.ts";
import { type RegistryAnswer, RegistrySession } from "./registry-session.ts";
import type { ProbeWorld } from "./world.ts";

/** Manifests as clients ask for them (OCI image specification, Docker image manifest V2). */
const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "*/*;q=0.1",
].join(", ");

type Answer = Extract<RegistryAnswer, { kind: "answer" }>;
type Ended = Extract<RegistryAnswer, { kind: "ended" }>;

/** What an answer says: how the attempt ends, or that it goes on. */
type Judged = { readonly reason: Reason } | "registry" | "doubtful";

/** Answered by a registry that has the image. */
export const probeRegistry: ProbeProtocol<"registry"> = async (target, options, world) => {
  const trace = emptyTrace();
  const session = new RegistrySession(world, target, options.trust, trace);
  try {
    return await new RegistryAttempt(world, target, options.trust, options.expect, trace, session).run();
  } finally {
    session.close();
  }
};

class RegistryAttempt {
  readonly #world: ProbeWorld;
  readonly #target: Target;
  readonly #trust: Trust | undefined;
  readonly #expect: RegistryExpectation;
  readonly #trace: Trace;
  readonly #session: RegistrySession;
  /** The origin that gives the tokens and was not asked, because no document names it. */
  #undocumented: string | undefined;
  /** The origin that gives the tokens and did not answer, and how that ended. */
  #unreachable: string | undefined;

  constructor(
    world: ProbeWorld,
    target: Target,
    trust: Trust | undefined,
    expect: RegistryExpectation,
    trace: Trace,
    session: RegistrySession,
  ) {
    this.#world = world;
    this.#target = target;
    this.#trust = trust;
    this.#expect = expect;
    this.#trace = trace;
    this.#session = session;
  }

  async run(): Promise<ProbeResult> {
    const path = apiRootOf(this.#expect.basePath);
    const root =
      path === undefined ? undefined : await this.#session.request({ method: "GET", path: this.#named(path) });
    if (root?.kind === "ended") return resultOf(this.#trace, root.outcome);
    const judged = root === undefined ? "doubtful" : this.#judgeRoot(root);
    if (typeof judged === "object") return this.#result(judged.reason);
    const { object } = this.#expect;
    if (object === undefined) return this.#result(judged === "registry" ? "answered" : "not-a-registry");
    const found = await this.#ask(object, root);
    if (found.kind === "ended") return resultOf(this.#trace, found.outcome);
    return this.#result(this.#judgeObject(found, judged === "registry"));
  }

  /** Asks for the image: without a token where none is wanted, else with an anonymous one. */
  async #ask(object: string, root: Answer | undefined): Promise<RegistryAnswer> {
    const first = root?.status === 401 ? root : await this.#head(object, {});
    if (first.kind === "ended" || first.status !== 401) return first;
    const token = await this.#tokenFor(object, first);
    if (typeof token === "object") return token;
    if (token !== undefined) return this.#head(object, { authorization: `Bearer ${token}` });
    // A registry that challenges at its root may still give public images to anybody.
    return first === root ? this.#head(object, {}) : first;
  }

  /** A token; what is to be judged instead; undefined: none is given. */
  async #tokenFor(object: string, { headers }: Answer): Promise<string | RegistryAnswer | undefined> {
    const challenge = readBearer(headers);
    if (challenge === undefined) return undefined;
    const { documentedHosts } = this.#expect;
    if (!isAllowedRealm(challenge, this.#target.host, documentedHosts)) {
      this.#undocumented = boundedText(originText(challenge.realm));
      return undefined;
    }
    const given = await fetchToken(this.#world, this.#target, this.#trust, challenge, repositoryOf(object));
    if (typeof given !== "object") return given;
    if (given.kind === "ended") return this.#withoutToken(challenge.realm, given);
    // A client that gets no token because of a limit, or of a dead service, pulls nothing.
    return isRateLimitedStatus(given.status) || isUpstreamStatus(given.status) ? given : undefined;
  }

  /** A token host of which nothing is known is not at fault: the agent was in trouble, or it lacks the family (M3). */
  #withoutToken(realm: URL, ended: Ended): Ended | undefined {
    const { reason } = ended.outcome;
    const text = boundedText(`${originText(realm)}: ${reason}`);
    if (outcomeClassOf(reason) !== "inconclusive") {
      this.#unreachable = text;
      return undefined;
    }
    this.#trace.evidence.code = text;
    return ended;
  }

  #head(object: string, headers: Readonly<Record<string, string>>): Promise<RegistryAnswer> {
    const path = this.#named(`${this.#expect.basePath}/${object}`);
    return this.#session.request({ method: "HEAD", path, headers: { accept: ACCEPT, ...headers } });
  }

  /** A mirror is told which registry is meant, as containerd does (core/remotes/docker, `ns`). */
  #named(path: string): string {
    const { namespace } = this.#expect;
    return namespace === undefined ? path : `${path}?ns=${encodeURIComponent(namespace)}`;
  }

  #judgeRoot(answer: Answer): Judged {
    const { status, headers } = answer;
    const general = this.#judgeGeneral(answer);
    if (general !== undefined) return general;
    if (status === 401) return headerOf(headers, "www-authenticate") === undefined ? "doubtful" : "registry";
    return status === 200 && !isHtml(answer) ? "registry" : "doubtful";
  }

  #judgeObject(answer: Answer, isRegistry: boolean): Reason {
    const { status } = answer;
    const general = this.#judgeGeneral(answer);
    if (general !== undefined) return general.reason;
    if (status >= 300 && status < 400)
      return isRegistry || this.#leadsElsewhere(answer) ? "answered" : "not-a-registry";
    if (status === 200 && isObject(answer)) return "answered";
    if (status === 403) return "http-status";
    if (status === 200 || !isRegistry) return "not-a-registry";
    if (status === 404) return this.#expect.objectRequired ? "object-missing" : "object-unproven";
    if (status !== 401) return "http-status";
    if (this.#unreachable !== undefined) {
      this.#trace.evidence.code = this.#unreachable;
      return "token-host-unreachable";
    }
    if (!this.#expect.objectRequired) return "registry-private";
    if (this.#undocumented === undefined) return "http-status";
    this.#trace.evidence.code = this.#undocumented;
    return "token-host-undocumented";
  }

  /** What holds for any request; undefined: go on. Keeps status and redirect. */
  #judgeGeneral(answer: Answer): { readonly reason: Reason } | undefined {
    const { status, headers } = answer;
    this.#trace.evidence.httpStatus = status;
    if (isRateLimitedStatus(status)) {
      this.#trace.evidence.retryAfterMs = pauseOf(headers, this.#world.clock.wallMs());
      return { reason: "rate-limited" };
    }
    if (isUpstreamStatus(status)) return { reason: "upstream-down" };
    if (!this.#leadsElsewhere(answer)) return undefined;
    const origin = this.#originOf(answer);
    if (origin !== null) this.#trace.evidence.redirects = [originText(origin)];
    const isKnown = origin !== null && isDocumented(origin, this.#expect.documentedHosts);
    return isKnown ? undefined : { reason: "http-redirected" };
  }

  /** Whether the answer redirects to another host. */
  #leadsElsewhere(answer: Answer): boolean {
    const origin = this.#originOf(answer);
    return origin !== null && origin.hostname !== URL.parse(this.#base)?.hostname;
  }

  #originOf({ status, headers }: Answer): URL | null {
    const location = headerOf(headers, "location");
    return status < 300 || status > 399 || location === undefined ? null : redirectOrigin(location, this.#base);
  }

  get #base(): string {
    return originOf(this.#target, this.#trust !== undefined);
  }

  #result(reason: Reason): ProbeResult {
    return resultOf(this.#trace, outcome(reason, "first-byte"));
  }
}

/** The path at which the API answers: up to `/v2`. Undefined: a mirror's own path shows none. */
function apiRootOf(basePath: string): string | undefined {
  const root = /^(?:.*?)\/v2(?=\/|$)/.exec(basePath)?.[0];
  return root === undefined ? undefined : `${root}/`;
}

function repositoryOf(object: string): string {
  return object.replace(/\/(manifests|blobs)\/[^/]+$/, "");
}

function mediaType({ headers }: Answer): string {
  return (headerOf(headers, "content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function isHtml(answer: Answer): boolean {
  return ["text/html", "application/xhtml+xml"].includes(mediaType(answer));
}

/**
 * Media types of manifests, and of blobs, which have no type of their own (OCI image specification, media types). A
 * server that answers everything with JSON has no image.
 */
const OBJECT_TYPE = /^application\/(?:vnd\.(?:oci|docker)\.|octet-stream$)/;

/** Whether an answer is that for an image: it names the digest, or the media type of one. */
function isObject(answer: Answer): boolean {
  if (isHtml(answer)) return false;
  return headerOf(answer.headers, "docker-content-digest") !== undefined || OBJECT_TYPE.test(mediaType(answer));
}
