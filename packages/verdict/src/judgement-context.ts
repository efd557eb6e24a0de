/** What the judge is given besides resolution and windows, for the collector and for `lifeline check` alike. */
import type { InterceptionSigns } from "@lifeline/catalogue";
import type { Judgement } from "./judge-node.ts";
import type { NodeContext } from "./node-context.ts";

/** The part of a {@link Judgement} that is known besides windows. */
export type JudgementContext = Required<Pick<Judgement, "context" | "interception">>;

/** A {@link NodeContext} whose unknown fields may be undefined. */
export type KnownOfNode = { readonly [Key in keyof NodeContext]: NodeContext[Key] | undefined };

/** The judgement context of a node. Undefined fields are left out, so that equal inputs have equal hashes (J1). */
export function judgementContextOf(interception: InterceptionSigns, known: KnownOfNode): JudgementContext {
  const given = Object.entries(known).filter(([, value]) => value !== undefined);
  return { context: Object.fromEntries(given) as NodeContext, interception };
}
