/** Writes files atomically: a reader finds the old file or the new one, also after a power cut. */
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Replaces a file atomically: writes a draft beside it (`.tmp`), syncs it, renames it, and syncs the directory. By
 * default only the owner may read it. Links are replaced, never followed. Rejects with the system's error; then the old
 * file is still there.
 */
export async function writeWholeFile(path: string, text: string, mode: number = 0o600): Promise<void> {
  const draft = `${path}.tmp`;
  // Left by a crash, or a link that someone put there to redirect the write.
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
