/** Versions of Talos, as a node reports them and as the catalogue writes them. */

/** Major, minor and patch. */
export type TalosVersion = readonly [number, number, number];

/** Reads `v1.13.2`, `1.13` or `v1.14.0-alpha.1`. A pre-release counts as its release. Undefined for another text. */
export function readTalosVersion(text: string | undefined): TalosVersion | undefined {
  const parts = /^v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?![\w.])/.exec(text ?? "");
  return parts === null ? undefined : [Number(parts[1]), Number(parts[2]), Number(parts[3] ?? 0)];
}

/** Whether `version` is `since` or later. */
export function isSince(version: TalosVersion, since: TalosVersion): boolean {
  const at = version.findIndex((part, index) => part !== since[index]);
  return at < 0 || (version[at] ?? 0) > (since[at] ?? 0);
}
