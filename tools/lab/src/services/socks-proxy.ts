/** A SOCKS 5 proxy (RFC 1928) without authentication. It reaches the lab's services and nothing else. */
import { connect, type Socket } from "node:net";
import { type ClientGate, openClientGate } from "./client-gate.ts";
import { type ConnectProxyOptions, reach } from "./connect-proxy.ts";
import { giveUpUnless, join } from "./middlebox.ts";

const VERSION = 5;
const COMMAND_CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
const SUCCEEDED = 0;
const NOT_ALLOWED = 2;
const UNREACHABLE = 4;

/** Opens the listener. Throws `listen-failed`. */
export async function openSocksProxy(
  options: Pick<ConnectProxyOptions, "endpoint" | "clock" | "zone" | "reaches">,
): Promise<ClientGate> {
  return openClientGate(options.endpoint, (connection) => {
    // Each message of a client that does not pipeline arrives whole.
    connection.once("data", (greeting: Buffer) => {
      if (greeting[0] !== VERSION) return void connection.destroy();
      connection.write(Buffer.from([VERSION, 0]));
      connection.once("data", (request: Buffer) => serve(connection, request, options));
    });
  });
}

function serve(
  connection: Socket,
  request: Buffer,
  { clock, ...lab }: Pick<ConnectProxyOptions, "clock" | "zone" | "reaches">,
): void {
  const authority = request[1] === COMMAND_CONNECT ? authorityOf(request) : undefined;
  const to = authority === undefined ? undefined : reach(authority, lab);
  if (to === undefined) return void connection.end(reply(NOT_ALLOWED));
  const far = connect(to);
  giveUpUnless(far, "connect", clock);
  const fail = () => connection.end(reply(UNREACHABLE));
  far.once("error", fail);
  connection.once("close", () => far.destroy());
  far.once("connect", () => {
    far.off("error", fail);
    connection.write(reply(SUCCEEDED));
    join(connection, far);
  });
}

/** A reply without an address of its own. */
function reply(code: number): Buffer {
  return Buffer.from([VERSION, code, 0, IPV4, 0, 0, 0, 0, 0, 0]);
}

/** `host:port` of a request; undefined where it cannot be read. Pure. */
export function authorityOf(request: Buffer): string | undefined {
  const nameBytes = request[4] ?? 0;
  switch (request[3]) {
    case IPV4:
      return request.length < 10 ? undefined : `${[...request.subarray(4, 8)].join(".")}:${request.readUInt16BE(8)}`;
    case NAME:
      if (request.length < 7 + nameBytes) return undefined;
      return `${request.toString("latin1", 5, 5 + nameBytes)}:${request.readUInt16BE(5 + nameBytes)}`;
    case IPV6: {
      if (request.length < 22) return undefined;
      const groups = Array.from({ length: 8 }, (_, at) => request.readUInt16BE(4 + 2 * at).toString(16));
      return `[${new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1)}]:${request.readUInt16BE(20)}`;
    }
    default:
      return undefined;
  }
}
