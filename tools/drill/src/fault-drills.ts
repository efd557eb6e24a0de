/** Every fault that the lab can make, and the cause that must be reported for it (docs/causes.md). */
import type { PathFaultSpec, Refusal } from "@lifeline/lab";
import type { Cause } from "@lifeline/measure";
import type { FaultDrill } from "./fault-drill.ts";
import { MACHINE_API, mode, path, SIDEROLINK, tunnel } from "./injection.ts";
import { OMNI_NAME, PORTS, PUBLIC_NAME, proxyEnvironment } from "./lab-programs.ts";
import { OUTAGE_DRILLS } from "./outage-drills.ts";

type Short = Omit<FaultDrill, "expected" | "hard">;

function siderolink(cause: Cause, drill: Short): FaultDrill {
  return { ...drill, expected: { cause, requirement: "siderolink-endpoint" }, hard: true };
}

function machineApi(cause: Cause, drill: Short): FaultDrill {
  return { ...drill, expected: { cause, requirement: "machine-api" }, hard: true };
}

const rejected = (refusal: Refusal): PathFaultSpec => ({ kind: "reject", traffic: SIDEROLINK, refusal });

const SIDEROLINK_DRILLS: readonly FaultDrill[] = [
  siderolink("forward-path-blocked", {
    name: "siderolink-forward-dropped",
    what: "a firewall drops UDP to the SideroLink port",
    inject: path({ kind: "drop", traffic: SIDEROLINK, direction: "forward" }),
  }),
  siderolink("return-path-blocked", {
    name: "siderolink-return-dropped",
    what: "a firewall drops the SideroLink port's answers",
    inject: path({ kind: "drop", traffic: SIDEROLINK, direction: "return" }),
  }),
  siderolink("udp-blocked", {
    name: "siderolink-dropped-behind-nat",
    what: "a firewall drops UDP both ways, and a NAT hides the node from the witness",
    only: "hidden",
    inject: path({ kind: "drop", traffic: SIDEROLINK }),
  }),
  siderolink("forward-path-blocked", {
    name: "siderolink-inspected",
    what: "a firewall that looks inside drops WireGuard and lets other UDP to the same port pass",
    inject: path({ kind: "drop", traffic: { ...SIDEROLINK, wireguardOnly: true }, direction: "forward" }),
  }),
  siderolink("wrong-endpoint", {
    name: "siderolink-refused",
    what: "port-unreachable comes back, as from a host that does not listen there",
    inject: path(rejected("port-unreachable")),
  }),
  siderolink("filtered", {
    name: "siderolink-prohibited",
    what: "a firewall says that it prohibits UDP to the SideroLink port",
    inject: path(rejected("admin-prohibited")),
  }),
  siderolink("tunnel-stale", {
    name: "siderolink-peer-lost",
    what: "Omni no longer has the node's key",
    inject: tunnel("stale"),
  }),
  {
    name: "siderolink-one-endpoint",
    what: "one of two advertised endpoints, the one over IPv6, is dropped",
    expected: { cause: "timeout", requirement: "siderolink-endpoint", probe: "stamp" },
    // The same silence at the same endpoint, for large packets.
    besides: ["timeout"],
    hard: true,
    inject: (testBed, node) =>
      path({ kind: "drop", traffic: { ...SIDEROLINK, host: testBed.net.omni.outer.ipv6 } })(testBed, node),
  },
  {
    name: "siderolink-black-hole",
    what: "packets over 1,300 bytes are dropped, without an ICMP error",
    settled: true,
    expected: { cause: "path-mtu", requirement: "siderolink-internal-address" },
    besides: ["path-mtu"],
    hard: true,
    inject: path({ kind: "mtu-black-hole", maxBytes: 1_300 }),
  },
  {
    name: "siderolink-loss",
    what: "one packet in four is lost on its way to the SideroLink port",
    expected: { cause: "loss", requirement: "siderolink-endpoint", probe: "stamp" },
    // Of so many, three in a row may be lost.
    besides: ["loss", "timeout"],
    hard: false,
    // Enough that the verdict cannot lapse by chance: of sixty packets at 10 %, two or fewer are lost once in twenty
    // times.
    inject: path({ kind: "loss", ratio: 0.25, traffic: SIDEROLINK, direction: "forward" }),
  },
  {
    name: "siderolink-not-joined",
    what: "the node has no siderolink interface",
    expected: { cause: "not-joined", requirement: "siderolink-interface" },
    hard: true,
    inject: tunnel("not-joined"),
  },
  {
    name: "siderolink-no-ipv6",
    what: "the kernel of the node has IPv6 off on the tunnel's interface",
    expected: { cause: "ipv6-disabled", requirement: "siderolink-interface" },
    hard: true,
    inject: tunnel("no-ipv6"),
  },
];

const tcpRejected = (refusal: Refusal): PathFaultSpec => ({ kind: "reject", traffic: MACHINE_API, refusal });

const MACHINE_API_DRILLS: readonly FaultDrill[] = [
  machineApi("refused", {
    name: "machine-api-refused",
    what: "a reset comes back from the Machine API's port",
    inject: path(tcpRejected("tcp-reset")),
  }),
  machineApi("timeout", {
    name: "machine-api-dropped",
    what: "a firewall drops TCP to the Machine API",
    inject: path({ kind: "drop", traffic: MACHINE_API }),
  }),
  machineApi("unreachable", {
    name: "machine-api-unreachable",
    what: "a router says that the host of the Machine API is unreachable",
    inject: path(tcpRejected("host-unreachable")),
  }),
  machineApi("filtered", {
    name: "machine-api-prohibited",
    what: "a firewall says that it prohibits TCP to the Machine API",
    // For TCP over IPv4, Linux reports this as an unreachable host (icmp_err_convert: both are EHOSTUNREACH).
    besides: ["unreachable"],
    inject: path(tcpRejected("admin-prohibited")),
  }),
  machineApi("reset", {
    name: "machine-api-cut",
    what: "connections to the Machine API are made, then reset",
    inject: path({ kind: "midstream-reset", port: PORTS.machineApi }),
  }),
  machineApi("timeout", {
    name: "machine-api-stalled",
    what: "the Machine API accepts connections and says nothing",
    inject: mode("machine-api", "stall"),
  }),
  machineApi("grpc-protocol", {
    name: "reverse-proxy-html",
    what: "a reverse proxy answers the Machine API's calls with a page",
    inject: mode("machine-api", "html-200"),
  }),
  machineApi("upstream-down", {
    name: "reverse-proxy-502",
    what: "a reverse proxy answers the Machine API's calls with 502",
    inject: mode("machine-api", "html-502"),
  }),
  machineApi("upstream-down", {
    name: "reverse-proxy-upstream-dead",
    what: "a gRPC proxy in front of the Machine API has no upstream (gRPC status 14)",
    inject: mode("machine-api", "grpc-unavailable"),
  }),
  machineApi("tls-protocol", {
    name: "reverse-proxy-http1",
    what: "a reverse proxy in front of the Machine API does not speak HTTP/2",
    inject: mode("machine-api", "http1-only"),
  }),
];

function api(cause: Cause, drill: Short): FaultDrill {
  return { ...drill, expected: { cause, requirement: "api-endpoint" }, hard: true };
}

const WEB_DRILLS: readonly FaultDrill[] = [
  api("upstream-down", {
    name: "api-503",
    what: "the API answers 503",
    inject: mode("api", "http-503"),
  }),
  api("unexpected-page", {
    name: "api-login-page",
    what: "a captive portal answers the API's requests with a log-in page and status 200",
    inject: mode("api", "captive-page"),
  }),
  api("http-redirected", {
    name: "captive-page",
    what: "a captive portal redirects to another host",
    inject: mode("api", "redirect"),
  }),
  api("tls-expired", {
    name: "certificate-expired",
    what: "the API's certificate has expired",
    inject: mode("api", "expired"),
  }),
  api("tls-not-yet-valid", {
    name: "certificate-not-yet-valid",
    what: "the API's certificate begins tomorrow, and the node's clock agrees with the collector's",
    inject: mode("api", "not-yet-valid"),
  }),
  api("tls-name", {
    name: "certificate-wrong-name",
    what: "the API's certificate is for another name",
    inject: mode("api", "wrong-name"),
  }),
  api("tls-incomplete-chain", {
    name: "certificate-no-intermediate",
    what: "the API sends its certificate without the intermediate one",
    inject: mode("api", "missing-intermediate"),
  }),
  {
    name: "tls-intercepted",
    what: "a middlebox ends TLS to a public registry with a certificate of its own",
    expected: { cause: "tls-intercepted", requirement: "public-registry" },
    hard: true,
    inject: mode("public", "intercepted", [PUBLIC_NAME]),
  },
];

function dns(cause: Cause, drill: Short): FaultDrill {
  return { ...drill, expected: { cause, requirement: "node-dns-udp" }, besides: [cause], hard: true };
}

const DNS_DRILLS: readonly FaultDrill[] = [
  {
    name: "dns-nxdomain",
    what: "the resolver says that no name exists",
    expected: { cause: "dns-nxdomain", requirement: "api-endpoint" },
    besides: ["dns-nxdomain"],
    hard: true,
    inject: mode("dns", "nxdomain"),
  },
  dns("dns-servfail", { name: "dns-servfail", what: "the resolver fails", inject: mode("dns", "servfail") }),
  dns("dns-refused", { name: "dns-refused", what: "the resolver refuses", inject: mode("dns", "refused") }),
  dns("timeout", {
    name: "dns-silent",
    what: "the resolver says nothing",
    inject: mode("dns", "silent"),
  }),
  {
    name: "dns-drift",
    what: "the API's name resolves to addresses where nothing answers",
    expected: { cause: "dns-drift", requirement: "api-endpoint" },
    hard: true,
    inject: mode("dns", "drift", [OMNI_NAME]),
  },
];

const PROXY_DRILLS: readonly FaultDrill[] = [
  {
    name: "proxy-forbids",
    what: "the HTTP proxy refuses CONNECT",
    only: "hidden",
    expected: { cause: "proxy", requirement: "public-registry" },
    besides: ["proxy"],
    hard: true,
    inject: mode("proxy", "forbidden"),
  },
  {
    name: "proxy-down",
    what: "connections to the HTTP proxy are reset",
    only: "hidden",
    expected: { cause: "proxy", requirement: "public-registry" },
    besides: ["proxy"],
    hard: true,
    inject: mode("proxy", "reset"),
  },
  {
    name: "no-proxy-without-tunnel",
    untargeted: true,
    what: "the agent's NO_PROXY lacks the tunnel's prefix",
    only: "hidden",
    expected: { cause: "no-proxy", requirement: "tunnel-bypasses-proxy" },
    // An agent restart takes longer than a dropped packet.
    hard: false,
    async inject(testBed, node) {
      await testBed.restartAgent(node, proxyEnvironment(testBed.net, "localhost"));
      return () => testBed.restartAgent(node);
    },
  },
];

const NODE_DRILLS: readonly FaultDrill[] = [
  {
    name: "duplicate-node",
    untargeted: true,
    // The second machine is the hidden node, on which no drill may run meanwhile.
    among: "alone",
    what: "another machine goes by the node's id",
    expected: { cause: "duplicate-node", requirement: "node-unique" },
    // Two agents with one id look like one that restarts until each has reported more than once.
    hard: false,
    async inject(testBed, node) {
      const second = await testBed.impersonate(testBed.hiddenNode, node.name);
      return async () => {
        await second.end();
      };
    },
  },
];

/** All drills, in the order in which they are run. */
export const FAULT_DRILLS: readonly FaultDrill[] = [
  ...SIDEROLINK_DRILLS,
  ...MACHINE_API_DRILLS,
  ...WEB_DRILLS,
  ...DNS_DRILLS,
  ...PROXY_DRILLS,
  ...NODE_DRILLS,
  ...OUTAGE_DRILLS,
];
