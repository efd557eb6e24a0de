import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKeyPair } from "@lifeline/identity";
import { type ManualClock, manualClock, systemClock } from "@lifeline/measure";
import type { ListenerCertificates } from "@lifeline/rpc";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { testFleetCa } from "../testing/fleet-ca.ts";
import { certificatesFromFiles } from "./certificate-files.ts";
import { ISSUE_LOOK_MS, issuedCertificates, LISTENER_LIFETIME_MS } from "./issued-certificates.ts";

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

/** Waits for one look at the files. */
async function look(clock: ManualClock, afterMs = LOOK_MS) {
  clock.advance(afterMs);
  await new Promise((settle) => setImmediate(settle));
}

/** A listener that refuses so many offers before it takes one. */
function refusing(times: number) {
  const offered: ListenerCertificates[] = [];
  const renew = (certificates: ListenerCertificates) => {
    offered.push(certificates);
    if (offered.length <= times) throw Object.assign(new Error("refused"), { code: "ERR_TEST" });
  };
  return { offered, renew };
}

describe("certificates from files", () => {
  it("are read again when they have changed, but not while a pair is half replaced", async () => {
    const files = await (await testFleetCa()).listenerFiles(directory);
    const { clock, log, logged } = world();
    const source = certificatesFromFiles(files, { clock, log });
    const renewed: ListenerCertificates[] = [];
    const ends = new AbortController();
    source.follow((certificates) => renewed.push(certificates), ends.signal);
    await look(clock);
    expect(renewed).toEqual([]);
    const fresh = await (await testFleetCa("fresh")).listenerFiles(join(directory, "fresh"));
    const put = (name: "certFile" | "keyFile" | "caFile") => renameSync(fresh[name], files[name]);
    put("caFile");
    put("certFile");
    await look(clock);
    await look(clock);
    expect(renewed).toEqual([]);
    expect(logged.filter((line) => line.includes("the certificates that were read before stay in use"))).toHaveLength(
      1,
    );
    put("keyFile");
    await look(clock);
    expect(renewed).toHaveLength(1);
    expect(renewed[0]).not.toEqual(source.first);
    await look(clock);
    expect(renewed).toHaveLength(1);
    ends.abort();
  });

  it.each(["certFile", "caFile"] as const)("are not used while the chain in %s is half copied", async (field) => {
    const { listenerFiles, pems } = await testFleetCa();
    const files = await listenerFiles(directory);
    const { clock, log, logged } = world();
    const source = certificatesFromFiles(files, { clock, log });
    const renewed: ListenerCertificates[] = [];
    const ends = new AbortController();
    source.follow((certificates) => renewed.push(certificates), ends.signal);
    const chain = `${readFileSync(files[field], "utf8")}${pems.certPem}`;
    for (const cutChars of [200, 40, 5]) {
      writeFileSync(files[field], chain.slice(0, -cutChars));
      await look(clock);
      await look(clock);
      expect(renewed).toEqual([]);
    }
    expect(logged).toEqual([expect.stringContaining(`tls.${field}: got`)]);
    writeFileSync(files[field], chain);
    await look(clock);
    expect(renewed).toHaveLength(1);
    ends.abort();
  });

  it("are offered again, and logged once, while the listener refuses them", async () => {
    const files = await (await testFleetCa()).listenerFiles(directory);
    const { clock, log, logged } = world();
    const ends = new AbortController();
    const listener = refusing(2);
    certificatesFromFiles(files, { clock, log }).follow(listener.renew, ends.signal);
    await (await testFleetCa("fresh")).listenerFiles(directory);
    for (let looks = 0; looks < 4; looks += 1) await look(clock);
    expect(listener.offered).toHaveLength(3);
    expect(logged.filter((line) => line.includes("(ERR_TEST)"))).toHaveLength(1);
    ends.abort();
  });

  it("that are too weak for TLS are refused at the start", async () => {
    const { ca, listenerFiles } = await testFleetCa();
    const files = await listenerFiles(directory);
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 512 });
    const publicKeyDer = publicKey.export({ format: "der", type: "spki" });
    const times = { nowMs: systemClock.wallMs(), lifetimeMs: LISTENER_LIFETIME_MS };
    writeFileSync(files.certFile, (await ca.issueServer({ names: ["x"], publicKeyDer, ...times })).pem);
    writeFileSync(files.keyFile, privateKey.export({ format: "pem", type: "pkcs8" }));
    expect(() => certificatesFromFiles(files, world())).toThrow(
      /\(ERR_SSL_EE_KEY_TOO_SMALL\), want .* that TLS takes$/,
    );
  });

  it("are named by setting and file in errors, which quote nothing of a key", async () => {
    const files = await (await testFleetCa()).listenerFiles(directory);
    writeFileSync(files.keyFile, makeKeyPair().privateKeyPem);
    expect(() => certificatesFromFiles(files, world())).toThrow(
      /^tls\.keyFile: got ".*server\.key", want the private key/,
    );
    rmSync(files.caFile);
    expect(() => certificatesFromFiles(files, world())).toThrow(/^tls\.caFile: got ".*" \(ENOENT\), want a PEM file/);
  });
});

describe("certificates of the fleet CA", () => {
  it("have the names that agents dial, and are renewed at half their lifetime under the same key", async () => {
    const { ca } = await testFleetCa();
    const { clock, log } = world();
    const source = await issuedCertificates(ca, ["collector.example", "192.0.2.1"], { clock, log });
    const first = new X509Certificate(source.first.certPem);
    expect([first.checkHost("collector.example"), first.checkIP("192.0.2.1")]).toEqual([
      "collector.example",
      "192.0.2.1",
    ]);
    expect(source.first.clientCaPem).toBe(ca.certPem);
    const renewed: ListenerCertificates[] = [];
    const ends = new AbortController();
    source.follow((certificates) => renewed.push(certificates), ends.signal);
    clock.advance(LISTENER_LIFETIME_MS / 2);
    await vi.waitFor(() => expect(renewed).toHaveLength(1), { timeout: 30_000 });
    expect(renewed[0]?.keyPem).toBe(source.first.keyPem);
    const second = new X509Certificate(renewed[0]?.certPem ?? "");
    expect(second.validToDate.getTime()).toBeGreaterThan(first.validToDate.getTime());
    ends.abort();
    clock.advance(LISTENER_LIFETIME_MS);
    await new Promise((settle) => setImmediate(settle));
    expect(renewed).toHaveLength(1);
  });

  it("are refused at the start when TLS refuses the CA", async () => {
    const { ca } = await testFleetCa();
    const damaged = { ...ca, certPem: ca.certPem.slice(0, 200) };
    await expect(issuedCertificates(damaged, ["x"], world())).rejects.toThrow(
      /^identity.caCertFile: got one that TLS refuses \(ERR_/,
    );
  });

  it.each([
    ["a month behind", -30],
    ["a month ahead", 30],
    ["13 hours ahead", 13 / 24],
  ])("are issued again within a minute after a clock that was %s is corrected", async (_, days) => {
    const { ca } = await testFleetCa();
    const { clock, log } = world();
    const rightMs = clock.wallMs();
    clock.stepWall(days * 86_400_000);
    const source = await issuedCertificates(ca, ["collector.example"], { clock, log });
    const renewed: ListenerCertificates[] = [];
    const ends = new AbortController();
    source.follow((certificates) => renewed.push(certificates), ends.signal);
    clock.stepWall(-days * 86_400_000);
    clock.advance(ISSUE_LOOK_MS);
    await vi.waitFor(() => expect(renewed).toHaveLength(1), { timeout: 30_000 });
    const { validFromDate, validToDate } = new X509Certificate(renewed[0]?.certPem ?? "");
    expect(validFromDate.getTime()).toBeLessThan(rightMs);
    expect(validToDate.getTime()).toBeGreaterThan(rightMs);
    expect(renewed[0]?.keyPem).toBe(source.first.keyPem);
    await look(clock, ISSUE_LOOK_MS);
    expect(renewed).toHaveLength(1);
    ends.abort();
  });

  it("are offered again, and logged once, while the listener refuses them", async () => {
    const { ca } = await testFleetCa();
    const { clock, log, logged } = world();
    const ends = new AbortController();
    const listener = refusing(2);
    const source = await issuedCertificates(ca, ["collector.example"], { clock, log });
    source.follow(listener.renew, ends.signal);
    clock.advance(LISTENER_LIFETIME_MS / 2);
    await vi.waitFor(() => expect(listener.offered).toHaveLength(1), { timeout: 30_000 });
    for (const offers of [2, 3]) {
      await look(clock, ISSUE_LOOK_MS);
      await vi.waitFor(() => expect(listener.offered).toHaveLength(offers), { timeout: 30_000 });
    }
    await vi.waitFor(() => expect(logged.at(-1)).toContain("was renewed"), { timeout: 30_000 });
    expect(logged.filter((line) => line.includes("(ERR_TEST)"))).toHaveLength(1);
    ends.abort();
  });
});
