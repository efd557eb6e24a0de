/** The sets of nftables in which the kernel counts WireGuard's datagrams by source (nftables-rules.ts). */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** The sets by address family. */
export const RECEIVED_SETS = { 4: "received4", 6: "received6" } as const;

/** One element: a source, and how many datagrams of it were counted. */
export interface SetElement {
  /** Address literal. */
  readonly address: string;
  readonly port: number;
  readonly packets: number;
}

/** Longest output of nft that is read, bytes: the 65,536 elements of a set at some 150 bytes, three times over. */
const LIST_MAX_BYTES = 32 * 1024 * 1024;

/** How long nft has, ms. */
const LIST_TIMEOUT_MS = 5_000;

const run = promisify(execFile);

/** What `nft` prints of `set`, as JSON. Rejects with the errno or exit code of nft. */
export async function listSet(set: string): Promise<string> {
  const args = ["-j", "list", "set", "inet", "lifeline", set];
  const { stdout } = await run("nft", args, { maxBuffer: LIST_MAX_BYTES, timeout: LIST_TIMEOUT_MS });
  return stdout;
}

/**
 * The elements in what `nft -j list set` prints (libnftables-json(5)). Skips what has another shape. Throws for what is
 * no JSON.
 */
export function readElements(json: string): SetElement[] {
  const { nftables = [] } = JSON.parse(json) as { nftables?: { set?: { elem?: unknown[] } }[] };
  return nftables.flatMap(({ set }) => (set?.elem ?? []).flatMap((element) => elementOf(element) ?? []));
}

function elementOf(element: unknown): SetElement | undefined {
  const { elem } = element as { elem?: { val?: { concat?: unknown[] }; counter?: { packets?: unknown } } };
  const [address, port] = elem?.val?.concat ?? [];
  const packets = elem?.counter?.packets;
  if (typeof address !== "string" || typeof port !== "number" || typeof packets !== "number") return undefined;
  return { address, port, packets };
}
