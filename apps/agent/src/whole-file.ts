/** Files that whoever looks, also after a power cut, finds whole or not at all. */
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Replaces a file as a whole, for its owner alone: written beside it, synced, renamed, and the rename synced. Rejects with the system's
 * error; the old file is then still there.
 */
export async function writeWholeFile(path: string, text: string): Promise<void> {
  const draft = `${path}.tmp`;
  const file = await open(draft, "w", 0o600);
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
