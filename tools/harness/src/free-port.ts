import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/**
 * A TCP port that is free now on `address` (default 127.0.0.1). Another process may take it before its user does, so
 * a program that can listen on port 0 should do that instead.
 */
export async function freePort(address = "127.0.0.1"): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
