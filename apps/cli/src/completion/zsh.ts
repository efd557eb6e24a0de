/** Completion for zsh: a \`#compdef\` function that describes what it offers. */
import type { CompletionEntry, CompletionOption } from "./plan.ts";

/** The script, for a file \`_lifeline\` in \`fpath\`, or to be sourced. */
export function zshCompletion(plan: readonly CompletionEntry[]): string {
  const paths = plan.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  return `#compdef lifeline
# zsh completion for lifeline
_lifeline() {
  local path_so_far="" word
  local -a offers
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${path_so_far:+$path_so_far }$word" in
      (${paths.join(" | ")}) path_so_far="\${path_so_far:+$path_so_far }$word" ;;
    esac
  done
  case "$words[CURRENT-1]" in
${valueCases(plan)}
  esac
  case "$path_so_far" in
${plan.map(pathCase).join("\n")}
  esac
  _describe 'lifeline' offers
}
if [ "$funcstack[1]" = "_lifeline" ]; then
  _lifeline "$@"
else
  compdef _lifeline lifeline
fi
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

function valueCase({ long, choices, isFile }: CompletionOption): string {
  if (isFile) return `    (${long}) _files; return ;;`;
  return choices.length === 0 ? `    (${long}) return ;;` : `    (${long}) compadd -- ${choices.join(" ")}; return ;;`;
}

function pathCase({ path, subcommands, argumentChoices, options }: CompletionEntry): string {
  const offers = [
    ...subcommands.map(({ name, description }) => offer(name, description)),
    ...argumentChoices.map((choice) => offer(choice, "")),
    ...options.map(({ long, description }) => offer(long, description)),
  ];
  return `    ("${path}") offers=(${offers.join(" ")}) ;;`;
}

/** \`'name:description'\`; a colon within either would part it. */
function offer(name: string, description: string): string {
  const text = description === "" ? name : `${name}:${description.replaceAll(":", "\\:")}`;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
