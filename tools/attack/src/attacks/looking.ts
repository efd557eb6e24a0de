/** By who reads what was logged, stored and shown: for secrets. Comes last, when all of a run's secrets have been used. */
import { type Attack, outcomeOf } from "../attack.ts";
import { comesAbout } from "../poll.ts";

export const looking: readonly Attack[] = [
  {
    name: "secrets-in-logs",
    standing: "anywhere",
    tries: "looks for every token and key of this run in all that was logged, stored and exported",
    async run(stage) {
      const agent = stage.agent("talkative-1", stage.address, await stage.token());
      const enrolled = await comesAbout(stage.clock, () => agent.printed().includes("the node has enrolled"));
      const keys = stage.gatherKeys();
      const told = `${stage.told()}${await stage.metrics()}`;
      const found = [...stage.secrets].filter((secret) => told.includes(secret)).length;
      return outcomeOf(
        [`an agent enrolled, logging everything; agents keep ${keys} keys`, enrolled && keys > 0],
        [`${stage.secrets.size} secrets, ${found} found in ${told.length} characters`, found === 0 && told.length > 0],
      );
    },
  },
];
