/** `lifeline status`: every requirement of every node as it stands. */
import type { Command } from "commander";
import { fetchStatus } from "../collector/fetch.ts";
import { statusView } from "../render/status-view.ts";
import { COLLECTOR_OPTIONS, OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";

/** Adds the command to the root. */
export function addStatus(root: Command, session: Session): void {
  const command = root
    .command("status")
    .description("show every requirement and target: verdict, cause, loss, latency, since when")
    .option("--node <id>", "only this node")
    .action(async ({ node }: { node?: string }) => {
      const { only } = session.options();
      const chosen = { ...(only === undefined ? {} : { only }), ...(node === undefined ? {} : { node }) };
      await session.showAnswer(async (client, signal) => statusView(await fetchStatus(client, { ...chosen, signal })));
    });
  withTraits(command, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS, "watch", "only"],
    examples: [
      ["lifeline status --watch", "watch every row; Ctrl-C ends"],
      ["lifeline status --only 'node-*' --json", "some rows, for a script"],
      ["lifeline status --collector collector.example:9470 --ca-file ca.pem", "a collector on another host, over TLS"],
    ],
  });
}
