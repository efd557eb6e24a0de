import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** Links are not followed, and opening a pipe does not wait for its writer: the spool makes neither. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The first `maxBytes` of a file, or all of it where that is less. Rejects with the system's error, or with EINVAL when
 * the path is not a file.
 */
export async function readHead(path: string, maxBytes: number): Promise<Buffer> {
  const handle = await open(path, FLAGS);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw Object.assign(new Error(`${path}: is no file`), { code: "EINVAL" });
    const bytes = Buffer.alloc(Math.min(maxBytes, stats.size));
    let readBytes = 0;
    while (readBytes < bytes.length) {
      const { bytesRead } = await handle.read(bytes, readBytes, bytes.length - readBytes, readBytes);
      if (bytesRead === 0) break;
      readBytes += bytesRead;
    }
    return bytes.subarray(0, readBytes);
  } finally {
    await handle.close();
  }
}
