/** Writes the stand-in's state to a file for other programs, including those that started first. */
import { rename, unlink, writeFile } from "node:fs/promises";
import { LabError, reasonText } from "./lab-error.ts";
import type { StandInState } from "./stand-in-state.ts";

/** Writes `state` whole or not at all: a reader sees the old file or the new one. Throws `bad-input` when it cannot. */
export async function writeStateFile(path: string, state: StandInState): Promise<void> {
  const draft = `${path}.${state.pid}.tmp`;
  try {
    await writeFile(draft, `${JSON.stringify(state, null, 2)}\n`);
    await rename(draft, path);
  } catch (error) {
    await unlink(draft).catch(() => undefined);
    throw new LabError("bad-input", `state-file: cannot be written: ${reasonText(error)}`, { cause: error });
  }
}

/** Removes the file. A missing file is no error. */
export async function removeStateFile(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}
