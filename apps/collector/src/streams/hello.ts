/**
 * Whether a Hello is admitted, decided from the message and the principal alone. A refusal names the field, what it has
 * and what it should have.
 *
 * 1. A node speaks only for itself: with mutual TLS its id is its certificate's name (S1).
 * 2. Every field has a bound (S2).
 * 3. Only what identifies a node refuses it. An optional fact that cannot be used is left out and counted: a newer
 *    agent is worth more with one fact less than not at all.
 */
import { BOOT_ID_BYTES, isNodeId, NODE_ID_WANTED, type reportPb } from "@lifeline/wire";
import type { StreamPrincipal } from "../identity/access.ts";
import type { DroppedFact } from "./fact-reader.ts";
import { type AdmittedHello, readHello } from "./hello-facts.ts";
import { oversizedField } from "./hello-limits.ts";
import { quotedText, type Refused } from "./refused.ts";

/** What becomes of a Hello. */
export type HelloVerdict =
  | { readonly kind: "admitted"; readonly hello: AdmittedHello; readonly dropped: readonly DroppedFact[] }
  | ({ readonly kind: "invalid" } & Refused)
  /** The certificate names another node. */
  | ({ readonly kind: "another-node" } & Refused);

/** Judges a Hello of a stream that was admitted for `principal`. */
export function admitHello(hello: reportPb.Hello, principal: StreamPrincipal): HelloVerdict {
  const invalid = identityProblem(hello) ?? oversizedField(hello);
  if (invalid !== undefined) return { kind: "invalid", ...invalid };
  if (principal.kind === "node" && hello.nodeId !== principal.nodeId) {
    const detail = `got ${quotedText(hello.nodeId)}, want ${quotedText(principal.nodeId)}, the name of the certificate`;
    return { kind: "another-node", field: "hello.node_id", detail };
  }
  return { kind: "admitted", ...readHello(hello) };
}

function identityProblem({ nodeId, bootId }: reportPb.Hello): Refused | undefined {
  if (!isNodeId(nodeId)) {
    return { field: "hello.node_id", detail: `got ${quotedText(nodeId)}, want ${NODE_ID_WANTED}` };
  }
  if (bootId.length === BOOT_ID_BYTES) return undefined;
  return { field: "hello.boot_id", detail: `got ${bootId.length} bytes, want ${BOOT_ID_BYTES} bytes` };
}
