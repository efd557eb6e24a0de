/**
 * `/etc/hosts` (hosts(5)). It is read here because c-ares' plain queries ignore it, and Talos writes static hosts to
 * it.
 *
 * 1. At most {@link HOSTS_MAX_BYTES} are read and {@link HOSTS_MAX_NAMES} names kept (S2). A name beyond them goes to
 *    the resolvers.
 * 2. It is read again when its mtime or size changes. A file that is missing or cannot be read counts as empty.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { type IpFamily, literalFamily } from "@lifeline/measure";

/** Bytes of the file that are read: 1 MiB. */
export const HOSTS_MAX_BYTES = 1_048_576;

/** Names that are kept. */
export const HOSTS_MAX_NAMES = 10_000;

/** Where the file is on Linux (hosts(5)). */
export const HOSTS_PATH = "/etc/hosts";

/**
 * Parses the text of a hosts file: addresses by lower-case name, in the order of the file. Lines that are not
 * `address name…` are skipped, as the C library does.
 */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const addresses = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address, ...names] = (line.split("#", 1)[0] ?? "").split(/\s+/).filter((word) => word !== "");
    if (address === undefined || literalFamily(address) === undefined) continue;
    for (const name of names.map((word) => word.toLowerCase())) {
      const known = addresses.get(name);
      if (known !== undefined) known.push(address);
      else if (addresses.size < HOSTS_MAX_NAMES) addresses.set(name, [address]);
    }
  }
  return addresses;
}

/** A hosts file that is kept up to date. */
export interface HostsFile {
  /**
   * Addresses of one family for a lower-case name without its final dot. Empty when the file has the name with the
   * other family alone, undefined when it does not have the name.
   */
  lookup(name: string, family: IpFamily): readonly string[] | undefined;
}

/** Opens the hosts file at `path`; it need not exist. */
export function openHostsFile(path: string): HostsFile {
  let version = "";
  let addresses = parseHosts("");
  const refresh = () => {
    const found = versionOf(path);
    if (found === version) return;
    version = found;
    addresses = parseHosts(readBounded(path));
  };
  return {
    lookup(name, family) {
      refresh();
      return addresses.get(name)?.filter((address) => literalFamily(address) === family);
    },
  };
}

/** Mtime and size of a file as text, to compare; empty when there is no such file. Never throws. */
export function versionOf(path: string): string {
  try {
    const found = statSync(path, { bigint: true });
    return `${found.mtimeNs}:${found.size}`;
  } catch {
    return "";
  }
}

/** The first {@link HOSTS_MAX_BYTES} of a text file, whole lines only; empty when it cannot be read. */
export function readBounded(path: string): string {
  try {
    const fd = openSync(path, "r");
    try {
      // One byte more than the file has shows whether it is longer. A buffer of the bound would keep 1 MiB of the
      // agent's memory for long.
      const bytes = Buffer.alloc(Math.min(fstatSync(fd).size, HOSTS_MAX_BYTES) + 1);
      const readBytes = readSync(fd, bytes);
      const text = bytes.toString("utf8", 0, readBytes);
      // A truncated file may end within a line, and half an address is another address.
      return readBytes === bytes.length ? text.slice(0, text.lastIndexOf("\n") + 1) : text;
    } finally {
      closeSync(fd);
    }
  } catch {
    return "";
  }
}
