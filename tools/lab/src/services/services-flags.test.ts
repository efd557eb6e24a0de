import { describe, expect, it } from "vitest";
import { readServicesFlags } from "./services-flags.ts";

describe("the command line of the services", () => {
  it("requests nothing when empty", () => {
    expect(readServicesFlags([])).toEqual({
      names: [],
      dns: [],
      web: [],
      machineApi: [],
      middlebox: [],
      proxy: [],
      tlsProxy: [],
      socks: [],
      ntp: [],
      ntsKe: [],
      proxyReaches: [],
    });
  });

  it("takes every flag", () => {
    const line = `--dns 10.0.0.1:53 --dns [fd00::1]:53 --web 10.0.0.1:443 --machine-api 10.0.0.1:8090
      --middlebox 10.0.0.1:4443=10.0.0.1:443 --proxy 10.0.0.1:3128 --tls-proxy 10.0.0.1:3129 --socks 10.0.0.1:1080
      --ntp 10.0.0.1:123 --nts-ke 10.0.0.1:4460 --proxy-reaches 10.0.0.1:9443
      --omni-name omni.lab.test=10.0.0.1,fd00::1 --public-name ghcr.io=10.0.0.1 --issuer ghcr.io=Sectigo --drift 192.0.2.1
      --control /run/services.sock --ca-folder /run`;
    const omni = { host: "10.0.0.1", port: 443 };
    expect(readServicesFlags(line.split(/\s+/))).toEqual({
      names: [
        { name: "omni.lab.test", addresses: ["10.0.0.1", "fd00::1"], owner: "omni" },
        { name: "ghcr.io", addresses: ["10.0.0.1"], owner: "public", issuer: "Sectigo" },
      ],
      dns: [
        { host: "10.0.0.1", port: 53 },
        { host: "fd00::1", port: 53 },
      ],
      web: [omni],
      machineApi: [{ host: "10.0.0.1", port: 8090 }],
      middlebox: [{ host: "10.0.0.1", port: 4443, upstream: omni }],
      proxy: [{ host: "10.0.0.1", port: 3128 }],
      tlsProxy: [{ host: "10.0.0.1", port: 3129 }],
      socks: [{ host: "10.0.0.1", port: 1080 }],
      ntp: [{ host: "10.0.0.1", port: 123 }],
      ntsKe: [{ host: "10.0.0.1", port: 4460 }],
      proxyReaches: [{ host: "10.0.0.1", port: 9443 }],
      driftAddresses: ["192.0.2.1"],
      controlPath: "/run/services.sock",
      caFolder: "/run",
    });
  });

  it.each([
    ["start", '"start": unexpected argument; expected flags only'],
    ["--web 443", '--web: "443" is no endpoint; expected IP:PORT, such as 127.0.0.1:443'],
    ["--web omni:443", '--web: "omni:443" is no endpoint; expected IP:PORT, such as 127.0.0.1:443'],
    ["--dns 10.0.0.1:65536", '--dns: "10.0.0.1:65536" is no endpoint; expected IP:PORT, such as 127.0.0.1:443'],
    ["--middlebox 10.0.0.1:1", '--middlebox: "10.0.0.1:1" has no two sides; expected LEFT=RIGHT'],
    ["--omni-name omni=", '--omni-name: "omni=" has no two sides; expected LEFT=RIGHT'],
    ["--control a --control b", "--control: given more than once"],
  ])("%s is refused, saying what would be right", (line, message) => {
    expect(() => readServicesFlags(line.split(" "))).toThrow(expect.objectContaining({ code: "bad-input", message }));
  });
});
