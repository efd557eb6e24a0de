import { describe, expect, it } from "vitest";
import { type HelloFacts, makeHello } from "./hello.ts";

describe("a hello", () => {
  const sender = { nodeId: "n", bootId: new Uint8Array(16), agentVersion: "1", roles: [] } as const;
  const none: HelloFacts = { hostname: "h", families: [4], addresses: [], gateways: [], talos: undefined };
  const helloOf = (facts: Partial<HelloFacts>) => makeHello(sender, { ...none, ...facts }, "r");

  it("names proxies by their URL, and contains Talos's view if there is one", () => {
    const proxy = { https: { host: "fd00::5", port: 3128 }, noProxy: ["fdae::/64"] };
    expect(helloOf({ proxy }).proxy).toEqual({
      httpsProxy: "http://[fd00::5]:3128",
      httpsProxyFault: "",
      httpsProxyLacksPort: false,
      httpProxy: "",
      noProxy: ["fdae::/64"],
    });
    const socks = { https: { scheme: "socks5" as const, host: "p.example", port: 1080 }, noProxy: [] };
    expect(helloOf({ proxy: socks }).proxy?.httpsProxy).toBe("socks5://p.example:1080");
    const unusable = { httpsFault: "HTTPS_PROXY: not a URL", noProxy: [] };
    expect(helloOf({ proxy: unusable }).proxy?.httpsProxyFault).toBe("HTTPS_PROXY: not a URL");
    const portless = { https: { host: "p.example", port: 80 }, httpsLacksPort: true, noProxy: [] } as const;
    expect(helloOf({ proxy: portless }).proxy?.httpsProxyLacksPort).toBe(true);
    expect(helloOf({})).not.toHaveProperty("proxy");
    const talos = { siderolinkHost: "omni.example:8090", siderolinkConnected: undefined, wireguardEndpoint: "" };
    expect(helloOf({ talos }).talos).toEqual({ siderolinkHost: "omni.example:8090", wireguardEndpoint: "" });
    expect(helloOf({ talos: { ...talos, siderolinkConnected: false } }).talos).toMatchObject({
      siderolinkConnected: false,
    });
  });

  it("leaves out an unknown tunnel, and names roles by their numbers", () => {
    const omniHost = { ...sender, roles: ["omni-host"] } as const;
    expect(helloOf({})).not.toHaveProperty("grpcTunnel");
    expect(makeHello(omniHost, { ...none, grpcTunnel: true }, "r")).toMatchObject({ grpcTunnel: true, roles: [1] });
  });

  it("has an empty text or list for a fact that is not known", () => {
    expect(helloOf({})).toMatchObject({ siderolinkPrefix: "", talosVersion: "", machineApi: "", resolvers: [] });
  });

  it("has names and versions in printable ASCII of bounded length", () => {
    expect(helloOf({ hostname: "wörker\n1" }).hostname).toBe("w?rker?1");
    expect(helloOf({ hostname: "h".repeat(300) }).hostname).toBe("h".repeat(253));
    expect(helloOf({ talosVersion: "v1".repeat(300) }).talosVersion).toHaveLength(64);
  });
});
