/**
 * Changes from root to an ordinary user, after the work that needs root. Only the capability to read root's files is
 * kept.
 *
 * 1. The state directory and its contents are given to the user first. Where the disk prevents that, the spool stays in
 *    memory.
 * 2. The main thread keeps CAP_DAC_READ_SEARCH, because a STAMP key, a join token or a TLS key that belongs to root is
 *    read again while the agent runs. It keeps CAP_DAC_OVERRIDE only to open Talos's socket, which only root may write
 *    to. Probes need neither: they use ordinary sockets and ports, and every user may read the kernel's time stamps,
 *    counters and tables.
 * 3. Memory that only the start needed is released while the process is still root.
 * 4. Capabilities belong to threads. Files that need them are read synchronously, which is on the main thread.
 */
import { lchownSync, lstatSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { pageOutFiles } from "./memory-release.ts";
import type { NativeCalls } from "./native-calls.ts";

/** linux/prctl.h: keep what is permitted over the change of user. */
const PR_SET_KEEPCAPS = 8;
/** linux/capability.h. */
const CAPABILITY_VERSION_3 = 0x20080522;
const CAP_DAC_OVERRIDE = 1;
const CAP_DAC_READ_SEARCH = 2;

/** Levels below the state directory whose owner is changed: the files of the spool and of the identity. */
const DEPTH_MAX = 2;

/** The user to become. */
export interface RunAs {
  /** User and group id, above 0. */
  readonly uid: number;
  readonly stateDir: string;
  /** Directories above it that this process has made. */
  readonly madeParents: readonly string[];
  /** Whether Talos's socket is to be opened. */
  readonly opensTalos: boolean;
}

/**
 * What became of it: `kept`, or why files of root's own cannot be read again; and the system's code where the disk
 * refused.
 */
export interface RanAs {
  readonly rights: "kept" | "no-native-calls" | "refused";
  readonly diskCode: string | undefined;
}

/** Becomes the user. Throws the system's error when root itself may not; then only owners have changed. */
export function runAs({ uid, stateDir, madeParents, opensTalos }: RunAs, native: NativeCalls | undefined): RanAs {
  const diskCode = giveOver(madeParents, stateDir, uid);
  if (native !== undefined) pageOutFiles(native);
  const keepsCaps = native?.prctl(PR_SET_KEEPCAPS, 1) === 0;
  // Groups first: only root may change them.
  process.setgroups?.([uid]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  if (native === undefined) return { rights: "no-native-calls", diskCode };
  const capabilities = [CAP_DAC_READ_SEARCH, ...(opensTalos ? [CAP_DAC_OVERRIDE] : [])];
  const isKept = keepsCaps && native.capset(capabilityHeader(), capabilitySets(capabilities)) === 0;
  return { rights: isKept ? "kept" : "refused", diskCode };
}

/** `struct __user_cap_header_struct` of this thread (capget(2)). */
function capabilityHeader(): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION_3, 0);
  return header;
}

/** Two `struct __user_cap_data_struct`, for the lower and upper 32 capabilities: effective, permitted, inheritable. */
function capabilitySets(capabilities: readonly number[]): Uint8Array {
  const sets = Buffer.alloc(24);
  const mask = capabilities.reduce((bits, capability) => bits | (1 << capability), 0);
  sets.writeUInt32LE(mask, 0);
  sets.writeUInt32LE(mask, 4);
  return sets;
}

/**
 * Changes the owner of the directories and of what is in the state directory. Returns the first code of a failure.
 * Links are not followed.
 */
function giveOver(madeParents: readonly string[], stateDir: string, uid: number): string | undefined {
  let code: string | undefined;
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      code ??= String(error.code);
      return undefined;
    }
  };
  const give = (path: string, depth: number) => {
    const found = attempt(() => lstatSync(path));
    // A link keeps its owner: the user must not be able to redirect what root has made.
    if (found === undefined || found.isSymbolicLink()) return;
    if (found.uid !== uid || found.gid !== uid) attempt(() => lchownSync(path, uid, uid));
    if (!found.isDirectory() || depth === DEPTH_MAX) return;
    for (const name of attempt(() => readdirSync(path)) ?? []) give(join(path, name), depth + 1);
  };
  for (const parent of madeParents) give(parent, DEPTH_MAX);
  // The directory itself may be a link that root made.
  give(attempt(() => realpathSync(stateDir)) ?? stateDir, 0);
  return code;
}
