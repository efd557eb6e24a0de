import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DebianArchive, offerOf } from "./apt.ts";
import { LOCK_FILE, named, readLock, WANTED, writeLock } from "./lock.ts";
import { debOf, newestPackages } from "./packages.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lifeline-debian-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const deb = Buffer.from("the package");
const sha256 = createHash("sha256").update(deb).digest("hex");
const locked = { name: "libc6", architecture: "arm64", version: "2.36-9", sha256 } as const;

/** An archive that has one version of everything. */
function archiveOf(version: string, bytes: Uint8Array, offered = sha256): DebianArchive {
  const has = (name: string) => !name.includes("=") || name.endsWith(`=${version}`);
  return {
    offer: async (name) => (has(name) ? { file: "libc6.deb", version, sha256: offered } : undefined),
    fetch: async () => bytes,
  };
}
const fetchFrom = (archive: DebianArchive) => debOf(locked, directory, async () => archive);

describe("a locked package", () => {
  it("is fetched once, and then taken from the cache", async () => {
    const place = await fetchFrom(archiveOf("2.36-9", deb));
    expect(await readFile(place)).toEqual(deb);
    const unasked = async () => Promise.reject(new Error("asked the archive"));
    expect(await debOf(locked, directory, unasked)).toBe(place);
  });

  it("is fetched again when the cache holds other bytes", async () => {
    const place = await fetchFrom(archiveOf("2.36-9", deb));
    await writeFile(place, "other");
    await fetchFrom(archiveOf("2.36-9", deb));
    expect(await readFile(place)).toEqual(deb);
  });

  it.each([
    [
      "another version",
      archiveOf("2.36-10", deb),
      "libc6:arm64=2.36-9: Debian has 2.36-10 now; update the lock file with --update-lock",
    ],
    ["other bytes, by what the archive says", archiveOf("2.36-9", deb, "0".repeat(64)), `got sha256 ${"0".repeat(64)}`],
    ["other bytes, whatever the archive says", archiveOf("2.36-9", Buffer.from("other")), `want ${sha256}`],
  ])("is refused for %s", async (_, archive, why) => {
    await expect(fetchFrom(archive)).rejects.toMatchObject({ code: "lock", message: expect.stringContaining(why) });
  });
});

describe("the lock file", () => {
  it("in the repository locks the required packages", () => {
    expect(readLock(LOCK_FILE).map(named)).toEqual(WANTED.map(named).sort());
  });

  it("is written as it is read", async () => {
    const path = join(directory, "lock.json");
    const newest = await newestPackages(archiveOf("1:1.2-3+deb12u1", deb));
    writeLock(path, newest);
    expect(readLock(path)).toEqual([...newest].sort((one, other) => (named(one) < named(other) ? -1 : 1)));
  });

  it.each([
    ["no JSON", "{", /lock\.json: /],
    ["a package too few", JSON.stringify([locked]), /got libc6:arm64, want .*--update-lock/],
    ["an unknown key", JSON.stringify([{ ...locked, size: 1 }]), /size/],
    ["a short hash", JSON.stringify([{ ...locked, sha256: "ab" }]), /Invalid format/],
  ])("with %s is refused", async (_, text, why) => {
    const path = join(directory, "lock.json");
    await writeFile(path, text);
    expect(() => readLock(path)).toThrow(why);
  });
});

describe("what apt-get prints", () => {
  it.each([
    ["zlib1g_1%3a1.2.13.dfsg-1_amd64.deb", "1:1.2.13.dfsg-1"],
    ["libc6_2.36-9+deb12u14_arm64.deb", "2.36-9+deb12u14"],
  ])("%s is version %s", (file, version) => {
    expect(offerOf(`'http://deb.debian.org/x' ${file} 123 SHA256:${sha256}\n`)).toEqual({ file, version, sha256 });
  });

  it("without a sha256 is no offer", () => {
    expect(offerOf("'http://deb.debian.org/x' libc6_2.36-9_arm64.deb 123 MD5Sum:00\n")).toBeUndefined();
  });
});
