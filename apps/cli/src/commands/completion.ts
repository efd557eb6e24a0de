/** `lifeline completion SHELL`: a completion script, generated from the commands themselves. */
import { Argument, type Command } from "commander";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { completionPlan } from "../completion/plan.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { type Session, withTraits } from "../session.ts";

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
type Shell = keyof typeof SHELLS;

/** Adds the command to the root, whose tree it describes. */
export function addCompletion(root: Command, session: Session): void {
  const command = root
    .command("completion")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(SHELLS)))
    .description("print a completion script for a shell")
    .action((shell: Shell) => session.print(SHELLS[shell](completionPlan(root))));
  withTraits(command, {
    uses: [],
    examples: [
      ["source <(lifeline completion bash)", "for this bash"],
      ["lifeline completion zsh > ~/.zfunc/_lifeline", "for zsh, with ~/.zfunc in fpath"],
      ["lifeline completion fish > ~/.config/fish/completions/lifeline.fish", "for fish"],
    ],
  });
}
