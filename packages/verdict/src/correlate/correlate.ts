/**
 * Correlates the targets of a node. Each rule has its own file and changes one entry at a time.
 *
 * 1. A name without an address of one family is no fault while it has one of the other family. The name itself is at
 *    fault where it does not exist, or its resolver answers for other names only.
 * 2. Only an answer over the same path settles UDP silence. Otherwise the verdict stays unknown (M4).
 * 3. A rule narrows a cause only by evidence, and adds it to the text.
 * 4. A symptom names the fault that causes it, and keeps its own verdict.
 */
import type { Entry } from "../entry.ts";
import { withCertificateCause } from "./certificate-cause.ts";
import { withCertificateDates } from "./certificate-dates.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { withDrift } from "./dns-drift.ts";
import { withFamilyPath } from "./family-path.ts";
import { withGrpcTunnel } from "./grpc-tunnel.ts";
import { withHairpin } from "./hairpin.ts";
import { withLoginPage } from "./login-page.ts";
import { withMissingAddress } from "./missing-address.ts";
import { withMissingName } from "./missing-name.ts";
import { withNameFault } from "./name-fault.ts";
import { withOneFamily } from "./one-family-resolver.ts";
import { withOtherMirror } from "./other-mirror.ts";
import { withOtherOmni } from "./other-omni.ts";
import { withOutlivedLoss } from "./outlived-loss.ts";
import { withPathMtu } from "./path-mtu.ts";
import { withProxyPath } from "./proxy-path.ts";
import { withRandomLoss } from "./random-loss.ts";
import { withRootCause } from "./root-cause.ts";
import { withUnresponsiveServer } from "./server-unresponsive.ts";
import { withStandby } from "./standby-endpoint.ts";
import { withTimeProof } from "./time-proof.ts";
import { withTlsFilter } from "./tls-filter.ts";
import { withTunnelFault } from "./tunnel-fault.ts";
import { withTunnelLink } from "./tunnel-link.ts";
import { withConfirmation, withUdpEvidence } from "./udp-evidence.ts";
import { withUntrustedChain } from "./untrusted-chain.ts";

type CorrelationRule = (entry: Entry, entries: readonly Entry[], context: CorrelationContext) => Entry;

/** The order matters: a rule uses the results of those before it. */
const RULES: readonly CorrelationRule[] = [
  withMissingAddress,
  withMissingName,
  withNameFault,
  withRandomLoss,
  withOneFamily,
  withCertificateDates,
  withCertificateCause,
  withUntrustedChain,
  withTlsFilter,
  withLoginPage,
  withDrift,
  withProxyPath,
  withOutlivedLoss,
  withPathMtu,
  withUnresponsiveServer,
  withGrpcTunnel,
  withConfirmation,
  withTunnelFault,
  withTunnelLink,
  withStandby,
  withUdpEvidence,
  withHairpin,
  withOtherOmni,
  withTimeProof,
  withOtherMirror,
  withFamilyPath,
  withRootCause,
];

/** The entries after every rule. */
export function correlate(entries: readonly Entry[], context: CorrelationContext): readonly Entry[] {
  return RULES.reduce((known, rule) => known.map((entry) => rule(entry, known, context)), entries);
}
