import { describe, expect, it } from "vitest";
import { coversPrefix, httpsProxyFor } from "./no-proxy.ts";

const PROXY = { host: "proxy.example", port: 3_128 };
const isProxied = (host: string, noProxy: readonly string[], port = 443) =>
  httpsProxyFor(host, port, { https: PROXY, noProxy }) === PROXY;

describe("NO_PROXY", () => {
  it.each<[host: string, noProxy: string[], proxied: boolean]>([
    ["omni.example", [], true],
    ["omni.example", ["*"], false],
    ["omni.example", ["omni.example"], false],
    ["OMNI.example", ["omni.EXAMPLE"], false],
    ["api.omni.example", ["omni.example"], false],
    ["api.omni.example", [".omni.example"], false],
    ["omni.example", [".omni.example"], true],
    ["api.omni.example", ["*.omni.example"], false],
    ["omni.example", ["*.omni.example"], true],
    ["notomni.example", ["omni.example"], true],
    ["omni.example", ["omni.example:443"], false],
    ["omni.example", ["omni.example:8443"], true],
    ["192.0.2.7", ["192.0.2.0/24"], false],
    ["192.0.3.7", ["192.0.2.0/24"], true],
    ["192.0.2.7", ["192.0.2.7"], false],
    ["2001:db8::7", ["2001:db8::/32"], false],
    ["2001:db8:0::7", ["2001:db8::7"], false],
    ["2001:db8::7", ["[2001:db8::7]:443"], false],
    ["omni.example", ["192.0.2.0/24"], true],
    ["192.0.2.7", ["2001:db8::/32"], true],
    ["localhost", [], false],
    ["127.0.0.1", [], false],
    ["::1", [], false],
  ])("%s with %j goes through the proxy: %s", (host, noProxy, proxied) => {
    expect(isProxied(host, noProxy)).toBe(proxied);
  });

  it("has no effect if no proxy is set for HTTPS", () => {
    expect(httpsProxyFor("omni.example", 443, undefined)).toBeUndefined();
    expect(httpsProxyFor("omni.example", 443, { http: PROXY, noProxy: [] })).toBeUndefined();
  });

  it.each<[noProxy: string[], covered: boolean]>([
    [["fdae:41e4:649b:9303::/64"], true],
    [["fdae:41e4::/32"], true],
    [["10.0.0.0/8", "*"], true],
    [["fdae:41e4:649b:9303::1"], false],
    [["fdae:41e4:649b:a703::/64"], false],
    [["fdae:41e4:649b:9303::/65"], false],
    [[], false],
  ])("%j covers the tunnel's prefix: %s", (noProxy, covered) => {
    expect(coversPrefix(noProxy, "fdae:41e4:649b:9303::/64")).toBe(covered);
  });
});
