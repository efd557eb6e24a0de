export {
  type AddressScope,
  addressScope,
  isWithin,
  REDIRECT_SCOPES,
  type RedirectScope,
} from "./address-scope.ts";
export {
  type Clock,
  type ManualClock,
  manualClock,
  NS_PER_MS,
  NS_PER_US,
  pause,
  systemClock,
  type Timer,
} from "./clock.ts";
export { documentedRedirect, matchesHost, matchesWildcard } from "./host-pattern.ts";
export {
  type Blame,
  CAUSES,
  type Cause,
  isFlawless,
  isSilence,
  LATE_WATCH_MS,
  OUTCOME_KINDS,
  type Outcome,
  type OutcomeClass,
  type OutcomeKind,
  outcomeClassOf,
  PHASES,
  type Phase,
  REASONS,
  type Reason,
  reasonFacts,
} from "./outcome.ts";
export { guardProcess } from "./process-guard.ts";
export { RecentMap } from "./recent-map.ts";
export type {
  ChainCertificate,
  DirectionCounts,
  Evidence,
  LinkCounters,
  PhaseDurations,
  RttSource,
  Sample,
  TimeAnswer,
} from "./sample.ts";
export {
  BURST_FACTOR_MAX,
  detailOf,
  endpointName,
  type GrpcExpectation,
  type HttpExpectation,
  type IpFamily,
  PROBE_KINDS,
  PROXY_SCHEMES,
  type ProbeKind,
  type ProbeOptions,
  type ProxyEndpoint,
  type ProxyScheme,
  proxyName,
  RECORD_TYPES,
  type RecordType,
  type RegistryExpectation,
  recordTypeOf,
  requirementIdOf,
  type Target,
  type Trust,
  TUNNEL_LINK,
  targetId,
  targetPlace,
} from "./target.ts";
export {
  certificatesOf,
  isAlpnName,
  isCertificatesPem,
  isDnsName,
  isGrpcMethod,
  isHostPattern,
  isRegistryObject,
  isRegistryPath,
  isRequestPath,
  isTargetHost,
  literalFamily,
  TARGET_TEXT_WANTED,
} from "./target-text.ts";
export { tlsAlertName, tlsAlertNumber } from "./tls-alert.ts";
export { KeyedTokenBuckets, type RateLimit, TokenBucket } from "./token-bucket.ts";
export { LIFELINE_VERSION } from "./version.ts";
export { visibleJsonLine, visibleLines, visibleText } from "./visible-text.ts";
