/** Version, licence and annotations of an image, and the one time that is in it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { outputOf } from "./command.ts";
import { ExtensionError } from "./extension-error.ts";

export interface Release {
  readonly version: string;
  readonly licence: string;
  /** Time of every file and document, seconds since 1970: SOURCE_DATE_EPOCH, or the commit's. */
  readonly createdSeconds: number;
  /** The annotations of an image with this title (image-spec: annotations.md). */
  readonly annotations: (title: string) => Readonly<Record<string, string>>;
}

/**
 * Reads package.json and git. Throws ExtensionError: `missing` without SOURCE_DATE_EPOCH and without a commit, `usage`
 * when the former is no time.
 */
export async function readRelease(
  root: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Release> {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, string | undefined>;
  const { version = "0.0.0", license: licence = "NOASSERTION", repository } = manifest;
  const revision = await git(root, ["rev-parse", "HEAD"]);
  const createdSeconds = secondsOf(
    environment["SOURCE_DATE_EPOCH"] ?? (await git(root, ["log", "-1", "--format=%ct"])),
  );
  const known = {
    "org.opencontainers.image.version": version,
    "org.opencontainers.image.licenses": licence,
    "org.opencontainers.image.created": new Date(createdSeconds * 1_000).toISOString(),
    ...(repository === undefined ? {} : { "org.opencontainers.image.source": repository }),
    ...(revision === undefined ? {} : { "org.opencontainers.image.revision": revision }),
  };
  return {
    version,
    licence,
    createdSeconds,
    annotations: (title) => ({ "org.opencontainers.image.title": title, ...known }),
  };
}

/** Undefined in a tree without its history. */
async function git(root: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await outputOf("git", ["-C", root, ...args])).toString().trim();
  } catch (error) {
    if (error instanceof ExtensionError) return undefined;
    throw error;
  }
}

function secondsOf(text: string | undefined): number {
  if (text === undefined)
    throw new ExtensionError("missing", "the source has no commit to take its time from; set SOURCE_DATE_EPOCH");
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new ExtensionError("usage", `SOURCE_DATE_EPOCH: got '${text}', want seconds since 1970`);
}
