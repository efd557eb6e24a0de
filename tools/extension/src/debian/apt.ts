/**
 * Debian's archive, read with apt-get. Sources, lists and status are in a directory of their own, so that the machine's
 * package lists and architectures stay as they are. The machine's proxy and mirror settings apply.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { outputOf } from "../command.ts";
import { ExtensionError } from "../extension-error.ts";

/** What the archive offers for one name. */
export interface Offer {
  readonly file: string;
  readonly version: string;
  readonly sha256: string;
}

/** The archive. `name` is `package:architecture`, with `=version` for another than the newest. */
export interface DebianArchive {
  /** Undefined when the archive does not have it. */
  offer(name: string): Promise<Offer | undefined>;
  /** The .deb's bytes. */
  fetch(name: string): Promise<Uint8Array>;
}

/** Debian 12: its glibc 2.36 runs Node's official binaries, which need 2.28. */
const SOURCES = ["debian bookworm", "debian-security bookworm-security"]
  .map((source) => `deb [signed-by=KEYRING] http://deb.debian.org/${source} main\n`)
  .join("");
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Opens the archive and updates its lists. Throws ExtensionError: `missing` without apt-get, `command` when the mirror
 * does not answer.
 */
export async function openDebianArchive(directory: string): Promise<DebianArchive> {
  const options = await aptRoot(directory);
  await outputOf("apt-get", [...options, "update"]);
  const apt = (args: readonly string[], where?: string) => outputOf("apt-get", [...options, ...args], where);
  return {
    async offer(name) {
      try {
        return offerOf((await apt(["--print-uris", "download", name])).toString());
      } catch (error) {
        // apt-get has one exit code for all failures. The lists are new and on this disk, so only the name can be at
        // fault.
        if (error instanceof ExtensionError && error.code === "command") return undefined;
        throw error;
      }
    },
    async fetch(name) {
      const draft = join(directory, "draft");
      await rm(draft, { recursive: true, force: true });
      await mkdir(draft);
      await apt(["download", name], draft);
      const [file = ""] = await readdir(draft);
      return readFile(join(draft, file));
    },
  };
}

async function aptRoot(directory: string): Promise<readonly string[]> {
  for (const part of ["state/lists/partial", "cache/archives/partial"])
    await mkdir(join(directory, part), { recursive: true });
  await writeFile(join(directory, "status"), "");
  await writeFile(join(directory, "sources.list"), SOURCES.replaceAll("KEYRING", KEYRING));
  const settings = {
    "Dir::State": join(directory, "state"),
    "Dir::State::status": join(directory, "status"),
    "Dir::Cache": join(directory, "cache"),
    "Dir::Etc::sourcelist": join(directory, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "APT::Architecture": "amd64",
    "APT::Architectures::": "amd64,arm64",
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
  };
  const split = Object.entries(settings).flatMap(([key, value]) =>
    key.endsWith("::") ? value.split(",").map((one) => `${key}=${one}`) : [`${key}=${value}`],
  );
  return ["-qq", ...split.flatMap((setting) => ["-o", setting])];
}

/**
 * Reads a line `'URI' FILE SIZE SHA256:HEX`. The file is `name_version_architecture.deb`, with `%3a` for the version's
 * colon.
 */
export function offerOf(printed: string): Offer | undefined {
  const [, file = "", sha256 = ""] = /^'[^']+' (\S+) \d+ SHA256:([0-9a-f]{64})$/m.exec(printed) ?? [];
  const version = file.split("_")[1];
  return version === undefined ? undefined : { file, version: decodeURIComponent(version), sha256 };
}
