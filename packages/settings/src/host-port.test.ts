import { expect, it } from "vitest";
import { isLoopback, readHostPort } from "./host-port.ts";

it.each([
  ["omni.example:443", { host: "omni.example", port: 443 }],
  ["[2001:db8::1]:1", { host: "2001:db8::1", port: 1 }],
  ["192.0.2.1:65535", { host: "192.0.2.1", port: 65_535 }],
  ["a:0", undefined],
  ["a:65536", undefined],
  ["2001:db8::1:1", undefined],
  ["[192.0.2.1]:1", undefined],
  ["[fe80::1%eth0]:1", undefined],
  ["user@a:1", undefined],
  ["a", undefined],
])("reads host and port of %s", (text, endpoint) => {
  expect(readHostPort(text)).toEqual(endpoint);
});

it.each([
  ["a:0", { host: "a", port: 0 }],
  ["[fe80::1%eth0]:862", { host: "fe80::1%eth0", port: 862 }],
  ["[fe80::1%2]:862", { host: "fe80::1%2", port: 862 }],
  ["[fe80::1%]:862", undefined],
  ["[fe80::1%eth0 ]:862", undefined],
  ["[192.0.2.1%eth0]:862", undefined],
])("reads host and port of %s to listen on", (text, endpoint) => {
  expect(readHostPort(text, "listen")).toEqual(endpoint);
});

it.each([
  ["127.0.0.1", true],
  ["127.9.9.9", true],
  ["::1", true],
  ["0:0:0:0:0:0:0:1", true],
  ["localhost", true],
  ["127.example", false],
  ["192.0.2.1", false],
  ["::", false],
])("says whether %s is loopback", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
