/** What an image says of itself, and the one time that is in it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { outputOf } from "./command.ts";
import { ExtensionError } from "./extension-error.ts";

export interface Release {
  readonly version: string;
  readonly licence: string;
  /** Seconds since 1970 of every file and document: SOURCE_DATE_EPOCH, else the commit's time. */
  readonly createdSeconds: number;
  /** Of an image with this title (image-spec: annotations.md). */
  readonly annotations: (title: string) => Readonly<Record<string, string>>;
}

/** Reads package.json and git. Throws `missing` when neither SOURCE_DATE_EPOCH nor a commit tells the time. */
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

/** Undefined in a tree that came without its history. */
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
    throw new ExtensionError("missing", "no commit tells the time of the source; set SOURCE_DATE_EPOCH");
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new ExtensionError("usage", `SOURCE_DATE_EPOCH: got '${text}', want seconds since 1970`);
}
