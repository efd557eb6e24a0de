import { describe, expect, it } from "vitest";
import { NO_PROXY_MAX, readProxyEnvironment } from "./proxy-environment.ts";

describe("the proxies of an environment", () => {
  it.each([
    ["http://proxy.example:3128", { host: "proxy.example", port: 3128 }],
    ["proxy.example:3128", { host: "proxy.example", port: 3128 }],
    ["http://proxy.example/", { host: "proxy.example", port: 80 }],
    ["http://[fd00::5]:8080", { host: "fd00::5", port: 8080 }],
    ["http://user:pass@192.0.2.1:8080", { host: "192.0.2.1", port: 8080 }],
  ])("are read of a URL: %s", (url, expected) => {
    const read = readProxyEnvironment({ HTTPS_PROXY: url });
    expect(read).toMatchObject({ proxy: { https: expected, noProxy: [] }, warnings: [] });
    expect(read.proxy).not.toHaveProperty("http");
  });

  it.each([
    ["https://proxy.example:3129", { scheme: "https", host: "proxy.example", port: 3129 }],
    ["https://user:pass@proxy.example", { scheme: "https", host: "proxy.example", port: 443 }],
    ["socks5://proxy.example", { scheme: "socks5", host: "proxy.example", port: 1080 }],
    ["socks5h://[fd00::5]:9050", { scheme: "socks5h", host: "fd00::5", port: 9050 }],
  ])("are of the kinds that Go's net/http has: %s", (url, expected) => {
    expect(readProxyEnvironment({ HTTPS_PROXY: url }).proxy?.https).toEqual(expected);
  });

  it.each([
    ["http://proxy.example", true],
    ["https://user:443@proxy.example/", true],
    ["socks5://[fd00::5]", true],
    ["http://proxy.example:", true],
    ["proxy.example", true],
    ["http://proxy.example:80", false],
    ["https://proxy.example:443/", false],
    ["socks5://[fd00::5]:1080", false],
    ["proxy.example:3128", false],
  ])("say whether a port is named, also the default one: %s", (url, isLacking) => {
    const { proxy } = readProxyEnvironment({ HTTPS_PROXY: url });
    expect(proxy?.https).toBeDefined();
    expect(proxy?.httpsLacksPort).toBe(isLacking ? true : undefined);
  });

  it.each([
    ["socks4://SECRET@proxy.example:1080", "a proxy of the kind socks4:// is not supported"],
    ["SECRET://proxy.example:1080", "a proxy of an unknown kind is not supported"],
    ["http://SECRET:SECRET@", "not a URL"],
    ["http://SECRET@proxy.example:3128/SECRET", "more than host and port"],
    ["http://proxy.example:3128?key=SECRET", "more than host and port"],
    ["http://SECRET:%E0%A4%A@proxy.example:3128", "user or password with a broken % escape"],
    ["http://SECRET@proxy.example:0", "port 0"],
    ["http://SECRET@proxy.example:70000", "not a URL"],
    ["http://SECRET@pro!xy:80", "not a host name or address"],
  ])("that cannot be used are no direct path: the fault names the variable, never the value (S1): %s", (url, what) => {
    const read = readProxyEnvironment({ https_proxy: url });
    expect(read.proxy).toEqual({ httpsFault: `https_proxy: ${what}`, noProxy: [] });
    expect(read.warnings).toEqual([
      `https_proxy: ${what}; want http, https, socks5 or socks5h://[user:pass@]host:port`,
    ]);
    expect(JSON.stringify(read).toUpperCase()).not.toContain("SECRET");
  });

  it("of HTTP_PROXY alone are left out where they cannot be used, because no probe uses them", () => {
    const read = readProxyEnvironment({ HTTP_PROXY: "ftp://proxy.example" });
    expect(read.proxy).toBeUndefined();
    expect(read.warnings).toHaveLength(1);
  });

  it("are read from upper case before lower case, and an empty variable counts as unset", () => {
    const read = readProxyEnvironment({
      HTTPS_PROXY: "http://a:1",
      https_proxy: "http://b:2",
      HTTP_PROXY: "",
      http_proxy: "http://c:3",
    });
    expect(read).toMatchObject({ proxy: { https: { host: "a", port: 1 }, http: { host: "c", port: 3 } } });
    expect(readProxyEnvironment({})).toMatchObject({ proxy: undefined, warnings: [] });
  });

  it("keep credentials for the proxy they were written for", () => {
    const { credentials } = readProxyEnvironment({
      HTTPS_PROXY: "http://us%40er:p%3Ass@[fd00::5]:3128",
      HTTP_PROXY: "http://other:word@proxy.example",
    });
    expect(credentials("[fd00::5]:3128")).toEqual({ username: "us@er", password: "p:ss" });
    expect(credentials("proxy.example:80")).toEqual({ username: "other", password: "word" });
    expect(credentials("elsewhere:80")).toBeUndefined();
    const socks = readProxyEnvironment({ HTTPS_PROXY: "socks5://us:er@proxy.example" });
    expect(socks.credentials("socks5://proxy.example:1080")).toEqual({ username: "us", password: "er" });
  });

  it("come with NO_PROXY as written, bounded, and a warning counts what is ignored (S2)", () => {
    const HTTPS_PROXY = "http://a:1";
    const written = readProxyEnvironment({ HTTPS_PROXY, NO_PROXY: " .cluster.local, 10.0.0.0/8,,fdae::/64 *" });
    expect(written.proxy?.noProxy).toEqual([".cluster.local", "10.0.0.0/8", "fdae::/64", "*"]);
    const many = Array.from({ length: NO_PROXY_MAX + 3 }, (_, at) => `h${at}`);
    const read = readProxyEnvironment({ HTTPS_PROXY, no_proxy: ["ö", ...many].join(",") });
    expect(read.proxy?.noProxy).toHaveLength(NO_PROXY_MAX);
    expect(read.warnings).toEqual([expect.stringContaining(`no_proxy: 4 of ${NO_PROXY_MAX + 4} entries are ignored`)]);
  });
});
