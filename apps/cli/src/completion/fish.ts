/** Completion for fish: a line for each offer, under the words that lead to it. */
import type { CompletionEntry, CompletionOption } from "./plan.ts";

/** The script. */
export function fishCompletion(plan: readonly CompletionEntry[]): string {
  const lines = plan.flatMap((entry) => linesOf(entry));
  return `# fish completion for lifeline
function __lifeline_at
    set -l path
    for word in (commandline -opc)[2..-1]
        set -l longer (string join ' ' $path $word)
        if contains -- $longer ${plan
          .filter(({ path }) => path !== "")
          .map(({ path }) => quoted(path))
          .join(" ")}
            set path $longer
        end
    end
    test "$path" = "$argv[1]"
end
complete -c lifeline -f
${lines.join("\n")}
`;
}

function linesOf({ path, subcommands, argumentChoices, options }: CompletionEntry): string[] {
  const start = `complete -c lifeline -n ${quoted(`__lifeline_at ${path === "" ? "''" : `'${path}'`}`)}`;
  return [
    ...subcommands.map(({ name, description }) => `${start} -a ${quoted(name)} -d ${quoted(description)}`),
    ...argumentChoices.map((choice) => `${start} -a ${quoted(choice)}`),
    ...options.map((option) => `${start} ${optionPart(option)}`),
  ];
}

function optionPart({ long, description, takesValue, choices, isFile }: CompletionOption): string {
  const value = takesValue ? ` -r${isFile ? "F" : ""}` : "";
  const offered = choices.length === 0 ? "" : ` -a ${quoted(choices.join(" "))}`;
  return `-l ${long.replace(/^--/, "")}${value}${offered} -d ${quoted(description)}`;
}

/** Single quotes, in which fish knows only \\' and \\\\ as escapes. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
