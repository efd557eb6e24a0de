import { isFlawless, REASONS, type Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { nextStepFor } from "./next-step.ts";
import { DNS, STAMP, TCP, targetOf, UDP } from "./testing/judgement-fixture.ts";

/** Who acts first, by the reason; complete by type. */
const OWNERS: Record<Reason, RegExp> = {
  answered: /^$/,
  "dns-nxdomain": /^Owner of the zone of omni\.test: create the name/,
  "dns-nodata": /^Owner of the zone of omni\.test: give the name an address/,
  "dns-servfail": /^Network team: make the node's resolvers answer for omni\.test/,
  "dns-refused": /^Network team: make the node's resolvers answer for omni\.test/,
  "dns-timeout": /^Network team: make the node's resolvers answer for omni\.test/,
  "dns-unreachable": /^Network team: make the node's resolvers answer for omni\.test/,
  "dns-malformed": /^Network team: make the node's resolvers answer for omni\.test/,
  refused: /^Owner of omni\.test:443: start the service or correct the port/,
  timeout: /^Network team: allow TCP port 443 from this node to omni\.test:443/,
  late: /^Network team: look for queueing, overload or a detour/,
  "syn-lost": /^Network team: look for a lossy link/,
  "host-unreachable": /^Network team: restore the route to omni\.test:443/,
  "network-unreachable": /^Node owner: give the node an IPv4 route to omni\.test:443/,
  "admin-prohibited": /^Network team: allow TCP port 443/,
  reset: /^Network team: look for a firewall or proxy that cuts connections to omni\.test:443/,
  "handshake-timeout": /^Network team: look for a device that accepts connections to omni\.test:443/,
  "tls-untrusted": /^Network team: exempt omni\.test:443 from TLS interception/,
  "tls-name-mismatch": /^Owner of omni\.test: serve a certificate that names omni\.test/,
  "tls-not-yet-valid": /^Node owner: correct the node's clock/,
  "tls-expired": /^Owner of omni\.test: renew the certificate/,
  "tls-protocol": /^Omni owner: check the reverse proxy in front of omni\.test:443/,
  "tls-alert": /^Omni owner: check the reverse proxy in front of omni\.test:443/,
  "tls-plaintext": /^Owner of omni\.test:443: serve TLS at this port/,
  "alpn-mismatch": /^Omni owner: check the reverse proxy in front of omni\.test:443/,
  "http-status": /^Owner of omni\.test:443: read its log/,
  "http-redirected": /^Network team: exempt this node's traffic to omni\.test:443/,
  "http-protocol": /^Omni owner: check the reverse proxy/,
  "grpc-protocol": /^Omni owner: check the reverse proxy/,
  "stamp-malformed": /^Omni owner: check that a STAMP reflector/,
  "answer-servfail": /^Owner of the resolver omni\.test:443: find out why it fails/,
  "answer-refused": /^Owner of the resolver omni\.test:443: let it answer this node/,
  "answer-malformed": /^Owner of the resolver omni\.test:443: let it answer this node/,
  silent: /^Omni owner: run a STAMP reflector that shares omni\.test:443/,
  stalled: /^Node owner: give the agent the CPU, memory and permissions it needs/,
  "agent-overload": /^Node owner: give the agent the CPU/,
  "agent-resource": /^Node owner: give the agent the CPU/,
  "stamp-unkeyed": /^Node owner: give the agent the reflector's key/,
  "tls-incomplete-chain": /^Owner of omni\.test: serve the intermediate certificates/,
  "proxy-unreachable": /^Network team: make the HTTP proxy reachable/,
  "proxy-refused": /^Owner of the HTTP proxy: allow CONNECT to omni\.test:443/,
  "proxy-auth": /^Node owner: give the agent the credentials of the HTTP proxy/,
  "mtu-too-small": /^Network team: let packets of 1,360 bytes pass to omni\.test:443/,
  "link-alive": /^$/,
  "link-idle": /^See the rows inside the tunnel/,
  "link-frozen": /^See the rows of the Machine API/,
  "link-absent": /^Node owner: find out why this node has not joined Omni/,
  "link-no-address": /^Node owner: enable IPv6/,
  "rate-limited": /^Owner of omni\.test:443: raise the limit/,
  "rate-held": /^Owner of omni\.test:443: raise the limit/,
  "unexpected-page": /^Network team: exempt omni\.test:443 from login and block pages/,
  "upstream-down": /^Owner of omni\.test:443: start the service behind the reverse proxy/,
  "grpc-other-server": /^Omni owner: let the reverse proxy at omni\.test:443 pass gRPC/,
  "grpc-denied": /^Omni owner: let the proxy in front of omni\.test:443 pass calls of nodes/,
  "grpc-credentials": /^Omni owner: exempt omni\.test:443 from authentication/,
  "grpc-status": /^Omni owner: read the log/,
  "not-a-registry": /^Owner of omni\.test:443: serve the registry API/,
  "registry-private": /^$/,
  "object-missing": /^Owner of omni\.test:443: find out why this public image does not exist/,
  "object-unproven": /^Deployment owner: name an image that omni\.test:443 has/,
  "token-host-unreachable": /^Network team: allow this node TCP 443 to the host named here, .* of omni\.test:443\.$/,
  "token-host-undocumented": /^Deployment owner: if omni\.test:443 is to take its tokens .* as egress\.redirectHosts/,
  "redirect-not-allowed": /^Network team: find out why omni\.test resolves to an address inside/,
  "time-unsynchronised": /^Owner of the time server omni\.test: restore its own time source/,
  "ntp-stray": /^Network team: exempt this node's NTP to omni\.test from interception/,
  "nts-key-exchange": /^Network team: look for a device that answers in place of the time server at omni\.test:443/,
  "nts-refused": /^Owner of the time server omni\.test: let its NTS key exchange offer/,
  "nts-silent":
    /^Network team: allow UDP port 123 with NTS extension fields from this node to the time server of omni\.test/,
  "nts-unproven": /^Network team: exempt this node's NTP to the time server of omni\.test from interception/,
  "nts-nak": /^Owner of the time server omni\.test: give the key exchange and the time servers the same cookie keys/,
  "proxy-auth-scheme": /^Owner of the HTTP proxy: accept Basic authentication/,
  "proxy-untrusted": /^Deployment owner: name the CA of the proxy as egress\.caFile/,
  "tunnel-one-way": /^Network team: allow/,
};

describe("the next step", () => {
  it("in the tunnel is no firewall's, which sees none of its ports", () => {
    const inside = targetOf(TCP, { host: "fdae::1", family: 6, inTunnel: true });
    for (const reason of ["timeout", "tunnel-one-way", "admin-prohibited"] as const) {
      expect(nextStepFor(reason, inside)).toMatch(/^Omni owner: if the rows of .* let Omni's host answer this port/);
    }
  });

  it.each(REASONS.map((reason) => ({ reason })))("after $reason names who acts", ({ reason }) => {
    const step = nextStepFor(reason, targetOf(TCP));
    expect(step).toMatch(OWNERS[reason]);
    expect(step === "").toBe(isFlawless(reason));
    expect(step === "" || step.endsWith(".")).toBe(true);
  });

  it.each([
    [TCP, "TCP port 443"],
    [UDP, "UDP port 443"],
    [STAMP, "UDP port 443"],
    [DNS, "UDP port 443"],
    [{ probe: "ntp" } as const, "UDP port 443"],
    [{ probe: "nts", trust: { kind: "public" } } as const, "TCP port 443"],
    [{ ...DNS, transport: "tcp" } as typeof DNS, "TCP port 443"],
  ])("of a firewall names the transport: %j", (options, transport) => {
    expect(nextStepFor("timeout", targetOf(options))).toContain(`allow ${transport} from`);
  });
});
