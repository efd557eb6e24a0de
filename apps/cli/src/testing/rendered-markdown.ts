/** Markdown as GitHub shows it: CommonMark with GFM's tables, bare links, strikethrough, footnotes and task lists. */
import { micromark } from "micromark";
import { gfm, gfmHtml } from "micromark-extension-gfm";

/** What a reader sees, by elements. */
export interface RenderedMarkdown {
  /** Names of all elements, without repeats, sorted. */
  readonly elements: readonly string[];
  /** Text of each cell of each row of the table, the header first. */
  readonly cells: readonly (readonly string[])[];
  /** Text of each list item. */
  readonly items: readonly string[];
  /** All text that is not code, where hosts look for mentions and references. */
  readonly prose: string;
}

/** Renders it. HTML in it is kept, so that it is seen. */
export function renderedMarkdown(markdown: string): RenderedMarkdown {
  const html = micromark(markdown, {
    allowDangerousHtml: true,
    extensions: [gfm()],
    htmlExtensions: [gfmHtml()],
  });
  const within = (element: string, part: string) =>
    [...part.matchAll(new RegExp(`<${element}(?: [^>]*)?>(.*?)</${element}>`, "gs"))].map(([, inner = ""]) => inner);
  return {
    elements: [...new Set([...html.matchAll(/<([a-z][a-z0-9]*|!)/gi)].map(([, name = ""]) => name))].sort(),
    cells: within("tr", html).map((row) => within("t[hd]", row).map(textOf)),
    items: within("li", html).map(textOf),
    prose: textOf(html.replace(/<code>.*?<\/code>/gs, "`")),
  };
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', amp: "&" };

/** Text without tags: micromark writes four entities and no others. */
function textOf(html: string): string {
  return html.replace(/<[^>]*>/g, "").replace(/&(lt|gt|quot|amp);/g, (_, name: string) => ENTITIES[name] ?? "");
}
