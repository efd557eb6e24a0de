/** The types of settings: how each is written in a YAML file, a variable and a flag. */
import { isIP } from "node:net";
import * as v from "valibot";
import { readHostPort } from "./host-port.ts";
import { integerOf, listOf, textAs, wordOf } from "./schema.ts";

/** The type of a setting. */
export interface SettingType<T> {
  /** Checks a value as a YAML file holds it. */
  readonly schema: v.GenericSchema<unknown, T>;
  /** What stands for the value in `--help`; empty: the flag takes none and means true. */
  readonly placeholder: string;
  /**
   * The YAML value that a text stands for; other text is returned as it is, for `schema` to refuse. Default: the text.
   */
  readonly ofText?: (text: string) => unknown;
  /** Between the entries of a list in a variable; a flag is given once for each entry. Absent: it is no list. */
  readonly separator?: string;
  /** A file or directory: relative to the YAML file in which it stands. */
  readonly isPath?: true;
}

/** Text that `read` makes a value of; undefined: it is not `want`. */
export function text<T>(read: (text: string) => T | undefined, want: string, placeholder: string): SettingType<T> {
  return { schema: textAs(read, want), placeholder };
}

/** A path of 1 to `maxBytes` bytes without a zero byte; the default is PATH_MAX of Linux without its closing zero. */
export function path(placeholder: string, maxBytes = 4_095): SettingType<string> {
  const isRight = (given: string) => given !== "" && !given.includes("\0") && Buffer.byteLength(given) <= maxBytes;
  const want = `a path of 1 to ${maxBytes} bytes`;
  return { ...text((given) => (isRight(given) ? given : undefined), want, placeholder), isPath: true };
}

/** The path of a file. */
export const file = path("FILE");

/** One of these words. */
export function word<const Words extends readonly [string, ...string[]]>(words: Words, placeholder: string) {
  return { schema: wordOf(words), placeholder } satisfies SettingType<Words[number]>;
}

/** An integer from `min` to `max` of `unit`. */
export function integer(min: number, max: number, unit: string, placeholder = "N"): SettingType<number> {
  const ofText = (given: string) => (/^\d{1,15}$/.test(given) ? Number(given) : given);
  return { schema: integerOf(min, max, unit), placeholder, ofText };
}

/** True or false. */
export const boolean: SettingType<boolean> = {
  schema: v.boolean("true or false"),
  placeholder: "",
  ofText: (given) => (given === "true" ? true : given === "false" ? false : given),
};

/** A list of `least` to `most` values of `item`, called `what`. */
export function list<T>(item: SettingType<T>, most: number, what: string, least = 0): SettingType<readonly T[]> {
  return { ...item, schema: listOf(item.schema, most, what, least), separator: item.isPath === true ? ":" : "," };
}

/** An endpoint to dial, kept as `host:port`. */
export const hostPort = text(
  (given) => (readHostPort(given) === undefined ? undefined : given),
  "host:port with a port from 1 to 65535, IPv6 in brackets",
  "HOST:PORT",
);

/** An address and a port to dial, kept as `address:port`. */
export const addressPort = text(
  (given) => (isIP(readHostPort(given)?.host ?? "") === 0 ? undefined : given),
  "address:port, IPv6 in brackets",
  "ADDRESS:PORT",
);

/** A port, 1–65535. */
export const port = integer(1, 65_535, "", "PORT");
