/** What stands in a Markdown document to be typed or copied. */

/** The fenced blocks of a language. */
export function blocksOf(document: string, language: string): readonly string[] {
  const fenced = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms");
  return [...document.matchAll(fenced)].map((match) => match[1] ?? "");
}

/** The commands of indented blocks: a line each, continued ones joined, what goes to or comes from a file left out. */
export function commandsOf(document: string): readonly (readonly string[])[] {
  const lines = document.replace(/```.*?```/gs, "").replaceAll(/ \\\n\s+/g, " ");
  return [...lines.matchAll(/^ {4}(\w.*)$/gm)].map((match) => (match[1] ?? "").replace(/ [<>] .*$/, "").split(" "));
}

/** The rows of the table whose first heading is `heading`, cell by cell; empty where there is none. */
export function tableOf(document: string, heading: string): readonly (readonly string[])[] {
  const lines = document.split("\n");
  const first = lines.findIndex((line) => line.startsWith(`| ${heading} |`)) + 2;
  const rest = lines.slice(first);
  const end = rest.findIndex((line) => !line.startsWith("|"));
  return rest.slice(0, end).map((line) => line.slice(2, -2).split(" | "));
}

/** What a text has in backticks. */
export function quotedIn(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
}
