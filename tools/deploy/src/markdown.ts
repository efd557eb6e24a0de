/** What a reader of a Markdown document types or copies. */

/** The fenced blocks of a language. */
export function blocksOf(document: string, language: string): readonly string[] {
  const fenced = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms");
  return [...document.matchAll(fenced)].map((match) => match[1] ?? "");
}

/** The commands of indented blocks, in words: continued lines joined, without umask and without redirections. */
export function commandsOf(document: string): readonly (readonly string[])[] {
  const lines = document.replace(/```.*?```/gs, "").replaceAll(/ \\\n\s+/g, " ");
  const commands = [...lines.matchAll(/^ {4}(?:\(umask \d+; )?(\w.*)$/gm)].map((match) => match[1] ?? "");
  return commands.map((command) => command.replace(/ [<>] .*$/, "").split(" "));
}

/** The commands within sentences and tables: what is in backticks and begins with one of the programs. */
export function inlineCommandsOf(document: string, programs: readonly string[]): readonly (readonly string[])[] {
  return quotedIn(document.replace(/```.*?```/gs, "").replaceAll(/\s+/g, " "))
    .map((text) => text.split(" "))
    .filter(([program = "", ...words]) => programs.includes(program) && words.length > 0);
}

/** The cells of the table whose first heading is `heading`, row by row; empty without such a table. */
export function tableOf(document: string, heading: string): readonly (readonly string[])[] {
  const lines = document.split("\n");
  const first = lines.findIndex((line) => line.startsWith(`| ${heading} |`)) + 2;
  const rest = lines.slice(first);
  const end = rest.findIndex((line) => !line.startsWith("|"));
  return rest.slice(0, end).map((line) => line.slice(2, -2).split(" | "));
}

/** What is in backticks in a text. */
export function quotedIn(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
}
