/**
 * The packages in an image with their licences: from package.json and the licence file, or from Debian's copyright
 * file.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DebianPackage, LIBRARIES } from "./debian/lock.ts";
import { ExtensionError } from "./extension-error.ts";
import type { NpmPackage } from "./npm-package.ts";
import type { Component } from "./spdx.ts";
import { bytesAt, type Tree } from "./tree.ts";

const LICENCE_FILE = /^(licen[cs]e|copying)(\.(md|txt))?$/i;

/** The npm package in a directory. Throws ExtensionError `licence` when it names no licence. */
export function npmComponent(folder: string): Component {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
    string,
    unknown
  >;
  if (typeof name !== "string" || typeof version !== "string" || typeof license !== "string")
    throw new ExtensionError("licence", `${folder}/package.json: want name, version and license as text`);
  const file = readdirSync(folder)
    .sort()
    .find((entry) => LICENCE_FILE.test(entry));
  return {
    name,
    version,
    purl: npmPurl(name, version),
    licence: license,
    text: file === undefined ? undefined : readFileSync(join(folder, file), "utf8"),
    supplier: "NOASSERTION",
  };
}

/** Node's own binary. Its licence file has the notices of everything linked into it. */
export function nodeComponent({ name, version }: NpmPackage, licenceText: string): Component {
  return {
    name,
    version,
    purl: npmPurl(name, version),
    licence: "MIT",
    text: licenceText,
    change: "Symbols are stripped. ICU's data is reduced to English and to what is independent of language.",
    supplier: "NOASSERTION",
  };
}

/** koffi's native part, which has koffi's licence. */
export function nativeComponent({ name, version }: NpmPackage, koffi: Component): Component {
  const change = "Symbols are stripped.";
  return { ...koffi, name, version, purl: npmPurl(name, version), change };
}

/**
 * The licences of the libraries, from Debian's copyright files. Those also cover programs, which the image does not
 * hold.
 */
const DEBIAN_LICENCES: Readonly<Record<string, { readonly licence: string; readonly folder: string }>> = {
  libc6: { licence: "LGPL-2.1-or-later", folder: "libc6" },
  "libgcc-s1": { licence: "GPL-3.0-or-later WITH GCC-exception-3.1", folder: "gcc-12-base" },
  "libstdc++6": { licence: "GPL-3.0-or-later WITH GCC-exception-3.1", folder: "gcc-12-base" },
};

/** The Debian packages whose libraries are in the image. `files` are those of the packages. */
export function debianComponents(locked: readonly DebianPackage[], files: Tree): Component[] {
  return locked
    .filter(({ name }) => LIBRARIES.has(name))
    .map(({ name, version, architecture }) => {
      const { licence, folder } = DEBIAN_LICENCES[name] ?? { licence: undefined, folder: name };
      return {
        name,
        version,
        purl: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=bookworm`,
        licence,
        text: new TextDecoder().decode(bytesAt(files, `usr/share/doc/${folder}/copyright`)),
        supplier: "Organization: Debian",
      };
    });
}

const npmPurl = (name: string, version: string) => `pkg:npm/${name.replace("@", "%40")}@${version}`;
