/** Files that whoever looks, also after a power cut, finds whole or not at all. */
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Replaces a file as a whole, by default for its owner alone: written beside it (`.tmp`), synced, renamed, and the rename synced. Links
 * are replaced and never followed. Rejects with the system's error; the old file is then still there.
 */
export async function writeWholeFile(path: string, text: string, mode: number = 0o600): Promise<void> {
  const draft = `${path}.tmp`;
  // Left by a crash, or put there to lead what is written elsewhere.
  await rm(draft, { force: true });
  const file = await open(draft, "wx", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
