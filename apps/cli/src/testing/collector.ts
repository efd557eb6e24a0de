/** A real grpc-js server on loopback that answers as a test says. */
import { systemClock } from "@lifeline/measure";
import {
  addService,
  admitAll,
  createRpcServer,
  type ListenerCertificates,
  listen,
  listenSecurely,
  RpcError,
  RpcStatus,
  ServerCredentials,
  type ServiceImplementation,
  shutDown,
} from "@lifeline/rpc";
import { adminPb, enrolPb, queryPb } from "@lifeline/wire";

/** The queries. */
export type Queries = ServiceImplementation<typeof queryPb.QueryService>;

/** What administers identities. */
export type Admin = ServiceImplementation<typeof adminPb.AdminService>;

/** Everything the command line asks; no two methods have one name. */
export type Answers = Queries & Admin & Pick<ServiceImplementation<typeof enrolPb.EnrolService>, "getFleetCa">;

/** A server under test. */
export interface TestCollector {
  /** `127.0.0.1:port`. */
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts a server; what is not given answers UNIMPLEMENTED. */
export async function startCollector(
  answers: Partial<Answers>,
  credentials: ServerCredentials | ListenerCertificates = ServerCredentials.createInsecure(),
): Promise<TestCollector> {
  const server = createRpcServer();
  const missing = async () => {
    throw new RpcError(RpcStatus.UNIMPLEMENTED, "not in this test");
  };
  const onDefect = (method: string, error: unknown) => {
    throw new Error(`${method} threw`, { cause: error });
  };
  const queries = {
    listVerdicts: missing,
    listNodes: missing,
    getNode: missing,
    listIncidents: missing,
    listHistory: missing,
    ...answers,
  };
  const admin = {
    createJoinToken: missing,
    listJoinTokens: missing,
    revokeJoinToken: missing,
    listEnrolments: missing,
    revokeNode: missing,
    readmitNode: missing,
    ...answers,
  };
  addService(server, queryPb.QueryService, queries, onDefect, admitAll);
  addService(server, adminPb.AdminService, admin, onDefect, admitAll);
  addService(
    server,
    enrolPb.EnrolService,
    { getFleetCa: missing, enrol: missing, renew: missing, ...answers },
    onDefect,
    admitAll,
  );
  const { port, close } = await opened(server, credentials);
  return {
    address: `127.0.0.1:${port}`,
    stop: () => {
      close();
      return shutDown(server, 50, (ms, wake) => systemClock.after(ms, wake));
    },
  };
}

async function opened(server: ReturnType<typeof createRpcServer>, by: ServerCredentials | ListenerCertificates) {
  if (by instanceof ServerCredentials) return { port: await listen(server, "127.0.0.1:0", by), close() {} };
  return listenSecurely(
    { authenticated: server, unauthenticated: server },
    {
      host: "127.0.0.1",
      port: 0,
      certificates: by,
      maxConnections: 100,
      clock: systemClock,
      onRefused() {},
    },
  );
}

/** 2026-03-01T12:00:00Z, ms: when everything in these tests is judged. */
export const NOW_MS = Date.UTC(2026, 2, 1, 12);

const { Verdict, Obligation } = queryPb;

/** A row that is met, to be changed. */
export const MET_ROW = {
  nodeId: "worker-1",
  requirementId: "machine-api",
  obligation: Obligation.REQUIRED,
  required: true,
  targetId: "machine-api|grpc|omni.example.com:8090|ipv4",
  endpoint: "omni.example.com:8090",
  probe: "grpc",
  ipVersion: 4,
  verdict: Verdict.MET,
  cause: "none",
  evidence: "10 of 10 answered",
  sinceUnixMs: BigInt(NOW_MS - 3_600_000),
  lastSampleUnixMs: BigInt(NOW_MS - 500),
  ended: 10n,
  failed: 0n,
  sent: 10n,
  lost: 0n,
  lossRatio: 0,
  lossRatioLow: 0,
  lossRatioHigh: 0.2775,
  rttP50Ns: 12_300_000n,
  rttP95Ns: 15_100_000n,
  rttMaxNs: 20_400_000n,
  rttCount: 10n,
  rttKernelCount: 10n,
};

/** A required row whose path loses everything. */
export const UNMET_ROW = {
  ...MET_ROW,
  requirementId: "node-discovery",
  endpoint: "discovery.talos.dev:443",
  probe: "tls",
  verdict: Verdict.UNMET,
  cause: "timeout",
  evidence: "10 of 10 went unanswered within 950 ms",
  nextStep: "let the node reach discovery.talos.dev on 443/TCP",
  sinceUnixMs: BigInt(NOW_MS - 12_000),
  failed: 10n,
  lost: 10n,
  lossRatio: 1,
  lossRatioLow: 0.7225,
  lossRatioHigh: 1,
  rttP50Ns: undefined,
  rttP95Ns: undefined,
  rttMaxNs: undefined,
  rttCount: 0n,
  rttKernelCount: 0n,
};

/** A required row about which silence says nothing. */
export const UNKNOWN_ROW = {
  ...UNMET_ROW,
  requirementId: "siderolink-endpoint",
  endpoint: "[2001:db8::10]:50180",
  probe: "udp",
  ipVersion: 6,
  verdict: Verdict.UNKNOWN,
  cause: "no-evidence",
  evidence: "10 datagrams went out and WireGuard need not answer",
  nextStep: "run a STAMP reflector beside Omni",
  sinceUnixMs: 0n,
  ended: 0n,
  failed: 0n,
  lost: 0n,
  silent: 10n,
  lossRatio: undefined,
  lossRatioLow: 0,
  lossRatioHigh: 0,
};

/** A row that does not bind. */
export const IDLE_ROW = {
  nodeId: "worker-1",
  requirementId: "omni-vault",
  obligation: Obligation.CONDITIONAL,
  required: false,
  verdict: Verdict.NOT_APPLICABLE,
  cause: "none",
  evidence: "only the host that runs Omni needs it",
};

/** The answer to ListVerdicts with these rows. */
export function verdicts(...rows: Awaited<ReturnType<Queries["listVerdicts"]>>["rows"] & object) {
  return { generatedUnixMs: BigInt(NOW_MS), catalogueVersion: "v1.14", rows };
}
