/** What there is to complete, as data: one entry for each command of the tree. */
import type { Command, Option } from "commander";
import { commandPath, understands } from "../session.ts";

/** An option to offer. */
export interface CompletionOption {
  /** `--output`. */
  readonly long: string;
  readonly description: string;
  readonly takesValue: boolean;
  /** Values to offer; empty: any. */
  readonly choices: readonly string[];
  /** The value is a path. */
  readonly isFile: boolean;
}

/** What to offer within one command. */
export interface CompletionEntry {
  /** Words after `lifeline`; empty for the root. */
  readonly path: string;
  readonly description: string;
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  /** Choices of its first argument. */
  readonly argumentChoices: readonly string[];
  readonly options: readonly CompletionOption[];
}

/** Every command of the tree, the root first. */
export function completionPlan(root: Command): readonly CompletionEntry[] {
  return entriesOf(root, root);
}

function entriesOf(command: Command, root: Command): CompletionEntry[] {
  const isRoot = command === root;
  const global = isRoot ? root.options : root.options.filter((option) => understands(command, option.attributeName()));
  const options = [...(isRoot ? [] : command.options), ...global].map(optionOf);
  const help = { long: "--help", description: "show help", takesValue: false, choices: [], isFile: false };
  const entry: CompletionEntry = {
    path: isRoot ? "" : commandPath(command),
    description: command.description(),
    subcommands: command.commands.map((each) => ({ name: each.name(), description: each.description() })),
    argumentChoices: command.registeredArguments[0]?.argChoices ?? [],
    options: [...options, help],
  };
  return [entry, ...command.commands.flatMap((each) => entriesOf(each, root))];
}

function optionOf(option: Option): CompletionOption {
  return {
    long: option.long ?? option.flags,
    description: option.description,
    takesValue: option.required,
    choices: option.argChoices ?? [],
    isFile: option.flags.includes("<file>"),
  };
}
