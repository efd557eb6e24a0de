/**
 * Prometheus's text format 0.0.4. Written here, because ten thousand histogram series through prom-client take a second
 * and 290 MB.
 */
import { visibleText } from "@lifeline/measure";

/** What a family of series is. */
type SeriesType = "counter" | "gauge" | "histogram";

/** The two lines before the series of a family. */
export function head(name: string, type: SeriesType, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

/** A family of one series without labels. */
export function single(name: string, type: SeriesType, help: string, value: number): string {
  return `${head(name, type, help)}${name} ${value}\n`;
}

/** Labels without their braces. Values are escaped, because a node chooses some of them. */
export function labelsText(labels: Readonly<Record<string, string | number>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${visibleText(String(value)).replace(/[\\"]/g, "\\$&")}"`)
    .join(",");
}
