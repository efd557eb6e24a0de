/**
 * The agent's state, in the order in which it can be opened: what needs root comes first, and then the agent becomes
 * its own user.
 */
import { join } from "node:path";
import { LIFELINE_VERSION } from "@lifeline/measure";
import { BOOT_ID_BYTES } from "@lifeline/wire";
import type { AgentConfig } from "../config.ts";
import { openSpool, type Spool } from "../spool/spool.ts";
import { logSpoolEvent } from "../spool/spool-log.ts";
import type { AgentWorld } from "../world.ts";
import { missingParents } from "./make-directory.ts";
import { findIdentity, type Identity } from "./node-identity.ts";
import { refusePlanted, SPOOL_DIRECTORY } from "./planted-files.ts";
import { lockState } from "./state-lock.ts";

/** What an agent keeps over restarts, opened. */
export interface AgentState {
  readonly identity: Identity;
  /** 16 bytes, of this start. */
  readonly bootId: Uint8Array;
  readonly spool: Spool;
  /** Releases the state directory. */
  readonly unlock: () => void;
}

/** Locks the state directory and opens what is in it. Rejects with a ConfigError when the directory is another's. */
export async function openState(config: AgentConfig, world: AgentWorld): Promise<AgentState> {
  const { stateDir, nodeId, runAsUid } = config;
  const { clock, log, randomBytes, productUuidPath } = world;
  refusePlanted(stateDir, runAsUid, "stateDir");
  const madeParents = missingParents(stateDir);
  const unlock = lockState(stateDir, "stateDir");
  const uuidPath = productUuidPath === undefined ? {} : { productUuidPath };
  const identity = findIdentity({ configuredId: nodeId, stateDir, randomBytes, ...uuidPath });
  // The firmware's UUID can only be read by root.
  world.becomeUser?.(madeParents);
  const bootId = randomBytes(BOOT_ID_BYTES);
  const spool = await openSpool({
    directory: join(stateDir, SPOOL_DIRECTORY),
    clock,
    bootId,
    onEvent: (event) => logSpoolEvent(log, event),
    ...config.spool,
  });
  const { nodeId: ownId, source: idSource } = identity;
  const { heldReports: spoolReports } = spool.stats();
  log.info({ nodeId: ownId, idSource, version: LIFELINE_VERSION, spoolReports }, "agent started");
  return { identity, bootId, spool, unlock };
}
