/**
 * Translates between the words of the code and the enum numbers of the wire. The compiler checks that each table is
 * total in both directions.
 */
import type { OutcomeClass, Phase, Reason } from "@lifeline/measure";
import {
  OutcomeClass as WireOutcomeClass,
  Phase as WirePhase,
  Reason as WireReason,
} from "./gen/lifeline/v1/window_pb.ts";
import { refuse } from "./malformed.ts";

/** Translates one enum in both directions. */
export interface Words<Word extends string, Number_ extends number> {
  toWire(word: Word): Number_;
  fromWire(field: string, number: Number_): Word;
}

function words<Word extends string, Number_ extends number>(table: Record<Word, Number_>): Words<Word, Number_> {
  const back = new Map<number, Word>();
  for (const word of Object.keys(table) as Word[]) back.set(table[word], word);
  const expected = "a number that this version knows";
  return {
    toWire: (word) => table[word],
    fromWire: (field, number) => back.get(number) ?? refuse(field, number, expected),
  };
}

export const reasonWords = words<Reason, WireReason>({
  answered: WireReason.ANSWERED,
  "dns-nxdomain": WireReason.DNS_NXDOMAIN,
  "dns-nodata": WireReason.DNS_NODATA,
  "dns-servfail": WireReason.DNS_SERVFAIL,
  "dns-refused": WireReason.DNS_REFUSED,
  "dns-timeout": WireReason.DNS_TIMEOUT,
  "dns-unreachable": WireReason.DNS_UNREACHABLE,
  "dns-malformed": WireReason.DNS_MALFORMED,
  refused: WireReason.REFUSED,
  timeout: WireReason.TIMEOUT,
  "host-unreachable": WireReason.HOST_UNREACHABLE,
  "network-unreachable": WireReason.NETWORK_UNREACHABLE,
  "admin-prohibited": WireReason.ADMIN_PROHIBITED,
  reset: WireReason.RESET,
  "handshake-timeout": WireReason.HANDSHAKE_TIMEOUT,
  "tls-untrusted": WireReason.TLS_UNTRUSTED,
  "tls-name-mismatch": WireReason.TLS_NAME_MISMATCH,
  "tls-not-yet-valid": WireReason.TLS_NOT_YET_VALID,
  "tls-expired": WireReason.TLS_EXPIRED,
  "tls-protocol": WireReason.TLS_PROTOCOL,
  "alpn-mismatch": WireReason.ALPN_MISMATCH,
  "http-status": WireReason.HTTP_STATUS,
  "http-redirected": WireReason.HTTP_REDIRECTED,
  "http-protocol": WireReason.HTTP_PROTOCOL,
  "grpc-protocol": WireReason.GRPC_PROTOCOL,
  "stamp-malformed": WireReason.STAMP_MALFORMED,
  silent: WireReason.SILENT,
  late: WireReason.LATE,
  stalled: WireReason.STALLED,
  "agent-overload": WireReason.AGENT_OVERLOAD,
  "agent-resource": WireReason.AGENT_RESOURCE,
  "answer-servfail": WireReason.ANSWER_SERVFAIL,
  "answer-refused": WireReason.ANSWER_REFUSED,
  "answer-malformed": WireReason.ANSWER_MALFORMED,
  "stamp-unkeyed": WireReason.STAMP_UNKEYED,
  "tls-incomplete-chain": WireReason.TLS_INCOMPLETE_CHAIN,
  "proxy-unreachable": WireReason.PROXY_UNREACHABLE,
  "proxy-refused": WireReason.PROXY_REFUSED,
  "proxy-auth": WireReason.PROXY_AUTH,
  "mtu-too-small": WireReason.MTU_TOO_SMALL,
  "link-alive": WireReason.LINK_ALIVE,
  "link-idle": WireReason.LINK_IDLE,
  "link-frozen": WireReason.LINK_FROZEN,
  "link-absent": WireReason.LINK_ABSENT,
  "link-no-address": WireReason.LINK_NO_ADDRESS,
  "tls-alert": WireReason.TLS_ALERT,
  "tls-plaintext": WireReason.TLS_PLAINTEXT,
  "syn-lost": WireReason.SYN_LOST,
  "rate-limited": WireReason.RATE_LIMITED,
  "rate-held": WireReason.RATE_HELD,
  "unexpected-page": WireReason.UNEXPECTED_PAGE,
  "upstream-down": WireReason.UPSTREAM_DOWN,
  "grpc-other-server": WireReason.GRPC_OTHER_SERVER,
  "grpc-denied": WireReason.GRPC_DENIED,
  "grpc-credentials": WireReason.GRPC_CREDENTIALS,
  "grpc-status": WireReason.GRPC_STATUS,
  "not-a-registry": WireReason.NOT_A_REGISTRY,
  "registry-private": WireReason.REGISTRY_PRIVATE,
  "object-missing": WireReason.OBJECT_MISSING,
  "object-unproven": WireReason.OBJECT_UNPROVEN,
  "token-host-undocumented": WireReason.TOKEN_HOST_UNDOCUMENTED,
  "token-host-unreachable": WireReason.TOKEN_HOST_UNREACHABLE,
  "redirect-not-allowed": WireReason.REDIRECT_NOT_ALLOWED,
  "time-unsynchronised": WireReason.TIME_UNSYNCHRONISED,
  "ntp-stray": WireReason.NTP_STRAY,
  "nts-key-exchange": WireReason.NTS_KEY_EXCHANGE,
  "nts-refused": WireReason.NTS_REFUSED,
  "nts-silent": WireReason.NTS_SILENT,
  "nts-unproven": WireReason.NTS_UNPROVEN,
  "nts-nak": WireReason.NTS_NAK,
  "proxy-auth-scheme": WireReason.PROXY_AUTH_SCHEME,
  "proxy-untrusted": WireReason.PROXY_UNTRUSTED,
  "tunnel-one-way": WireReason.TUNNEL_ONE_WAY,
});

export const phaseWords = words<Phase, WirePhase>({
  plan: WirePhase.PLAN,
  dns: WirePhase.DNS,
  connect: WirePhase.CONNECT,
  tls: WirePhase.TLS,
  request: WirePhase.REQUEST,
  "first-byte": WirePhase.FIRST_BYTE,
  proxy: WirePhase.PROXY,
});

export const outcomeClassWords = words<OutcomeClass, WireOutcomeClass>({
  good: WireOutcomeClass.GOOD,
  bad: WireOutcomeClass.BAD,
  inconclusive: WireOutcomeClass.INCONCLUSIVE,
  silent: WireOutcomeClass.SILENT,
});
