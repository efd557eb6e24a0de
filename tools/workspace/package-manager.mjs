/**
 * pnpm, before there is anything of this workspace that could check what it runs: fetched by the host's npm, from the
 * registry that npm is configured for, and run only if its bytes have the hash that pnpm-lock.yaml names. Kept in
 * .lifeline, so that it is fetched once.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Options of each npm call: run no script of a package, print errors only. */
const QUIETLY = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];

/**
 * The path of pnpm's program, or in one line why there is none.
 *
 * @param root the workspace: its package.json names the version, its pnpm-lock.yaml the hash.
 * @param runNpm runs npm with these arguments in the workspace; resolves with its exit code, having said why if it is
 * not 0.
 * @returns {Promise<{ path: string } | { trouble: string }>}
 */
export async function packageManager(root, runNpm) {
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const version = packageManager.replace(/^pnpm@/, "");
  const name = `@pnpm/exe.${process.platform}-${process.arch}`;
  const id = `${name}@${version}`;
  const path = join(root, ".lifeline", id.replace(/[@/]/g, "_"));
  if (existsSync(path)) return { path };
  const want = integrityOf(id, readFileSync(join(root, "pnpm-lock.yaml"), "utf8"));
  if (want === undefined) return { trouble: `${id}: pnpm-lock.yaml has no hash of it, so it is not run` };
  mkdirSync(join(root, ".lifeline"), { recursive: true });
  const folder = mkdtempSync(join(root, ".lifeline", "pnpm-"));
  try {
    const trouble = await fetchInto(folder, { id, want, runNpm });
    if (trouble !== undefined) return { trouble };
    // Only now it is where a later run finds it, whole.
    renameSync(join(folder, "node_modules", name, "pnpm"), path);
    return { path };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Unpacks the package into `folder` once its hash is the right one; gives what is wrong. */
async function fetchInto(folder, { id, want, runNpm }) {
  if ((await runNpm(["pack", id, "--pack-destination", folder, ...QUIETLY])) !== 0) return `${id}: npm cannot fetch it`;
  const tarball = join(folder, readdirSync(folder).find((file) => file.endsWith(".tgz")) ?? "");
  const got = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
  if (got !== want) return `${id}: got ${got}, want ${want} as pnpm-lock.yaml says; it is not run`;
  const code = await runNpm(["install", tarball, "--prefix", folder, "--offline", "--no-save", ...QUIETLY]);
  return code === 0 ? undefined : `${id}: npm cannot unpack it`;
}

/** The hash of a package in the text of a pnpm-lock.yaml (lockfile version 9, `packages`). */
function integrityOf(id, lock) {
  const [, entry] = lock.split(`\n  '${id}':\n    resolution: {integrity: `, 2);
  return entry === undefined ? undefined : /^sha512-[\w+/]+=*/.exec(entry)?.[0];
}
