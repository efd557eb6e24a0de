/**
 * Files that another user has put where a program keeps its own: a link that leads a program of root's to a file of the system's, or
 * a key that somebody else knows.
 *
 * 1. A file or directory is the program's own if it belongs to root, or to the user that the program runs as.
 * 2. A link may stand for it if root or that user has made it, and what it leads to is the program's own. Its parents are not looked at.
 * 3. Looked at is what is there at the start. Who may write to a directory can put something there later: hence mode 700.
 */
import { lstatSync, type Stats, statSync } from "node:fs";

const ROOT_UID = 0;

/** What was found, and what is right, for an error that says "got …, want …". */
export interface Planted {
  readonly got: string;
  readonly want: string;
}

/**
 * What is wrong with the owner of `path`. Undefined: nothing, or nothing is there, or it may not be looked at, or the system has no owners.
 *
 * @param alsoOwners users that files and directories, but no links, may belong to besides: whom the program is about to become.
 */
export function plantedAt(path: string, alsoOwners: readonly number[] = []): Planted | undefined {
  const own = process.geteuid?.();
  const found = own === undefined ? undefined : statOf(() => lstatSync(path));
  if (own === undefined || found === undefined) return undefined;
  const makers = [ROOT_UID, own];
  const owners = [...makers, ...alsoOwners];
  if (!found.isSymbolicLink()) return owners.includes(found.uid) ? undefined : problem(path, "which", found, owners);
  if (!makers.includes(found.uid)) return problem(path, "a link that", found, makers);
  const target = statOf(() => statSync(path));
  const isOwn = target === undefined || owners.includes(target.uid);
  return isOwn ? undefined : problem(path, "a link to what", target, owners);
}

function statOf(look: () => Stats): Stats | undefined {
  try {
    return look();
  } catch (error) {
    // Whoever opens it is told the same.
    if (!(error instanceof Error && "code" in error)) throw error;
    return undefined;
  }
}

function problem(path: string, what: string, { uid }: Stats, owners: readonly number[]): Planted {
  const users = [...new Set(owners)].map((owner) => (owner === ROOT_UID ? "root" : `uid ${owner}`)).join(" or ");
  return { got: `${JSON.stringify(path)}, ${what} belongs to uid ${uid}`, want: `one that belongs to ${users}` };
}
