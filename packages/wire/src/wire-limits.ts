/**
 * How many entries and bytes each field of the contract may have on the wire. Checked before decoding (S2).
 *
 * 1. Every list, text and byte field has a bound here. The types require it, and so does a test of the descriptors.
 * 2. A message that exceeds a bound here ends the call. Where a decoder can refuse with a name and go on, its own bound
 *    is lower.
 * 3. Texts are bounded in bytes here, and in UTF-16 units by the decoders: at most three bytes for each unit (RFC
 *    3629).
 */
import type { Message } from "@bufbuild/protobuf";
import { ADDRESSES_MAX, SKETCH_MAX_BUCKETS, TIMED_PHASES } from "@lifeline/window";
import type * as admin from "./gen/lifeline/v1/admin_pb.ts";
import type * as enrol from "./gen/lifeline/v1/enrol_pb.ts";
import type * as query from "./gen/lifeline/v1/query_pb.ts";
import type * as report from "./gen/lifeline/v1/report_pb.ts";
import type * as window from "./gen/lifeline/v1/window_pb.ts";
import type * as witness from "./gen/lifeline/v1/witness_pb.ts";
import {
  MAX_CA_PEM_LENGTH,
  MAX_CA_PEMS,
  MAX_DOCUMENTED_HOSTS,
  MAX_EVIDENCE_ENTRIES,
  MAX_EVIDENCE_LENGTH,
  MAX_IDENTIFIER_LENGTH,
  MAX_MESSAGE_BYTES,
  MAX_OPTIONS,
  MAX_PAGE_ROWS,
  MAX_TARGETS_PER_NODE,
  MAX_TEXT_LENGTH,
  MAX_WINDOWS_PER_REPORT,
  UTF8_BYTES_PER_UNIT,
} from "./limits.ts";

/** Most entries of a list, and most bytes of each text or byte entry. */
export interface ListLimit {
  readonly entries: number;
  readonly bytes?: number;
}

/** A list's bound, or the most bytes of a text or byte field. */
export type FieldLimit = ListLimit | number;

/** The bounds of a message's fields, by their local names. */
export type MessageLimits = Readonly<Record<string, FieldLimit>>;

type Sized = string | Uint8Array;
type LimitOf<Value> = Value extends readonly (infer Entry)[]
  ? Entry extends Sized
    ? Required<ListLimit>
    : { readonly entries: number }
  : number;
type IsBounded<Value> = Value extends readonly unknown[] | Sized ? true : false;

/** The bounds a message must have: one for each list, text and byte field, and for no other. */
type LimitsOf<Shape> = {
  readonly [Name in keyof Shape as Name extends `$${string}`
    ? never
    : IsBounded<NonNullable<Shape[Name]>> extends true
      ? Name
      : never]-?: LimitOf<NonNullable<Shape[Name]>>;
};

/** By name, not by descriptor, so that a program does not contain the descriptors of messages it never decodes. */
function limit<Shape extends Message>(
  typeName: Shape["$typeName"],
  limits: LimitsOf<Shape>,
): [typeName: string, limits: MessageLimits] {
  return [typeName, limits];
}

const IDENTIFIER = MAX_IDENTIFIER_LENGTH * UTF8_BYTES_PER_UNIT;
const EVIDENCE = MAX_EVIDENCE_LENGTH * UTF8_BYTES_PER_UNIT;
const TEXT = MAX_TEXT_LENGTH * UTF8_BYTES_PER_UNIT;

/** Random ids have 16 bytes; their decoders check that. */
const RANDOM_ID = 64;

/** A certificate or a signing request, DER: a request has at most 4,096 bytes, an RSA certificate some 2,000. */
const DER = 16_384;

/** Most certificates of an agent's chain: the leaf, the fleet CA, and those of a PKI above it. */
const CHAIN_ENTRIES = 16;

/**
 * Twice what decoders accept of a Hello's lists (256), of a witness's sources (4,096) and of a plan's lists: see rule
 * 2.
 */
const HELLO_LIST = { entries: 512, bytes: TEXT };
const SOURCES = { entries: 8_192 };
const PLAN_TARGETS = { entries: 2 * MAX_TARGETS_PER_NODE };
const CA_PEMS = { entries: 2 * MAX_CA_PEMS, bytes: MAX_CA_PEM_LENGTH * UTF8_BYTES_PER_UNIT };
const OPTIONS = { entries: 2 * MAX_OPTIONS, bytes: IDENTIFIER };

const DOCUMENTED_HOSTS = { entries: 2 * MAX_DOCUMENTED_HOSTS, bytes: IDENTIFIER };

/** Sixteen times the reports that an agent has in flight. */
const ACKED_REPORTS = { entries: 1_024 };

const EVIDENCE_LIST = { entries: MAX_EVIDENCE_ENTRIES, bytes: EVIDENCE };
const CHAIN = { entries: MAX_EVIDENCE_ENTRIES };
const BUCKETS = { entries: SKETCH_MAX_BUCKETS };
const PHASES = { entries: TIMED_PHASES.length };

/** Some fifty reasons, each at most once, and room for those of later versions. */
const REASONS = { entries: 128 };

/** Columns of counts by direction: six now, as many again later. */
const DIRECTIONS = { entries: 12 };

/** Twice a list of the catalogue (64), for hosts that are replaced and hosts that are not measured. */
const NOTES = { entries: 128, bytes: TEXT };
const ROWS = { entries: MAX_PAGE_ROWS };

/** Steps of a history, and targets of one answer: no more than its points (history.ts: 1,000 and 20,000). */
const POINTS = { entries: 1_000 };
const HISTORIES = { entries: 20_000 };

/** By the message's full name. Messages without lists, texts and byte fields are not listed. */
export const WIRE_LIMITS: ReadonlyMap<string, MessageLimits> = new Map([
  limit<report.Report>("lifeline.v1.Report", {
    targetIds: { entries: MAX_TARGETS_PER_NODE, bytes: IDENTIFIER },
    windows: { entries: MAX_WINDOWS_PER_REPORT },
  }),
  limit<window.Window>("lifeline.v1.Window", {
    reasons: REASONS,
    reasonCounts: REASONS,
    rttBucketDeltas: BUCKETS,
    rttBucketCounts: BUCKETS,
    phaseCounts: PHASES,
    phaseSumsNs: PHASES,
    phaseMaxesNs: PHASES,
    directions: DIRECTIONS,
    addresses: { entries: ADDRESSES_MAX },
  }),
  limit<window.AddressRun>("lifeline.v1.AddressRun", { address: EVIDENCE }),
  limit<window.Evidence>("lifeline.v1.Evidence", {
    address: EVIDENCE,
    answers: EVIDENCE_LIST,
    addresses: EVIDENCE_LIST,
    code: EVIDENCE,
    tlsVersion: EVIDENCE,
    alpn: EVIDENCE,
    chain: CHAIN,
    redirects: EVIDENCE_LIST,
    localAddress: EVIDENCE,
    proxy: EVIDENCE,
    contentType: EVIDENCE,
    pageTitle: EVIDENCE,
    grpcMessage: EVIDENCE,
  }),
  limit<window.ChainCertificate>("lifeline.v1.ChainCertificate", {
    subject: EVIDENCE,
    issuer: EVIDENCE,
    notBefore: EVIDENCE,
    notAfter: EVIDENCE,
    sha256: EVIDENCE,
  }),
  limit<window.LinkCounters>("lifeline.v1.LinkCounters", { name: EVIDENCE }),

  // The decoder refuses a report that is too large with its field.
  limit<report.ReportEnvelope>("lifeline.v1.ReportEnvelope", { bootId: RANDOM_ID, report: MAX_MESSAGE_BYTES }),
  limit<report.Hello>("lifeline.v1.Hello", {
    nodeId: TEXT,
    bootId: RANDOM_ID,
    agentVersion: TEXT,
    hostname: TEXT,
    roles: { entries: HELLO_LIST.entries },
    ipVersions: { entries: HELLO_LIST.entries },
    siderolinkPrefix: TEXT,
    talosVersion: TEXT,
    planRevision: TEXT,
    resolvers: HELLO_LIST,
    machineApi: TEXT,
    machineApiUnreadable: TEXT,
    addresses: HELLO_LIST,
    gateways: HELLO_LIST,
  }),
  limit<report.ProxyEnvironment>("lifeline.v1.ProxyEnvironment", {
    httpsProxy: TEXT,
    httpProxy: TEXT,
    noProxy: HELLO_LIST,
    httpsProxyFault: TEXT,
  }),
  limit<report.TalosView>("lifeline.v1.TalosView", { siderolinkHost: TEXT, wireguardEndpoint: TEXT }),

  limit<report.Plan>("lifeline.v1.Plan", { revision: IDENTIFIER, caPems: CA_PEMS, targets: PLAN_TARGETS }),
  limit<report.Target>("lifeline.v1.Target", {
    requirementId: IDENTIFIER,
    host: IDENTIFIER,
    redirectScope: IDENTIFIER,
  }),
  limit<report.Trust>("lifeline.v1.Trust", { hostCaSha256: OPTIONS }),
  limit<report.TlsOptions>("lifeline.v1.TlsOptions", { alpn: OPTIONS }),
  limit<report.HttpOptions>("lifeline.v1.HttpOptions", {
    method: IDENTIFIER,
    path: IDENTIFIER,
    version: IDENTIFIER,
    statuses: { entries: OPTIONS.entries },
    body: IDENTIFIER,
    documentedHosts: DOCUMENTED_HOSTS,
  }),
  limit<report.RegistryOptions>("lifeline.v1.RegistryOptions", {
    basePath: IDENTIFIER,
    object: IDENTIFIER,
    namespace: IDENTIFIER,
    documentedHosts: DOCUMENTED_HOSTS,
  }),
  limit<report.GrpcOptions>("lifeline.v1.GrpcOptions", { method: IDENTIFIER, message: IDENTIFIER }),
  limit<report.DnsOptions>("lifeline.v1.DnsOptions", { query: IDENTIFIER, transport: IDENTIFIER, type: IDENTIFIER }),
  limit<report.ProxyEndpoint>("lifeline.v1.ProxyEndpoint", { host: IDENTIFIER, scheme: IDENTIFIER }),
  limit<report.ReportKey>("lifeline.v1.ReportKey", { bootId: RANDOM_ID }),
  limit<report.Ack>("lifeline.v1.Ack", { reports: ACKED_REPORTS }),
  limit<report.Refusal>("lifeline.v1.Refusal", { code: IDENTIFIER, field: TEXT, detail: TEXT }),

  limit<witness.WitnessRequest>("lifeline.v1.WitnessRequest", {
    witnessId: RANDOM_ID,
    sources: SOURCES,
    endpoints: { entries: MAX_EVIDENCE_ENTRIES, bytes: IDENTIFIER },
  }),
  limit<witness.WitnessSource>("lifeline.v1.WitnessSource", { address: IDENTIFIER }),

  limit<enrol.EnrolRequest>("lifeline.v1.EnrolRequest", { joinToken: IDENTIFIER, certificateRequestDer: DER }),
  limit<enrol.EnrolResponse>("lifeline.v1.EnrolResponse", {
    certificateChainDer: { entries: CHAIN_ENTRIES, bytes: DER },
  }),
  limit<enrol.GetFleetCaResponse>("lifeline.v1.GetFleetCaResponse", { caCertificateDer: DER }),
  limit<enrol.RenewRequest>("lifeline.v1.RenewRequest", { certificateRequestDer: DER }),
  limit<enrol.RenewResponse>("lifeline.v1.RenewResponse", {
    certificateChainDer: { entries: CHAIN_ENTRIES, bytes: DER },
  }),

  limit<query.ListVerdictsRequest>("lifeline.v1.ListVerdictsRequest", { nodeId: TEXT, only: TEXT, pageToken: TEXT }),
  limit<query.ListVerdictsResponse>("lifeline.v1.ListVerdictsResponse", {
    rows: ROWS,
    nextPageToken: TEXT,
    catalogueVersion: TEXT,
  }),
  limit<query.VerdictRow>("lifeline.v1.VerdictRow", {
    nodeId: IDENTIFIER,
    requirementId: IDENTIFIER,
    targetId: TEXT,
    endpoint: TEXT,
    probe: IDENTIFIER,
    cause: IDENTIFIER,
    evidence: TEXT,
    nextStep: TEXT,
    followsFrom: TEXT,
    udpEvidence: IDENTIFIER,
    proxy: TEXT,
    notes: NOTES,
  }),
  limit<query.ListNodesRequest>("lifeline.v1.ListNodesRequest", { pageToken: TEXT }),
  limit<query.ListNodesResponse>("lifeline.v1.ListNodesResponse", { nodes: ROWS, nextPageToken: TEXT }),
  limit<query.NodeSummary>("lifeline.v1.NodeSummary", {
    nodeId: IDENTIFIER,
    hostname: IDENTIFIER,
    agentVersion: IDENTIFIER,
  }),
  limit<query.GetNodeRequest>("lifeline.v1.GetNodeRequest", { nodeId: TEXT }),
  limit<query.GetNodeResponse>("lifeline.v1.GetNodeResponse", { rows: ROWS, incidents: ROWS, boots: ROWS }),
  limit<query.BootCount>("lifeline.v1.BootCount", { bootId: RANDOM_ID }),
  limit<query.ListIncidentsRequest>("lifeline.v1.ListIncidentsRequest", { nodeId: TEXT, pageToken: TEXT }),
  limit<query.ListIncidentsResponse>("lifeline.v1.ListIncidentsResponse", { incidents: ROWS, nextPageToken: TEXT }),
  limit<query.Incident>("lifeline.v1.Incident", {
    nodeId: IDENTIFIER,
    requirementId: IDENTIFIER,
    targetId: TEXT,
    cause: IDENTIFIER,
    evidence: TEXT,
    nextStep: TEXT,
  }),
  limit<query.ListHistoryRequest>("lifeline.v1.ListHistoryRequest", { nodeId: TEXT, only: TEXT }),
  limit<query.ListHistoryResponse>("lifeline.v1.ListHistoryResponse", { targets: HISTORIES }),
  limit<query.TargetHistory>("lifeline.v1.TargetHistory", {
    requirementId: IDENTIFIER,
    targetId: TEXT,
    points: POINTS,
  }),

  limit<admin.JoinToken>("lifeline.v1.JoinToken", { id: IDENTIFIER, note: TEXT, nodePattern: TEXT }),
  limit<admin.CreateJoinTokenRequest>("lifeline.v1.CreateJoinTokenRequest", { note: TEXT, nodePattern: TEXT }),
  limit<admin.CreateJoinTokenResponse>("lifeline.v1.CreateJoinTokenResponse", {
    joinToken: IDENTIFIER,
    caFingerprint: IDENTIFIER,
  }),
  limit<admin.ListJoinTokensResponse>("lifeline.v1.ListJoinTokensResponse", { tokens: ROWS }),
  limit<admin.RevokeJoinTokenRequest>("lifeline.v1.RevokeJoinTokenRequest", { id: TEXT }),
  limit<admin.Enrolment>("lifeline.v1.Enrolment", {
    nodeId: IDENTIFIER,
    keySha256: IDENTIFIER,
    joinTokenId: IDENTIFIER,
    lastRefusedClaimFrom: IDENTIFIER,
  }),
  limit<admin.ListEnrolmentsRequest>("lifeline.v1.ListEnrolmentsRequest", { nodeId: TEXT, pageToken: TEXT }),
  limit<admin.ListEnrolmentsResponse>("lifeline.v1.ListEnrolmentsResponse", { enrolments: ROWS, nextPageToken: TEXT }),
  limit<admin.RevokeNodeRequest>("lifeline.v1.RevokeNodeRequest", { nodeId: TEXT }),
  limit<admin.ReadmitNodeRequest>("lifeline.v1.ReadmitNodeRequest", { nodeId: TEXT }),
]);
