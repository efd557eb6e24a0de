/** The Talos version, from the text of /etc/os-release (os-release(5)). */

/** The version such as `v1.13.2`, or undefined when the system is not Talos or names none. */
export function talosVersionOf(osRelease: string): string | undefined {
  const fields = new Map(osRelease.split("\n").map((line) => fieldOf(line)));
  return fields.get("ID") === "talos" ? fields.get("VERSION_ID") : undefined;
}

function fieldOf(line: string): [name: string, value: string] {
  const at = line.indexOf("=");
  return [line.slice(0, Math.max(0, at)), line.slice(at + 1).replace(/^(["'])(.*)\1$/, "$2")];
}
