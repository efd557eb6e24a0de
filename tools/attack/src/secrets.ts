/** What must never be seen, and where it might be. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The private keys of an agent's identity: the one in use, and the one that is to be certified next. */
export function keysIn(identity: string): string[] {
  const credentials = readIfThere(join(identity, "credentials.json"));
  const next = readIfThere(join(identity, "next.key"));
  const inUse: unknown[] = credentials === "" ? [] : [Reflect.get(JSON.parse(credentials), "keyPem")];
  return [...inUse, next].filter((pem): pem is string => typeof pem === "string" && pem !== "");
}

/** What is in every file below a directory, apart from `identity`, byte for byte. */
export function contentOf(directory: string): string {
  const entries = readdirSync(directory, { withFileTypes: true }).filter(({ name }) => name !== "identity");
  return entries
    .map((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return contentOf(path);
      return entry.isFile() ? readIfThere(path) : "";
    })
    .join("");
}

/** Empty where there is none: a program that lives may remove it meanwhile. */
function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "latin1") : "";
}

/** A PEM's base64 without line breaks, so that it is found however the text is wrapped. */
export function pemBody(pem: string): string {
  return pem.replace(/-----[^-]+-----|\s/g, "").slice(0, 64);
}
