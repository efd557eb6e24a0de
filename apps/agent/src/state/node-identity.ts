/**
 * The node's id, in this order: as configured; the firmware's product UUID; a random id in the state directory.
 * Each is a node id as the wire admits it: the settings check the first, and the others are UUIDs in lower case.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory } from "./make-directory.ts";

/** Where Linux shows the SMBIOS product UUID; on Talos it is normally the machine id that Omni uses. */
export const PRODUCT_UUID_PATH = "/sys/class/dmi/id/product_uuid";

/** The file of a random id, in the state directory. */
export const NODE_ID_NAME = "node-id";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Bytes of a random id: that of a UUID. */
const RANDOM_ID_BYTES = 16;

/** A node id and its source. An `ephemeral` id could not be written, and changes with the next start. */
export interface Identity {
  readonly nodeId: string;
  readonly source: "configured" | "product-uuid" | "state-directory" | "ephemeral";
}

/** What the identity depends on. */
export interface IdentityOptions {
  readonly configuredId: string | undefined;
  readonly stateDir: string;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Default {@link PRODUCT_UUID_PATH}. */
  readonly productUuidPath?: string;
}

/** Finds the node's identity. Never throws on a fault of the file system. */
export function findIdentity(options: IdentityOptions): Identity {
  const { configuredId, stateDir, randomBytes, productUuidPath = PRODUCT_UUID_PATH } = options;
  if (configuredId !== undefined) return { nodeId: configuredId, source: "configured" };
  const productUuid = uuidIn(productUuidPath);
  if (productUuid !== undefined) return { nodeId: productUuid, source: "product-uuid" };
  const path = join(stateDir, NODE_ID_NAME);
  const kept = uuidIn(path);
  if (kept !== undefined) return { nodeId: kept, source: "state-directory" };
  const nodeId = randomUuid(randomBytes);
  try {
    makeDirectory(stateDir);
    // A file without an id is replaced. A link is replaced and not followed.
    rmSync(path, { force: true });
    writeFileSync(path, `${nodeId}\n`, { flag: "wx", mode: 0o600, flush: true });
    return { nodeId, source: "state-directory" };
  } catch {
    return { nodeId, source: "ephemeral" };
  }
}

/**
 * The UUID in a file; undefined when there is none, or one of only zeros or ones, as unset firmware has (SMBIOS, DMTF
 * DSP0134, UUID of the System Information structure).
 */
function uuidIn(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim().toLowerCase();
  } catch {
    return undefined;
  }
  return UUID.test(text) && !/^[0-]*$/.test(text) && !/^[f-]*$/.test(text) ? text : undefined;
}

/** A random UUID, version 4 (RFC 9562 §5.4). */
function randomUuid(randomBytes: (size: number) => Uint8Array): string {
  const bytes = Buffer.from(randomBytes(RANDOM_ID_BYTES));
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
