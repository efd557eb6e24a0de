/** The licences of what goes into an image, from where each is told: package.json and its licence file, Debian's copyright file. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DebianPackage, LIBRARIES } from "./debian/lock.ts";
import { ExtensionError } from "./extension-error.ts";
import type { NpmPackage } from "./npm-package.ts";
import type { Component } from "./spdx.ts";
import { bytesAt, type Tree } from "./tree.ts";

const LICENCE_FILE = /^(licen[cs]e|copying)(\.(md|txt))?$/i;

/** The npm package in a folder. Throws `licence` when it says nothing of its licence. */
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

/** Node's own binary, with the notices of all that is linked into it. */
export function nodeComponent({ name, version }: NpmPackage, licenceText: string): Component {
  return {
    name,
    version,
    purl: npmPurl(name, version),
    licence: "MIT",
    text: licenceText,
    change: "Symbols were stripped, and ICU's data was cut down to English and what belongs to no language.",
    supplier: "NOASSERTION",
  };
}

/** koffi's native part, which is koffi's by licence as well. */
export function nativeComponent({ name, version }: NpmPackage, koffi: Component): Component {
  const change = "Symbols were stripped.";
  return { ...koffi, name, version, purl: npmPurl(name, version), change };
}

/** What Debian's copyright files come to for the libraries alone (their texts say more, of programs that are left out). */
const DEBIAN_LICENCES: Readonly<Record<string, { readonly licence: string; readonly folder: string }>> = {
  libc6: { licence: "LGPL-2.1-or-later", folder: "libc6" },
  "libgcc-s1": { licence: "GPL-3.0-or-later WITH GCC-exception-3.1", folder: "gcc-12-base" },
  "libstdc++6": { licence: "GPL-3.0-or-later WITH GCC-exception-3.1", folder: "gcc-12-base" },
};

/** The packages that libraries were taken from. `files` are those of the packages. */
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
