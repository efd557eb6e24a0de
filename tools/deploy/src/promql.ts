/** The selectors of a PromQL expression, read with Prometheus's own grammar. */
import { parser } from "@prometheus-io/lezer-promql";

/** One selector: the metric, and its label matchers; `equals` only for `=`. */
export interface Selector {
  readonly metric: string;
  readonly labels: readonly { readonly name: string; readonly equals: string | undefined }[];
}

/** The selectors of an expression; undefined when it is not PromQL. */
export function selectorsOf(expression: string): readonly Selector[] | undefined {
  let isWrong = false;
  const selectors: { metric: string; labels: { name: string; equals: string | undefined }[] }[] = [];
  parser.parse(expression).iterate({
    enter({ type, from, to }) {
      const text = expression.slice(from, to);
      const last = selectors.at(-1);
      if (type.isError) isWrong = true;
      else if (type.name === "VectorSelector") selectors.push({ metric: "", labels: [] });
      else if (type.name === "Identifier" && last?.metric === "") last.metric = text;
      else if (type.name === "UnquotedLabelMatcher") {
        const [, name = "", operator, value] = /^(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"$/.exec(text) ?? [];
        last?.labels.push({ name, equals: operator === "=" ? value : undefined });
      }
    },
  });
  return isWrong ? undefined : selectors;
}
