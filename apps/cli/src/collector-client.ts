/** Asking the collector: one client, bounded calls, and every failure as one error that says what to check. */
import { createRpcClient, queryPb, type RpcClient, RpcError, RpcStatus } from "@lifeline/wire";
import { CliError } from "./cli-error.ts";
import { type CollectorAddress, credentialsOf, isLoopback } from "./collector-address.ts";

/** The queries a collector answers. */
export type QueryClient = RpcClient<typeof queryPb.QueryService>;

/** A call fails after this long, ms: a page of 1000 rows takes well under one second, so five mean trouble. */
export const CALL_TIMEOUT_MS = 5_000;

/** Opens a client; nothing is sent before the first call. The caller closes it. */
export function openCollector(address: CollectorAddress): QueryClient {
  const { host, name, security } = address;
  // grpc-js follows http_proxy; a collector on this host is never behind one.
  const options = isLoopback(host) ? { "grpc.enable_http_proxy": 0 } : {};
  return createRpcClient(queryPb.QueryService, name, credentialsOf(security), options);
}

/** Runs queries against a collector and closes the client. @throws CliError for whatever the RPC boundary reports. */
export async function withCollector<Answer>(
  address: CollectorAddress,
  ask: (client: QueryClient) => Promise<Answer>,
): Promise<Answer> {
  const client = openCollector(address);
  try {
    return await ask(client);
  } catch (error) {
    throw error instanceof RpcError ? failureOf(error, address) : error;
  } finally {
    client.close();
  }
}

/** What a failed call means to the user. */
export function failureOf({ code, message }: RpcError, address: CollectorAddress): CliError {
  const { name, security } = address;
  switch (code) {
    case RpcStatus.CANCELLED:
      return new CliError("interrupted", "interrupted before the collector answered");
    case RpcStatus.NOT_FOUND:
      return new CliError("not-found", message);
    case RpcStatus.INVALID_ARGUMENT:
      return new CliError("usage", message);
    case RpcStatus.UNAUTHENTICATED:
    case RpcStatus.PERMISSION_DENIED:
      return new CliError("refused", `the collector at ${name} refuses this client: ${message}\ncheck: ${PAIR_HINT}`);
    case RpcStatus.UNIMPLEMENTED:
      return new CliError(
        "unreachable",
        `what answers at ${name} is no Lifeline collector, or an older one\ncheck: the port`,
      );
    default:
      return new CliError("unreachable", unreachableText(name, security.kind, message));
  }
}

const PAIR_HINT = "--cert-file and --key-file name a certificate of the collector's authority";

/** What grpc-js puts after its sentence when it has nothing to add. */
const EMPTY_NOTE = /\. Resolution note: $/;

function unreachableText(name: string, kind: "plaintext" | "tls", message: string): string {
  const security =
    kind === "plaintext"
      ? "the collector speaks plaintext there (a TLS one wants --ca-file, and often --cert-file and --key-file)"
      : `--ca-file holds the collector's authority, and ${PAIR_HINT}`;
  return [
    `the collector at ${name} cannot be reached: ${message.replace(EMPTY_NOTE, "")}`,
    "check: it runs; --collector or LIFELINE_COLLECTOR names its address; no firewall stands between;",
    `       ${security}`,
    "without a collector, 'lifeline check' probes from this host",
  ].join("\n");
}
