import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAlpnName, isCertificatesPem, isDnsName, isRequestPath, isTargetHost, literalFamily } from "./target-text.ts";
import { CA_PEM } from "./testing/ca-certificate.ts";

describe("an address literal", () => {
  it.each([
    ["192.0.2.1", 4],
    ["192.0.2.01", undefined],
    ["::1", 6],
    ["::ffff:127.0.0.1", 6],
    ["::ffff:127.0.0.01", undefined],
    ["fe80::1%eth0", 6],
    ["FE80::1%br-0.10", 6],
    ["fe80::1%", undefined],
    ["fe80::1%eth0:53", undefined],
    ["fe80::1%sixteen-chars-16", undefined],
    ["2001:db8::1%eth0", undefined],
    ["192.0.2.1%eth0", undefined],
    ["[::1]", undefined],
    ["omni.example", undefined],
  ])("is a host that Node connects to without a lookup: %s", (text, family) => {
    expect(literalFamily(text)).toBe(family);
  });
});

describe("a target's host", () => {
  const label = "a".repeat(63);
  it.each([
    ["omni.example"],
    ["OMNI.example."],
    ["my_proxy"],
    ["xn--bcher-kva.example"],
    ["192.0.2.1"],
    ["2001:DB8:0:0::1"],
    ["::ffff:192.0.2.1"],
    ["fe80::53%eth0"],
    [`${label}.${label}.${label}.${"a".repeat(61)}`],
  ])("may be %s", (host) => expect(isTargetHost(host)).toBe(true));

  it.each([
    ["empty", ""],
    ["a space", "omni example"],
    ["a path", "omni.example/x"],
    ["credentials", "user@omni.example"],
    ["a port", "omni.example:443"],
    ["brackets", "[::1]"],
    ["a zone at an address that is not link-local", "2001:db8::1%eth0"],
    ["a character outside ASCII", "bücher.example"],
    ["a wildcard", "*.example"],
    ["an empty label", "omni..example"],
    ["a long label", `a${label}.example`],
    ["a long name", `${label}.${label}.${label}.${"a".repeat(62)}`],
    ["a shortened IPv4 address", "192.0.513"],
    ["an IPv4 address in hexadecimal", "0x7f.1"],
    ["a number as its last label", "omni.1"],
  ])("may not have %s", (_, host) => expect(isTargetHost(host)).toBe(false));

  it("is the same in a URL", () => {
    const piece = fc.constantFrom("a", "1", "0x", "xn--", ".", "-", "_", "%", " ", "ü", ":", "[", "]", "@", "/");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const host = pieces.join("");
        if (!isTargetHost(host) || literalFamily(host) !== undefined) return;
        expect(new URL(`https://${host}:8443/`).host).toBe(`${host}:8443`);
      }),
      { numRuns: 2_000 },
    );
  });
});

it.each([
  ["_dmarc.example.", true],
  ["a b.example", false],
  ["a..example", false],
  ["", false],
  [`${"a".repeat(64)}.example`, false],
  ["é.example", false],
])("a name that DNS can query: %j %s", (name, isOne) => expect(isDnsName(name)).toBe(isOne));

it.each([
  ["/", true],
  ["/v2/?a=b&c=%20;@:!$'()*+,~", true],
  ["//two", true],
  ["", false],
  ["v2", false],
  ["/a b", false],
  ["/a#b", false],
  ["/é", false],
  ["/☃", false],
  ["/%zz", false],
  ["/%2", false],
  ["/a\r\nHost: b", false],
  ['/"<>\\^`{|}[]', false],
])("a path of a request: %j %s", (path, isOne) => expect(isRequestPath(path)).toBe(isOne));

it.each([
  ["h2", true],
  ["a".repeat(255), true],
  ["", false],
  ["a".repeat(256), false],
  ["a b", false],
  ["é".repeat(128), false],
])("an ALPN name: %j %s", (name, isOne) => expect(isAlpnName(name)).toBe(isOne));

it.each([
  ["one", CA_PEM, true],
  ["two, with text between them", `${CA_PEM}and\n${CA_PEM}`, true],
  ["none", "hello", false],
  ["only the first line of one", "-----BEGIN CERTIFICATE-----", false],
  ["nonsense after a good one", `${CA_PEM}${CA_PEM.replace("MIH0", "AAAA")}`, false],
])("certificates: %s", (_, pem, isOne) => expect(isCertificatesPem(pem)).toBe(isOne));

/** Self-signed, with a key on brainpoolP512r1. */
const BRAINPOOL = `-----BEGIN CERTIFICATE-----
MIICGjCCAX6gAwIBAgIUDqua/TUhubuM3rGy7fifCplpnPAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJcGVlci50ZXN0MCAXDTI2MTEzMDE1MjM1M1oYDzIxMjYxMTA2
MTUyMzUzWjAUMRIwEAYDVQQDDAlwZWVyLnRlc3QwgZswFAYHKoZIzj0CAQYJKyQD
AwIIAQENA4GCAAQvtwEoVZ6R9CQGtjUbVjOMjj4ELzrejElVyLmlE/XETLP/wKH1
Ldye6UnsGNH9VtYjtD7R3rrPVoCY9XtdEpA1M4jNMd806RCGhIP2lcpq3wAkWa6g
DhR39xBUEVT3Rmh+hS4vvli6Gnmf9gGcRvDWrZWzrgErYeE6hpkiSz1vvKNpMGcw
HQYDVR0OBBYEFE7AO57fYrp7tKo9wvn+oHV7+VtXMB8GA1UdIwQYMBaAFE7AO57f
Yrp7tKo9wvn+oHV7+VtXMA8GA1UdEwEB/wQFMAMBAf8wFAYDVR0RBA0wC4IJcGVl
ci50ZXN0MAoGCCqGSM49BAMCA4GJADCBhQJBAImFUHq2Quo3VqmGE3esYk+NTVRY
eSMpZz/aXqJNLccUDERH8lD/OzIau1rZ+yZmqQvIkBJukjgw5l8Arbu7i4UCQETV
ej0o/hluTu5zozHGv4YBprK8vNzlh0NLl61Onn9PbUe2JJkLfZO5l0B6DZ6Wvhn+
6hnFYMKdZmpt6TonHos=
-----END CERTIFICATE-----`;

it("a CA whose curve has no NIST name is refused", () => {
  expect(isCertificatesPem(BRAINPOOL)).toBe(false);
});
