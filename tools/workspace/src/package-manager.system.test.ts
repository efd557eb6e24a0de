import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, describe, expect, it } from "vitest";

const NAME = `@pnpm/exe.${process.platform}-${process.arch}`;
const ID = `${NAME}@1.2.3`;
const place = mkdtempSync(join(tmpdir(), "lifeline-pnpm-"));
afterAll(() => rmSync(place, { recursive: true }));

const integrityOf = (bytes: Uint8Array) => `sha512-${createHash("sha512").update(bytes).digest("base64")}`;

/** A tarball of a pnpm that notes in `ran` how it was called, and stands in for the installed one as well. */
function packed(remark: string): Buffer {
  const source = mkdtempSync(join(place, "package-"));
  writeFileSync(join(source, "package.json"), JSON.stringify({ name: NAME, version: "1.2.3" }));
  const script = `#!/bin/sh\n# ${remark}\necho "$@" >> ran\nmkdir -p node_modules/.bin\ncp "$0" node_modules/.bin/pnpm 2>/dev/null\nexit 0\n`;
  writeFileSync(join(source, "pnpm"), script);
  chmodSync(join(source, "pnpm"), 0o755);
  execFileSync("npm", ["pack", "--loglevel=silent"], { cwd: source, env: npmEnvironment("http://127.0.0.1:9/") });
  return readFileSync(join(source, `pnpm-exe.${process.platform}-${process.arch}-1.2.3.tgz`));
}

/** npm's own cache would give what another registry served. */
function npmEnvironment(registry: string) {
  const cache = mkdtempSync(join(place, "cache-"));
  return { ...process.env, npm_config_registry: registry, npm_config_cache: cache };
}

/**
 * A workspace of no rooms whose lock file names `integrity`, and a registry that serves `tarball` and says that it is
 * right.
 */
async function workspace(tarball: Buffer, lock: string) {
  const root = mkdtempSync(join(place, "workspace-"));
  for (const folder of ["packages", "apps", "tools/workspace"]) mkdirSync(join(root, folder), { recursive: true });
  for (const file of ["enter.mjs", "package-manager.mjs"])
    cpSync(join(import.meta.dirname, "..", file), join(root, "tools/workspace", file));
  writeFileSync(join(root, "package.json"), JSON.stringify({ packageManager: "pnpm@1.2.3" }));
  writeFileSync(join(root, "pnpm-lock.yaml"), lock);
  const served: string[] = [];
  const registry = createServer(({ url = "" }, response) => {
    served.push(url);
    const dist = { tarball: `${origin}pnpm.tgz`, integrity: integrityOf(tarball) };
    const versions = { "1.2.3": { name: NAME, version: "1.2.3", dist } };
    const packument = JSON.stringify({ name: NAME, "dist-tags": { latest: "1.2.3" }, versions });
    response.end(url.endsWith(".tgz") ? tarball : packument);
  });
  registry.listen(0, "127.0.0.1");
  await once(registry, "listening");
  const address = registry.address();
  const origin = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/`;
  const env = npmEnvironment(origin);
  return {
    root,
    served,
    /** Installs and builds; the program that it then looks for is not there. */
    async enter() {
      const child = spawn(process.execPath, [join(root, "tools/workspace/enter.mjs"), "lifeline"], { env });
      const [said] = await Promise.all([text(child.stderr), once(child, "close")]);
      return said;
    },
    ran: () => (existsSync(join(root, "ran")) ? readFileSync(join(root, "ran"), "utf8") : ""),
    [Symbol.asyncDispose]: async () => {
      registry.close();
      await once(registry, "close");
    },
  };
}

const lockOf = (id: string, integrity: string) =>
  `lockfileVersion: '9.0'\n\npackages:\n\n  '${id}':\n    resolution: {integrity: ${integrity}}\n    cpu: [any]\n`;

describe("pnpm", () => {
  const good = packed("good");

  it("is run once its bytes are what the lock file says, and is fetched once", async () => {
    await using site = await workspace(good, lockOf(ID, integrityOf(good)));
    await site.enter();
    const install = "install --frozen-lockfile --reporter=append-only\n";
    const build = "--silent run build\n";
    expect(site.ran()).toBe(install + build);
    expect(site.served.filter((url) => url.endsWith(".tgz"))).toEqual(["/pnpm.tgz"]);
    rmSync(join(site.root, "node_modules/.lifeline-installed"));
    await site.enter();
    expect(site.ran()).toBe(install + build + install + build);
    expect(site.served.filter((url) => url.endsWith(".tgz"))).toEqual(["/pnpm.tgz"]);
  });

  it("is not run when the registry serves other bytes, whatever hash it names", async () => {
    const other = packed("other");
    await using site = await workspace(other, lockOf(ID, integrityOf(good)));
    const wanted = `enter.mjs: ${ID}: got ${integrityOf(other)}, want ${integrityOf(good)} as pnpm-lock.yaml says; it is not run`;
    expect(await site.enter()).toContain(wanted);
    expect(site.ran()).toBe("");
    expect(await site.enter()).toContain(wanted);
  });

  it("is neither fetched nor run without a hash for this platform", async () => {
    await using site = await workspace(good, lockOf("@pnpm/exe.other@1.2.3", integrityOf(good)));
    expect(await site.enter()).toContain(`enter.mjs: ${ID}: pnpm-lock.yaml has no hash of it, so it is not run`);
    expect([site.served, site.ran()]).toEqual([[], ""]);
  });

  it("has its hash for each platform that Node is installed for", () => {
    const root = join(import.meta.dirname, "../../..");
    const { packageManager, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const lock = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");
    expect(packageManager).toBe(`pnpm@${devDependencies.pnpm}`);
    for (const platform of ["linux-x64", "linux-arm64"])
      expect(lock).toMatch(
        new RegExp(`\n  '@pnpm/exe\\.${platform}@${devDependencies.pnpm}':\n    resolution: \\{integrity: sha512-`),
      );
  });
});
