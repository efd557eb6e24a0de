/** Plays cases beside one another, and says which are right. */
import { LabError } from "@lifeline/lab";
import type { Clock } from "@lifeline/measure";
import { expectedText, isRight, reportedTexts } from "./comparison.ts";
import type { FieldCase } from "./field-case.ts";
import { type Answer, type Played, playCase } from "./play-case.ts";

/** The result of one case; the names are a contract with scripts. */
export interface FieldResult {
  readonly case: string;
  readonly expected: readonly string[];
  /** What `lifeline check` and the collector said of the expected rows; the agent's is empty where none ran. */
  readonly reported: { readonly check: readonly string[]; readonly agent: readonly string[] };
  readonly right: boolean;
}

/** Cases at a time: each waits for most of its time. */
const AT_A_TIME = 5;

/** Exit code of a command that was used wrongly, as for all programs of Lifeline. */
const EXIT_USAGE = 2;

/** Plays the cases; calls `onResult` as each ends. Resolves in the order of `cases`. */
export async function runField(
  cases: readonly FieldCase[],
  clock: Clock,
  signal: AbortSignal,
  onResult: (result: FieldResult) => void,
): Promise<readonly FieldResult[]> {
  const waiting = [...cases];
  const results = new Map<string, FieldResult>();
  const work = async () => {
    for (let one = waiting.shift(); one !== undefined && !signal.aborted; one = waiting.shift()) {
      const result = await runCase(one, clock, signal);
      results.set(one.name, result);
      onResult(result);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return cases.flatMap(({ name }) => results.get(name) ?? []);
}

/** Plays one case. */
export async function runCase(one: FieldCase, clock: Clock, signal: AbortSignal): Promise<FieldResult> {
  return resultOf(one, await playedOrError(one, clock, signal));
}

/** A case whose network or services do not come up is wrong, and keeps no other case from being played. */
async function playedOrError(one: FieldCase, clock: Clock, signal: AbortSignal): Promise<Played> {
  try {
    return await playCase(one, clock, signal);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return { check: { rows: [], complaint: error.message, exitCode: null }, agent: undefined };
  }
}

function resultOf({ name, expected }: FieldCase, { check, agent }: Played): FieldResult {
  if ("refused" in expected) {
    const right = check.exitCode === EXIT_USAGE && check.complaint.includes(expected.refused);
    const texts = [`refused, with ${expected.refused}`];
    return { case: name, expected: texts, reported: { check: [check.complaint], agent: [] }, right };
  }
  const told = (answer: Answer | undefined) =>
    answer === undefined || answer.rows.length === 0
      ? [answer?.complaint ?? "nothing"]
      : reportedTexts(answer.rows, expected);
  const right = isRight(check.rows, expected) && agent !== undefined && isRight(agent.rows, expected);
  return {
    case: name,
    expected: expected.map(expectedText),
    reported: { check: told(check), agent: told(agent) },
    right,
  };
}
