/** The enrolment that the settings configure. */
import type { AgentConfig } from "../config.ts";
import type { EndWord } from "../uplink/uplink.ts";
import type { AgentWorld } from "../world.ts";
import { Enrolment, type LastEnd } from "./enrolment.ts";
import { readJoinToken } from "./join-token.ts";
import { KeptCredentials } from "./kept-credentials.ts";

/** Opens the node's enrolment; undefined when the settings name no collector or no fleet CA. */
export function openEnrolment(
  { collector, enrol, stateDir }: Pick<AgentConfig, "collector" | "enrol" | "stateDir">,
  nodeId: string,
  {
    clock,
    random,
    log,
    environment,
    enrolTimeoutMs,
  }: Pick<AgentWorld, "clock" | "random" | "log" | "environment" | "enrolTimeoutMs">,
): Enrolment | undefined {
  if (collector === undefined || enrol === undefined) return undefined;
  return new Enrolment({
    collector,
    nodeId,
    caFingerprint: enrol.caFingerprint,
    kept: new KeptCredentials(stateDir, (code) =>
      log.warn({ code }, "certificate and key not written to stateDir; a restart would lose them; retried each minute"),
    ),
    token: () => readJoinToken(enrol.tokenFile, environment),
    timeoutMs: enrolTimeoutMs,
    clock,
    random,
    log,
  });
}

/** How a connection's end concerns the certificate it ran under. */
export function lastEndOf(word: EndWord | undefined): LastEnd {
  if (word === "UNAUTHENTICATED") return "unauthenticated";
  return word === "PERMISSION_DENIED" ? "permission-denied" : "other";
}
