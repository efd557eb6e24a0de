import { X509Certificate } from "node:crypto";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKeyPair } from "@lifeline/identity";
import { manualClock, systemClock } from "@lifeline/measure";
import type { ListenerCertificates } from "@lifeline/wire";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { testAuthority } from "../testing/credentials.ts";
import { certificatesFromFiles, issuedCertificates, LISTENER_LIFETIME_MS } from "./listener-certificates.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-listener-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const LOOK_MS = 5_000;

function world() {
  const logged: string[] = [];
  const clock = manualClock(systemClock.wallMs());
  return { clock, logged, log: pino({}, { write: (line: string) => logged.push(line) }) };
}

describe("certificates from files", () => {
  it("are read again when they have changed, whole, and not while a pair is half replaced", async () => {
    const files = await (await testAuthority()).listenerFiles(directory);
    const { clock, log, logged } = world();
    const source = certificatesFromFiles(files, { clock, log });
    const renewed: ListenerCertificates[] = [];
    const ends = new AbortController();
    source.follow((certificates) => renewed.push(certificates), ends.signal);
    const look = async () => {
      clock.advance(LOOK_MS);
      await new Promise((settle) => setImmediate(settle));
    };
    await look();
    expect(renewed).toEqual([]);
    const fresh = await (await testAuthority("fresh")).listenerFiles(join(directory, "fresh"));
    const put = (name: "certFile" | "keyFile" | "caFile") => renameSync(fresh[name], files[name]);
    put("caFile");
    put("certFile");
    await look();
    await look();
    expect(renewed).toEqual([]);
    expect(logged.filter((line) => line.includes("the certificates read before stay in use"))).toHaveLength(1);
    put("keyFile");
    await look();
    expect(renewed).toHaveLength(1);
    expect(renewed[0]).not.toEqual(source.first);
    await look();
    expect(renewed).toHaveLength(1);
    ends.abort();
  });

  it("name the setting and the file, and nothing of a key", async () => {
    const files = await (await testAuthority()).listenerFiles(directory);
    writeFileSync(files.keyFile, makeKeyPair().privateKeyPem);
    expect(() => certificatesFromFiles(files, world())).toThrow(
      /^tls\.keyFile: got ".*server\.key", want the private key/,
    );
    rmSync(files.caFile);
    expect(() => certificatesFromFiles(files, world())).toThrow(/^tls\.caFile: got ".*" \(ENOENT\), want a PEM file/);
  });
});

describe("certificates of the fleet's authority", () => {
  it("are for the names that agents dial, and are renewed at half their life under the same key", async () => {
    const { authority } = await testAuthority();
    const { clock, log } = world();
    const source = await issuedCertificates(authority, ["collector.example", "192.0.2.1"], { clock, log });
    const first = new X509Certificate(source.first.certPem);
    expect([first.checkHost("collector.example"), first.checkIP("192.0.2.1")]).toEqual([
      "collector.example",
      "192.0.2.1",
    ]);
    expect(source.first.clientAuthorityPem).toBe(authority.certPem);
    const renewed: ListenerCertificates[] = [];
    const ends = new AbortController();
    source.follow((certificates) => renewed.push(certificates), ends.signal);
    clock.advance(LISTENER_LIFETIME_MS / 2);
    await vi.waitFor(() => expect(renewed).toHaveLength(1));
    expect(renewed[0]?.keyPem).toBe(source.first.keyPem);
    const second = new X509Certificate(renewed[0]?.certPem ?? "");
    expect(second.validToDate.getTime()).toBeGreaterThan(first.validToDate.getTime());
    ends.abort();
    clock.advance(LISTENER_LIFETIME_MS);
    await new Promise((settle) => setImmediate(settle));
    expect(renewed).toHaveLength(1);
  });
});
