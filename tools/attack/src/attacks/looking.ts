/**
 * Attacks by a reader of logs, stores and output: find secrets. Runs last, when every secret of the run has been used.
 */
import { type Attack, outcomeOf } from "../attack.ts";
import { within } from "../poll.ts";

export const looking: readonly Attack[] = [
  {
    name: "secrets-in-logs",
    position: "anywhere",
    tries: "looks for every token and key of this run in all that was logged, stored and exported",
    async run(testBed) {
      const agent = testBed.agent("talkative-1", testBed.address, await testBed.token());
      const enrolled = await within(testBed.clock, () => agent.output().includes("the node has enrolled"));
      const keys = testBed.gatherKeys();
      const output = `${testBed.output()}${await testBed.metrics()}`;
      const found = [...testBed.secrets].filter((secret) => output.includes(secret)).length;
      return outcomeOf(
        [`an agent enrolled, logging everything; agents keep ${keys} keys`, enrolled && keys > 0],
        [
          `${testBed.secrets.size} secrets, ${found} found in ${output.length} characters`,
          found === 0 && output.length > 0,
        ],
      );
    },
  },
];
