import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { COLLECTOR_VARIABLE, type CollectorFlags, collectorAddress, DEFAULT_COLLECTOR } from "./collector-address.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-address-"));
afterAll(() => rmSync(directory, { recursive: true }));
const pem = (name: string, text: string) => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};
const caFile = pem("ca.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");

describe("the address of the collector", () => {
  it("the flag wins over the environment, and that over the default", () => {
    const env = { [COLLECTOR_VARIABLE]: "[::1]:2" };
    expect(collectorAddress({ collector: "localhost:1" }, env).name).toBe("localhost:1");
    expect(collectorAddress({}, env)).toMatchObject({ host: "::1", port: 2, name: "[::1]:2" });
    expect(collectorAddress({}, { [COLLECTOR_VARIABLE]: "" }).name).toBe(DEFAULT_COLLECTOR);
  });

  it.each<[string, CollectorFlags, "plaintext" | "tls"]>([
    ["loopback", { collector: "127.0.0.1:1" }, "plaintext"],
    ["the whole of 127.0.0.0/8", { collector: "127.8.9.1:1" }, "plaintext"],
    ["loopback by IPv6", { collector: "[::1]:1" }, "plaintext"],
    ["loopback with a CA file", { collector: "127.0.0.1:1", caFile }, "tls"],
    ["another host", { collector: "collector.example:1" }, "tls"],
    ["a host that only looks like loopback", { collector: "127.example:1" }, "tls"],
    ["another host, plaintext allowed", { collector: "10.0.0.1:1", allowPlaintext: true }, "plaintext"],
  ])("%s is secured as it must be", (_, flags, kind) => {
    expect(collectorAddress(flags, {}).security.kind).toBe(kind);
  });

  it("refuses a key that is not the certificate's, before anything is sent, and never repeats it (S1)", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const keyFile = pem("key.pem", keyPem);
    const attempt = () => collectorAddress({ collector: "10.0.0.1:1", certFile: caFile, keyFile }, {});
    expect(attempt).toThrow(`--key-file: ${keyFile} is not the key of the certificate in ${caFile}`);
    expect(attempt).not.toThrow(keyPem.split("\n")[1]);
  });
});
