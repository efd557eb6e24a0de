/** Asking the collector: one client, bounded calls, and every failure as one error that says what to check. */
import { type CallOptions, createRpcClient, type RpcClient, RpcError, RpcStatus } from "@lifeline/rpc";
import { adminPb, queryPb } from "@lifeline/wire";
import { TOKEN_FILE_VARIABLE, TOKEN_VARIABLE } from "./bearer-token.ts";
import { CliError } from "./cli-error.ts";
import { type CollectorAddress, channelOptionsOf } from "./collector-address.ts";
import { type CollectorSecurity, credentialsOf } from "./collector-security.ts";
import { seen } from "./first-contact.ts";

/** The queries a collector answers. */
export type QueryClient = RpcClient<typeof queryPb.QueryService>;

/** What administers identities. */
export type AdminClient = RpcClient<typeof adminPb.AdminService>;

/** A call fails after this long, ms: a page of 1000 rows takes well under one second, so five mean trouble. */
export const CALL_TIMEOUT_MS = 5_000;

/**
 * Opens a client of the queries, which the caller closes. Where an authority is named by its fingerprint alone it is seen first; the
 * token is read now, and goes with every call. Rejects as {@link withCollector} does.
 */
export function openCollector(address: CollectorAddress, signal?: AbortSignal): Promise<QueryClient> {
  return open(queryPb.QueryService, address, signal);
}

/** Runs queries against a collector and closes the client. @throws CliError for whatever the RPC boundary reports. */
export function withCollector<Answer>(
  address: CollectorAddress,
  ask: (client: QueryClient) => Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer> {
  return withClient(address, openCollector(address, signal), ask);
}

/** The same for what administers identities. */
export function withAdmin<Answer>(
  address: CollectorAddress,
  ask: (client: AdminClient) => Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer> {
  return withClient(address, open(adminPb.AdminService, address, signal), ask);
}

/** The collector with its authority seen (see {@link seen}). @throws CliError. */
export async function introduced(address: CollectorAddress, signal?: AbortSignal): Promise<CollectorAddress> {
  try {
    return await seen(address, CALL_TIMEOUT_MS, signal);
  } catch (error) {
    throw error instanceof RpcError ? failureOf(error, address) : error;
  }
}

async function withClient<Client extends { close(): void }, Answer>(
  address: CollectorAddress,
  opening: Promise<Client>,
  ask: (client: Client) => Promise<Answer>,
): Promise<Answer> {
  const client = await opening;
  try {
    return await ask(client);
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
  const { name, security } = await introduced(address, signal);
  const client = createRpcClient(service, name, credentialsOf(security), channelOptionsOf(address));
  return bearerToken === undefined ? client : speakingAs(client, bearerToken);
}

/** The client with a token on each call; no error repeats it, whatever the other side says. */
function speakingAs<S extends typeof queryPb.QueryService | typeof adminPb.AdminService>(
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
      return new CliError("refused", `the collector at ${name} does not let ${callerOf(address)} do this: ${message}`);
    case RpcStatus.FAILED_PRECONDITION:
      return new CliError("refused", `the collector at ${name} cannot do this as it stands: ${message}`);
    case RpcStatus.RESOURCE_EXHAUSTED:
      return new CliError("busy", `the collector at ${name} takes no more for now: ${message}\ntry again later`);
    case RpcStatus.UNIMPLEMENTED:
      return new CliError(
        "unreachable",
        `what answers at ${name} is no Lifeline collector, or an older one\ncheck: the port`,
      );
    default:
      return new CliError("unreachable", unreachableText(address, message));
  }
}

/** Who asks, as the collector was shown. */
function callerOf({ token, security }: CollectorAddress): string {
  if (token !== undefined) return `the token of ${token.named}`;
  return security.kind === "tls" && security.pair !== undefined ? "the certificate of --cert-file" : "just anybody";
}

function unauthenticatedText(address: CollectorAddress, message: string): string {
  const { name, token, security } = address;
  const isAnonymous = token === undefined && (security.kind === "plaintext" || security.pair === undefined);
  if (!isAnonymous) return `the collector at ${name} does not accept ${callerOf(address)}: ${message}`;
  return [
    `the collector at ${name} wants to know who asks: ${message}`,
    `give a token (--token-file, ${TOKEN_FILE_VARIABLE} or ${TOKEN_VARIABLE}) or a client certificate (--cert-file and --key-file)`,
  ].join("\n");
}

/** What grpc-js puts after its sentence when it has nothing to add. */
const EMPTY_NOTE = /\. Resolution note: $/;

function unreachableText({ name, security }: CollectorAddress, message: string): string {
  return [
    `the collector at ${name} cannot be reached: ${message.replace(EMPTY_NOTE, "")}`,
    "check: it runs; --collector or LIFELINE_COLLECTOR names its address; no firewall stands between;",
    `       ${securityHint(security)}`,
    "without a collector, 'lifeline check' probes from this host",
  ].join("\n");
}

function securityHint(security: CollectorSecurity): string {
  if (security.kind === "plaintext") {
    return "the collector speaks plaintext there (a TLS one wants --ca-fingerprint or --ca-file)";
  }
  const pair = "where it wants a certificate of its clients, --cert-file and --key-file name one of its authority";
  switch (security.trust.kind) {
    case "public":
      return `its certificate is of a public authority (else --ca-fingerprint or --ca-file); ${pair}`;
    case "file":
      return `--ca-file holds the collector's authority; ${pair}`;
    case "named":
      return "it speaks TLS 1.3, and shows its authority to clients that show no certificate (one that refuses those wants --ca-file)";
    case "seen":
      return `it speaks TLS 1.3, with a certificate for this address and time; ${pair}`;
  }
}
