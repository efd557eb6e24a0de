/**
 * Finds files of a program that belong to another user: a link that would lead a program of root to a file of the
 * system, or a key that another user knows.
 *
 * 1. A file or directory may belong to root, or to the user that the program runs as.
 * 2. A link must belong to root or that user, and its target by rule 1. Parent directories are not checked.
 * 3. The check is made at the start. A user that may write to the directory could add files later; that is why it has
 *    mode 700.
 */
import { lstatSync, type Stats, statSync } from "node:fs";

const ROOT_UID = 0;

/** The owner that was found, and the expected one, for an error "got …, want …". */
export interface WrongOwner {
  readonly got: string;
  readonly want: string;
}

/**
 * Whether `path` has a wrong owner. undefined: no; or there is no such file, or it may not be read, or the system has
 * no owners.
 *
 * @param alsoOwners Further users that files and directories, not links, may belong to: the user that the program will
 * switch to.
 */
export function wrongOwnerOf(path: string, alsoOwners: readonly number[] = []): WrongOwner | undefined {
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
    // Opening the file gives the same error.
    if (!(error instanceof Error && "code" in error)) throw error;
    return undefined;
  }
}

function problem(path: string, what: string, { uid }: Stats, owners: readonly number[]): WrongOwner {
  const users = [...new Set(owners)].map((owner) => (owner === ROOT_UID ? "root" : `uid ${owner}`)).join(" or ");
  return { got: `${JSON.stringify(path)}, ${what} belongs to uid ${uid}`, want: `one that belongs to ${users}` };
}
