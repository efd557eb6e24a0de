/** A TCP port nobody listens on now, so that a part keeps its address when it is started again. */
import { createServer } from "node:net";

/** Asks the kernel for a free port of 127.0.0.1. Another process may take it before it is used; the part then fails and says so. */
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
