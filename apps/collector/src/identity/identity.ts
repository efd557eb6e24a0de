/** The collector's own identity, and who may call it, put together from its configuration. */
import { randomBytes } from "node:crypto";
import type { FleetCa } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { addService, admitAll, type OnDefect } from "@lifeline/rpc";
import { adminPb, enrolPb } from "@lifeline/wire";
import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import type { SelfMetrics } from "../export/self-metrics.ts";
import type { Store } from "../store/store.ts";
import { Access } from "./access.ts";
import { openAccessTokens } from "./access-tokens.ts";
import { createAdminService } from "./admin-service.ts";
import { createAttemptLimit } from "./attempt-limit.ts";
import { certificatesFromFiles } from "./certificate-files.ts";
import type { CertificateSource } from "./certificate-source.ts";
import { EnrolService } from "./enrol-service.ts";
import { openOrCreateFleetCa } from "./fleet-ca-files.ts";
import { issuedCertificates } from "./issued-certificates.ts";
import { openRegistry, type Registry } from "./registry.ts";

const MS_PER_HOUR = 3_600_000;

/** The collector's identity. */
export interface Identity {
  /** The fleet CA. Undefined: this collector enrols no nodes. */
  readonly ca: FleetCa | undefined;
  readonly registry: Registry;
  readonly access: Access;
  /** Undefined: the listener speaks plaintext. */
  readonly certificates: CertificateSource | undefined;
}

interface IdentityWorld {
  readonly clock: Clock;
  readonly log: Logger;
  /** For the tokens that variables hold. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Reads what comes from files and variables alone, before anything is opened that must be closed. */
export async function readCredentials(config: Config, world: IdentityWorld) {
  const { clock, log, environment } = world;
  const { identity, tls } = config;
  const ca = identity && (await openOrCreateFleetCa(config.dataDir, identity.ca, clock.wallMs(), log));
  const certificates =
    ca !== undefined && identity !== undefined
      ? await issuedCertificates(ca, identity.names, world)
      : tls && certificatesFromFiles(tls, world);
  const tokens = openAccessTokens(config.accessTokensFile, environment, clock, log);
  return { ca, certificates, tokens };
}

/** Opens the identity on the store. Rejects with a StoreError. */
export async function openIdentity(
  credentials: Awaited<ReturnType<typeof readCredentials>>,
  store: Store,
  selfMetrics: SelfMetrics,
  { clock, log }: IdentityWorld,
): Promise<Identity> {
  const { ca, certificates, tokens } = credentials;
  // Agents and people pin it. No secret.
  if (ca !== undefined) log.info({ fingerprint: ca.fingerprint }, "the fleet CA, by the fingerprint that agents pin");
  const registry = await openRegistry({
    store,
    clock,
    pinsKeys: ca !== undefined,
    onRefusedClaim: (holder) => selfMetrics.refusedClaims.inc({ holder }),
    onClaims({ nodeId, from, claims, holder }) {
      const why = { lasting: "one has lost its key", ephemeral: "the machine was started again a moment ago" }[holder];
      log.warn({ nodeId, from, claims }, `another key claims the id of a node: two machines have the id, or ${why}`);
    },
  });
  const access = new Access({
    isSecure: certificates !== undefined,
    tokens,
    registry,
    clock,
    onRefused: (reason) => selfMetrics.refusedCalls.inc({ reason }),
  });
  return { ca, registry, access, certificates };
}

/**
 * Enrolment and administration. `endStreams` ends the streams of a node and gives how many there were. `isSilent` says
 * whether no stream of it is open, nor was a moment ago.
 */
export function createIdentityServices(
  { ca, registry, access }: Identity,
  config: Config,
  parts: {
    readonly store: Store;
    readonly selfMetrics: SelfMetrics;
    readonly clock: Clock;
    readonly log: Logger;
    readonly onDefect: OnDefect;
    readonly endStreams: (nodeId: string, why: string) => number;
    readonly isSilent: (nodeId: string) => boolean;
  },
): { addTo(server: Parameters<typeof addService>[0]): void } {
  const { store, selfMetrics, clock, log, onDefect, endStreams, isSilent } = parts;
  const enrolment = new EnrolService({
    ca,
    certificateLifetimeMs: (config.identity?.nodeCertificateHours ?? 0) * MS_PER_HOUR,
    registry,
    limit: createAttemptLimit(clock),
    clock,
    onAttempt(what, nodeId, from) {
      selfMetrics.enrolAttempts.inc({ result: what });
      if (what === "enrolled") log.info({ nodeId, from }, "a node has enrolled");
      if (what === "re-enrolled")
        log.info({ nodeId, from }, "a node has enrolled again; its new key replaces an ephemeral one");
    },
    isSilent,
    onReplaced: (nodeId) => void endStreams(nodeId, "certificate: another key was enrolled for the node"),
  });
  const administration = createAdminService({
    ca,
    registry,
    store,
    clock,
    randomBytes,
    endStreams: (nodeId) => endStreams(nodeId, "certificate: it was revoked"),
    onAct: (act, of) => log.info({ act, of }, "an administrator made a change"),
  });
  return {
    addTo(server) {
      addService(server, enrolPb.EnrolService, enrolment, onDefect, admitAll);
      addService(server, adminPb.AdminService, administration, onDefect, access.admin);
    },
  };
}
