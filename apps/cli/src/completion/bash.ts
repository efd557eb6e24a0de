/** Completion for bash: one function, without the bash-completion package. */
import type { CompletionEntry, CompletionOption } from "./plan.ts";

/** The script. */
export function bashCompletion(plan: readonly CompletionEntry[]): string {
  const paths = plan.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  return `# bash completion for lifeline
_lifeline() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" word
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
      ${paths.join(" | ")}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$previous" in
${valueCases(plan)}
  esac
  case "$path" in
${plan.map(pathCase).join("\n")}
  esac
}
complete -o default -F _lifeline lifeline
`;
}

function valueCases(plan: readonly CompletionEntry[]): string {
  const options = new Map<string, CompletionOption>();
  for (const entry of plan) for (const option of entry.options) options.set(option.long, option);
  return [...options.values()]
    .filter(({ takesValue }) => takesValue)
    .map(valueCase)
    .join("\n");
}

/** A path is left to \`-o default\`; a free value has nothing to offer. */
function valueCase({ long, choices, isFile }: CompletionOption): string {
  if (isFile) return `    ${long}) return ;;`;
  if (choices.length === 0) return `    ${long}) compopt -o nospace +o default 2>/dev/null; return ;;`;
  return `    ${long}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$current")); return ;;`;
}

function pathCase({ path, subcommands, argumentChoices, options }: CompletionEntry): string {
  const words = [...subcommands.map(({ name }) => name), ...argumentChoices, ...options.map(({ long }) => long)];
  return `    "${path}") COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$current")) ;;`;
}
