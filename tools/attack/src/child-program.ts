/**
 * Programs of this room that run in processes of their own, so that an attacker's event loop is not the one that
 * measures.
 */
import { join } from "node:path";

/** What Node is given to run one of this folder's programs: its build, or its source when this runs from source. */
export function childProgram(name: string): { readonly execArgv: readonly string[]; readonly path: string } {
  const isSource = import.meta.filename.endsWith(".ts");
  return {
    execArgv: isSource ? ["--conditions=lifeline:source"] : [],
    path: join(import.meta.dirname, `${name}.${isSource ? "ts" : "js"}`),
  };
}
