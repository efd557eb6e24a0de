/** What the judge is given beside resolution and windows. The collector and `lifeline check` make it alike. */
import type { InterceptionSigns } from "@lifeline/catalogue";
import type { Judgement } from "./judge-node.ts";
import type { NodeContext } from "./node-context.ts";

/** The part of a {@link Judgement} that is known beside windows. */
export type JudgementContext = Required<Pick<Judgement, "context" | "interception">>;

/** A {@link NodeContext} in which what is not known may be undefined. */
export type KnownOfNode = { readonly [Key in keyof NodeContext]: NodeContext[Key] | undefined };

/** The judgement context of a node. What is undefined is left out, so that inputs hash alike (J1). */
export function judgementContextOf(interception: InterceptionSigns, known: KnownOfNode): JudgementContext {
  const given = Object.entries(known).filter(([, value]) => value !== undefined);
  return { context: Object.fromEntries(given) as NodeContext, interception };
}
