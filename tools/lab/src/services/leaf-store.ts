/** Certificates made on demand, by kind and name; the least recently used is evicted first. */
import { LAB_ISSUER, type LabCa, type LabCas, type Leaf } from "./lab-cas.ts";
import { sameName } from "./mode-table.ts";
import type { TlsMode } from "./modes.ts";

/** The kinds of certificate a server of the lab can present. */
export type LeafKind =
  | "ok"
  | "rsa"
  | "untrusted"
  | "intercepted"
  | "expired"
  | "not-yet-valid"
  | "wrong-name"
  | "missing-intermediate";

/** Most leaves kept. Clients choose names by SNI; a lab needs a few dozen. */
const LEAVES_MAX = 512;

/** What `wrong-name` certificates are for. */
const WRONG_NAME = "another-host.lab.test";

/** Gives leaves. */
export interface LeafStore {
  leafFor(kind: LeafKind, name: string): Promise<Leaf>;
}

/** The certificate of a mode: those that are about something else present a good one. */
export function leafKindOf(mode: TlsMode): LeafKind {
  switch (mode) {
    case "rsa":
    case "untrusted":
    case "intercepted":
    case "expired":
    case "not-yet-valid":
    case "wrong-name":
    case "missing-intermediate":
      return mode;
    default:
      return "ok";
  }
}

/** Creates the store; `issuers` names the organisation that certifies a name, where it is not the lab's own. */
export function createLeafStore(cas: LabCas, issuers: ReadonlyMap<string, string>): LeafStore {
  const leaves = new Map<string, Promise<Leaf>>();
  const intermediates = new Map<string, Promise<LabCa>>();

  /** As many as `issuers` has organisations, and the lab's. */
  const issuerOf = (name: string) => {
    const organisation = issuers.get(name) ?? LAB_ISSUER;
    const known = intermediates.get(organisation) ?? cas.publicIssuer(organisation);
    intermediates.set(organisation, known);
    return known;
  };
  const make = async (kind: LeafKind, name: string): Promise<Leaf> => {
    const options = { names: [name], validity: "current", keyType: "ec", issuer: await issuerOf(name) } as const;
    switch (kind) {
      case "ok":
        return cas.issue(options);
      case "rsa":
        return cas.issue({ ...options, keyType: "rsa" });
      case "untrusted":
        return cas.issue({ ...options, issuer: cas.private });
      case "intercepted":
        return cas.issue({ ...options, issuer: cas.interception });
      case "expired":
      case "not-yet-valid":
        return cas.issue({ ...options, validity: kind });
      case "wrong-name":
        return cas.issue({ ...options, names: [WRONG_NAME] });
      case "missing-intermediate":
        return { ...(await cas.issue(options)), restPem: "" };
    }
  };

  return {
    leafFor(kind, name) {
      const key = `${kind} ${sameName(name)}`;
      const leaf = leaves.get(key) ?? make(kind, sameName(name));
      leaves.delete(key);
      const [oldest] = leaves.keys();
      if (leaves.size >= LEAVES_MAX && oldest !== undefined) leaves.delete(oldest);
      leaves.set(key, leaf);
      return leaf;
    },
  };
}
