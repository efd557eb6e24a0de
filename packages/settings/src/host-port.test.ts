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
  ["user@a:1", undefined],
  ["a", undefined],
])("reads host and port of %s", (text, endpoint) => {
  expect(readHostPort(text)).toEqual(endpoint);
});

it("reads port 0 where it is allowed", () => {
  expect(readHostPort("a:0", 0)).toEqual({ host: "a", port: 0 });
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
