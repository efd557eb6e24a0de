/** A free TCP port, so that a program keeps its address when it is started again. */
import { createServer } from "node:net";

/**
 * A free port of 127.0.0.1, from the kernel. If another process takes it first, the program cannot start and logs why.
 */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
