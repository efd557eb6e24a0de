/** Calls to the collector: one client, bounded calls, and one error that says what to check. */
import { type CallOptions, createRpcClient, type RpcClient, RpcError, RpcStatus } from "@lifeline/rpc";
import { adminPb, queryPb } from "@lifeline/wire";
import { CliError } from "../cli-error.ts";
import { TOKEN_FILE_VARIABLE, TOKEN_VARIABLE } from "./bearer-token.ts";
import { type CollectorAddress, channelOptionsOf } from "./collector-address.ts";
import { type CollectorSecurity, credentialsOf } from "./collector-security.ts";
import { withFetchedCa } from "./first-contact.ts";

/** A client of the collector's queries. */
export type QueryClient = RpcClient<typeof queryPb.QueryService>;

/** A client that administers identities. */
export type AdminClient = RpcClient<typeof adminPb.AdminService>;

/** A call fails after this long, ms: a page of 1000 rows takes well under one second, so five mean trouble. */
export const CALL_TIMEOUT_MS = 5_000;

/**
 * Opens a client of the queries, which the caller closes. With a fingerprint, the fleet CA is fetched first. The token
 * is read now and sent with every call. Rejects as {@link withCollector} does.
 */
export function openCollector(address: CollectorAddress, signal?: AbortSignal): Promise<QueryClient> {
  return open(queryPb.QueryService, address, signal);
}

/** Runs queries against a collector and closes the client. @throws CliError for a call that fails. */
export function withCollector<Answer>(
  address: CollectorAddress,
  query: (client: QueryClient) => Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer> {
  return withClient(address, openCollector(address, signal), query);
}

/** The same for a client that administers identities. */
export function withAdmin<Answer>(
  address: CollectorAddress,
  query: (client: AdminClient) => Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer> {
  return withClient(address, open(adminPb.AdminService, address, signal), query);
}

/** {@link withFetchedCa} with the timeout of a call. @throws CliError. */
export async function firstContact(address: CollectorAddress, signal?: AbortSignal): Promise<CollectorAddress> {
  try {
    return await withFetchedCa(address, CALL_TIMEOUT_MS, signal);
  } catch (error) {
    throw error instanceof RpcError ? failureOf(error, address) : error;
  }
}

async function withClient<Client extends { close(): void }, Answer>(
  address: CollectorAddress,
  opening: Promise<Client>,
  query: (client: Client) => Promise<Answer>,
): Promise<Answer> {
  const client = await opening;
  try {
    return await query(client);
  } catch (error) {
    throw error instanceof RpcError ? failureOf(error, address) : error;
  } finally {
    client.close();
  }
}

async function open<S extends typeof queryPb.QueryService | typeof adminPb.AdminService>(
  service: S,
  address: CollectorAddress,
  signal: AbortSignal | undefined,
): Promise<RpcClient<S>> {
  const bearerToken = address.token?.read();
  const { name, security } = await firstContact(address, signal);
  const client = createRpcClient(service, name, credentialsOf(security), channelOptionsOf(address));
  return bearerToken === undefined ? client : withToken(client, bearerToken);
}

/** The client with a token on each call. No error repeats the token, even if the collector does (S1). */
function withToken<S extends typeof queryPb.QueryService | typeof adminPb.AdminService>(
  client: RpcClient<S>,
  bearerToken: string,
): RpcClient<S> {
  const unary = client.unary as (method: never, request: never, options: CallOptions) => Promise<never>;
  return {
    ...client,
    unary: (method: never, request: never, options: CallOptions) =>
      unary(method, request, { ...options, bearerToken }).catch((error: unknown) => {
        if (!(error instanceof RpcError)) throw error;
        throw new RpcError(error.code, error.message.replaceAll(bearerToken, "[token]"));
      }),
  };
}

/** What a failed call means to the user. */
export function failureOf({ code, message }: RpcError, address: CollectorAddress): CliError {
  const { name } = address;
  switch (code) {
    case RpcStatus.CANCELLED:
      return new CliError("interrupted", "interrupted before the collector answered");
    case RpcStatus.NOT_FOUND:
      return new CliError("not-found", message);
    case RpcStatus.INVALID_ARGUMENT:
      return new CliError("usage", message);
    case RpcStatus.UNAUTHENTICATED:
      return new CliError("refused", unauthenticatedText(address, message));
    case RpcStatus.PERMISSION_DENIED:
      return new CliError("refused", `the collector at ${name} refuses this to ${callerOf(address)}: ${message}`);
    case RpcStatus.FAILED_PRECONDITION:
      return new CliError("refused", `the collector at ${name} cannot do this: ${message}`);
    case RpcStatus.RESOURCE_EXHAUSTED:
      return new CliError("busy", `the collector at ${name} is overloaded: ${message}\ntry again later`);
    case RpcStatus.UNIMPLEMENTED:
      return new CliError(
        "unreachable",
        `the server at ${name} is not a Lifeline collector, or an older one\ncheck: the port`,
      );
    default:
      return new CliError("unreachable", unreachableText(address, message));
  }
}

/** The credentials that were sent. */
function callerOf({ token, security }: CollectorAddress): string {
  if (token !== undefined) return `the token of ${token.named}`;
  return security.kind === "tls" && security.pair !== undefined
    ? "the certificate of --cert-file"
    : "a client without credentials";
}

function unauthenticatedText(address: CollectorAddress, message: string): string {
  const { name, token, security } = address;
  const isAnonymous = token === undefined && (security.kind === "plaintext" || security.pair === undefined);
  if (!isAnonymous) return `the collector at ${name} does not accept ${callerOf(address)}: ${message}`;
  return [
    `the collector at ${name} needs credentials: ${message}`,
    `use a token (--token-file, ${TOKEN_FILE_VARIABLE} or ${TOKEN_VARIABLE}) or a client certificate (--cert-file and --key-file)`,
  ].join("\n");
}

/** What grpc-js puts after its sentence when it has nothing to add. */
const EMPTY_NOTE = /\. Resolution note: $/;

function unreachableText({ name, security }: CollectorAddress, message: string): string {
  return [
    `the collector at ${name} cannot be reached: ${message.replace(EMPTY_NOTE, "")}`,
    "check: it runs; --collector or LIFELINE_COLLECTOR is its address; no firewall blocks the port;",
    `       ${securityHint(security)}`,
    "'lifeline check' probes from this host without a collector",
  ].join("\n");
}

function securityHint(security: CollectorSecurity): string {
  if (security.kind === "plaintext") {
    return "the collector serves plaintext (for TLS use --ca-fingerprint or --ca-file)";
  }
  const pair = "if it requires client certificates, --cert-file and --key-file are issued by its CA";
  switch (security.trust.kind) {
    case "public":
      return `a public CA issued its certificate (otherwise use --ca-fingerprint or --ca-file); ${pair}`;
    case "file":
      return `--ca-file holds the CA of the collector; ${pair}`;
    case "fingerprint":
      return "it serves TLS 1.3, and admits clients without a certificate (if it requires one, use --ca-file)";
    case "fleet-ca":
      return `it serves TLS 1.3, with a valid certificate for this address; ${pair}`;
  }
}
