/** The one error of what people and files give the agent. */

/** What is wrong with it. */
export type ConfigErrorCode = "unreadable" | "invalid";

/** Names the file or variable, the field, the value and what would be right. Never holds a secret: none is configured. */
export class ConfigError extends Error {
  readonly code: ConfigErrorCode;
  constructor(code: ConfigErrorCode, message: string) {
    super(message);
    this.name = "ConfigError";
    this.code = code;
  }
}

/** Longest value quoted back. */
const MAX_QUOTED_LENGTH = 80;

/** The error for one field. */
export function invalid(source: string, field: string, value: unknown, expected: string): ConfigError {
  const place = field === "" ? source : `${source}: ${field}`;
  return new ConfigError("invalid", `${place}: got ${quoted(value)}, want ${expected}`);
}

function quoted(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, MAX_QUOTED_LENGTH);
}
