import { open } from "node:fs/promises";

/** The first `maxBytes` of a file, or all of it where that is less. Rejects with the system's error. */
export async function readHead(path: string, maxBytes: number): Promise<Buffer> {
  const handle = await open(path, "r");
  try {
    const bytes = Buffer.alloc(Math.min(maxBytes, (await handle.stat()).size));
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
