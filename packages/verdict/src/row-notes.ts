/** What a requirement's targets leave open, in sentences without a final stop. */
import type { ResolvedRow } from "@lifeline/catalogue";
import { bounded } from "./phrase.ts";

type TargetsRow = Extract<ResolvedRow, { kind: "targets" }>;

/**
 * The row's own notes, and one for each reason why an endpoint is not measured. It names the hosts, unless it is true
 * of all of them: then rows share its text.
 */
export function notesOf({ notes, skipped, targets }: TargetsRow): readonly string[] {
  const hosts = new Set([...targets.map(({ host }) => host), ...skipped.map(({ host }) => host)]);
  const reasons = new Map<string, Set<string>>();
  for (const { host, family, why } of skipped) {
    const reason = `not measured${family === undefined ? "" : ` over IPv${family}`}: ${why}`;
    reasons.set(reason, (reasons.get(reason) ?? new Set()).add(host));
  }
  const open = [...reasons].map(([reason, of]) =>
    of.size === hosts.size ? reason : `${[...of].join(", ")} ${of.size === 1 ? "is" : "are"} ${reason}`,
  );
  return [...notes, ...open].map(bounded);
}
