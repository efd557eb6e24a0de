/** The one error of what people and files tell the collector. */

/** The configuration cannot be used. */
export class ConfigError extends Error {
  readonly code = "bad-config";
  /** One line each. */
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}
