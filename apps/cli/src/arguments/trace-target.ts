/** The one target that a person names by words of its row, as `check` prints them. */
import { editDistance } from "@lifeline/catalogue";
import { detailOf, proxyName, type Target, targetPlace, visibleText } from "@lifeline/measure";
import { CliError } from "../cli-error.ts";

/** Most targets listed in an error. */
const LISTED_MAX = 8;

/** Longest name that is read, characters: an id of a target with a proxy has some 300. */
const NAME_MAX_CHARS = 1_024;

/** A target as it can be given: requirement, endpoint, probe, what tells it from others, family and proxy. */
export function targetName({ requirementId, options, family, proxy, ...place }: Target): string {
  const detail = detailOf(options);
  const via = proxy === undefined ? [] : ["via", proxyName(proxy)];
  const words = [requirementId, targetPlace(place), options.probe, ...(detail === "" ? [] : [detail])];
  return visibleText([...words, `IPv${family}`, ...via].join(" "));
}

/**
 * The target that all words of `given` match. The words are those of {@link targetName} in any order, and as few as are
 * needed, or an id from `check --json`. @throws CliError `usage` when none matches, or several.
 */
export function traceTarget(given: string, targets: readonly Target[]): Target {
  const refuse = (what: string, listed: readonly Target[]) => {
    const names = listed.slice(0, LISTED_MAX).map((target) => `\n  ${targetName(target)}`);
    const more = listed.length > LISTED_MAX ? `\n  … and ${listed.length - LISTED_MAX} more` : "";
    return new CliError("usage", `--trace: ${what}${names.join("")}${more}`);
  };
  if (given.length > NAME_MAX_CHARS) throw refuse(`got ${given.length} characters, want ${NAME_MAX_CHARS} at most`, []);
  const exact = targets.find((target) => target.id === given || targetName(target) === given);
  if (exact !== undefined) return exact;
  const words = given
    .toLowerCase()
    .split(/[\s|]+/)
    .filter((word) => word !== "");
  const matching = targets.filter((target) => words.every((word) => wordsOf(target).includes(word)));
  const [first, ...others] = words.length === 0 ? [] : matching;
  if (first === undefined) {
    const listed = nearestTargets(words, targets);
    if (listed.length === 0) throw refuse("there is no target to trace", []);
    throw refuse(`'${visibleText(given)}' matches no target; the nearest:`, listed);
  }
  if (others.length > 0) {
    throw refuse(`'${visibleText(given)}' matches ${matching.length} targets; add words of one of them:`, matching);
  }
  return first;
}

/** The words that match a target, in lower case. `direct` tells one from its like through a proxy. */
function wordsOf(target: Target): readonly string[] {
  const detail = detailOf(target.options);
  const place = targetPlace(target);
  const direct = target.proxy === undefined ? ["direct"] : [];
  const words = [...targetName(target).split(" "), target.host, `${place}${detail}`, ...direct];
  return words.map((word) => word.toLowerCase());
}

/** How many are listed when none matches. */
const NEAREST_SHOWN = 3;

/** The targets whose words differ least from those given. */
function nearestTargets(given: readonly string[], targets: readonly Target[]): readonly Target[] {
  const scored = targets.map((target) => {
    const words = wordsOf(target);
    const distanceOf = (word: string) =>
      Math.min(...words.map((own) => editDistance(word, own) / Math.max(word.length, own.length)));
    return { target, far: given.reduce((sum, word) => sum + distanceOf(word), 0) };
  });
  scored.sort((a, b) => a.far - b.far || (a.target.id < b.target.id ? -1 : 1));
  return scored.slice(0, NEAREST_SHOWN).map(({ target }) => target);
}
