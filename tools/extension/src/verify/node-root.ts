/** A directory that stands for the root of a Talos node: what a service file may mount from it. */
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Talos's bundle of certificates, and its name before v1.11. */
const CERTIFICATES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates"];

/** Makes what a Talos node has before any extension starts. `files`, by path, are added or replace what is there. */
export function makeNodeRoot(
  directory: string,
  certificates: string,
  files: Readonly<Record<string, string>> = {},
): void {
  for (const path of ["/etc/ssl/certs", "/var/lib"]) mkdirSync(join(directory, path), { recursive: true });
  for (const path of CERTIFICATES) writeFileSync(join(directory, path), certificates);
  writeFileSync(join(directory, "/etc/os-release"), 'NAME="Talos"\nID=talos\nVERSION_ID=v1.12.0\n');
  writeFileSync(join(directory, "/etc/hosts"), "127.0.0.1 localhost\n::1 localhost\n");
  // No resolver answers at this address.
  writeFileSync(join(directory, "/etc/resolv.conf"), "nameserver 127.0.0.53\n");
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(directory, dirname(path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
}

/** Makes each missing source of a mount as Talos does: a directory, 0700. Returns the paths made. */
export function makeMountSources(directory: string, sources: readonly string[]): readonly string[] {
  return sources.filter((source) => {
    const path = join(directory, source);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return false;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return true;
  });
}
