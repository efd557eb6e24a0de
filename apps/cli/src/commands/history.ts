/** `lifeline history NODE`: loss and latency of its targets, step by step. */
import type { Command } from "commander";
import { Option } from "commander";
import { type Moment, momentMs, readMoment } from "../arguments/moment.ts";
import { CliError } from "../cli-error.ts";
import { fetchHistory } from "../collector/fetch.ts";
import { EXIT } from "../exit-code.ts";
import { historyView } from "../render/history.ts";
import type { View } from "../render/view.ts";
import { COLLECTOR_OPTIONS, OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";
import { orClosest } from "./node.ts";

interface HistoryFlags {
  readonly from: Moment;
  readonly to?: Moment;
  readonly step?: StepWord;
}

/** Lengths of a step, s, by what is typed for them. */
const STEPS_S = { "10s": 10, "1m": 60, "1h": 3_600 } as const;
type StepWord = keyof typeof STEPS_S;

/** How far back it goes by default: a day, in steps of an hour. */
const DEFAULT_FROM = "24h";

/** Adds the command to the root. */
export function addHistory(root: Command, session: Session): void {
  const command = root
    .command("history")
    .argument("<id>", "the node's id, as 'lifeline nodes' shows it")
    .description("show loss and latency of a node's targets, step by step, in the time of the node's clock")
    .addOption(
      new Option("--from <time>", "start: RFC 3339, or an age such as 6h or 7d")
        .argParser(readMoment)
        .default(readMoment(DEFAULT_FROM), DEFAULT_FROM),
    )
    .addOption(new Option("--to <time>", "end (default now)").argParser(readMoment))
    .addOption(
      new Option("--step <length>", "length of a step (default the finest that is kept, at most 1000 of them)").choices(
        Object.keys(STEPS_S),
      ),
    )
    .action((id: string, flags: HistoryFlags) => session.showAnswer(historyQuery(session, id, flags)));
  withTraits(command, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS, "only"],
    examples: [
      ["lifeline history worker-1", "the last day, by the hour"],
      ["lifeline history worker-1 --only 'siderolink-*' --from 30m", "the last half hour, by ten seconds"],
      ["lifeline history worker-1 --from 30d --step 1h --output csv", "a month, for a spreadsheet"],
    ],
  });
}

function historyQuery(
  session: Session,
  node: string,
  { from, to, step }: HistoryFlags,
): Parameters<Session["showAnswer"]>[0] {
  return async (client, signal): Promise<View> => {
    const { only } = session.options();
    const nowMs = session.world.clock.wallMs();
    const fromMs = momentMs(from, nowMs);
    const toMs = to === undefined ? undefined : momentMs(to, nowMs);
    if (fromMs >= (toMs ?? Number.POSITIVE_INFINITY)) {
      const [begin, end] = [fromMs, toMs ?? nowMs].map((ms) => new Date(ms).toISOString());
      throw new CliError("usage", `--from: got ${begin}, want a time before ${end}, the end of the history`);
    }
    const lookback = { fromMs, ...(toMs === undefined ? {} : { toMs }) };
    const chosen = { node, ...lookback, ...(step === undefined ? {} : { stepSeconds: STEPS_S[step] }) };
    const asked = { ...chosen, ...(only === undefined ? {} : { only }), signal };
    return historyView(await orClosest(client, node, signal, () => fetchHistory(client, asked)), EXIT.met);
  };
}
