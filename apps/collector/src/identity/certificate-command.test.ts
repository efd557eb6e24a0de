import { randomBytes, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFleetCa } from "@lifeline/identity";
import { manualClock } from "@lifeline/measure";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCertificate } from "./certificate-command.ts";

const NOW_MS = Date.UTC(2026, 2, 1, 12);
let directory = "";
const pems = await createFleetCa({ commonName: "x", nowMs: NOW_MS, lifetimeMs: 400 * 86_400_000, randomBytes });
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-certificate-"));
  mkdirSync(join(directory, "data/identity"), { recursive: true });
  writeFileSync(join(directory, "data/identity/ca.pem"), pems.certPem);
  writeFileSync(join(directory, "data/identity/ca.key"), pems.keyPem);
});
afterEach(() => rmSync(directory, { recursive: true }));

async function run(...args: string[]) {
  const said = { out: "", err: "" };
  const code = await runCertificate(args, manualClock(NOW_MS), {
    out: (more) => {
      said.out += more;
    },
    err: (more) => {
      said.err += more;
    },
  });
  return { code, ...said };
}
const data = () => ["--data-dir", join(directory, "data")];
const to = () => ["--to", join(directory, "ada")];

describe("the fleet CA", () => {
  it("is printed as a fingerprint for agents and as PEM for clients", async () => {
    const { code, out } = await run("ca", ...data());
    expect(code).toBe(0);
    expect(out).toMatch(/^sha256:[0-9a-f]{64}\n-----BEGIN CERTIFICATE-----\n/);
    expect(out).not.toContain("PRIVATE");
  });
});

describe("a certificate", () => {
  it("has its role and lifetime, a key that only the owner can read, and overwrites no file", async () => {
    const args = ["certificate", ...data(), ...to(), "--role", "admin", "--name", "ada", "--days", "7"];
    expect(await run(...args)).toMatchObject({ code: 0, out: "" });
    const certificate = new X509Certificate(readFileSync(join(directory, "ada.pem")));
    expect(certificate.subject).toBe("O=lifeline:admin\nCN=ada");
    expect(certificate.validToDate.getTime()).toBe(NOW_MS + 7 * 86_400_000);
    expect(statSync(join(directory, "ada.key")).mode & 0o777).toBe(0o600);
    const again = await run(...args);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining("is there already")]);
  });

  it("leaves no key behind when only the certificate file already exists", async () => {
    writeFileSync(join(directory, "ada.pem"), "of somebody else");
    const { code, err } = await run("certificate", ...data(), ...to(), "--role", "admin", "--name", "ada");
    expect([code, err]).toEqual([2, expect.stringContaining("ada.pem is there already")]);
    expect(existsSync(join(directory, "ada.key"))).toBe(false);
  });

  it.each([
    ["another role", ["--role", "root", "--name", "ada"], '--role: got "root", want reader, admin, witness'],
    ["no name", ["--role", "admin"], "--name: got nothing, want 1 to 64 printable characters"],
    [
      "no days",
      ["--role", "admin", "--name", "a", "--days", "0"],
      '--days: got "0", want a whole number from 1 to 3650',
    ],
    ["an unknown flag", ["--rolle", "admin"], "Unknown option '--rolle'"],
    ["half a CA", ["--role", "admin", "--name", "a", "--ca-key", "k"], "got one of them, want both or none"],
  ])("is refused with %s", async (_, args, why) => {
    const { code, err } = await run("certificate", ...data(), ...to(), ...args);
    expect([code, err]).toEqual([2, expect.stringContaining(why)]);
    expect(existsSync(join(directory, "ada.key"))).toBe(false);
  });

  it("is refused without a CA and with unknown arguments", async () => {
    expect(await run("certificate", "--data-dir", directory)).toMatchObject({ code: 2 });
    expect(await run("--listen", "x")).toMatchObject({ code: undefined });
  });
});
