/** The types of settings: how each is written in a YAML file, a variable and a flag. */
import { BlockList, isIP } from "node:net";
import * as v from "valibot";
import { integerOf, listOf, textAs, wordOf } from "./schema.ts";

/** The type of a setting. */
export interface SettingType<T> {
  /** Checks a value as a YAML file holds it. */
  readonly schema: v.GenericSchema<unknown, T>;
  /** What stands for the value in `--help`; empty: the flag takes none and means true. */
  readonly placeholder: string;
  /** The YAML value that a text stands for; other text is returned as it is, for `schema` to refuse. */
  readonly ofText: (text: string) => unknown;
  /** Between the entries of a list in a variable; a flag is given once for each entry. Absent: it is no list. */
  readonly separator?: string;
  /** A file or directory: relative to the YAML file in which it stands. */
  readonly isPath?: true;
}

/** Longest path, bytes without the closing zero: PATH_MAX of Linux. */
const PATH_MAX_BYTES = 4_095;

/** A path of 1 to `maxBytes` bytes, without a zero byte. */
export function pathOf(maxBytes: number, placeholder: string): SettingType<string> {
  const isRight = (text: string) => text !== "" && !text.includes("\0") && Buffer.byteLength(text) <= maxBytes;
  const type = textSetting(
    (text) => (isRight(text) ? text : undefined),
    `a path of 1 to ${maxBytes} bytes`,
    placeholder,
  );
  return { ...type, isPath: true };
}

/** The path of a file. */
export const filePath = pathOf(PATH_MAX_BYTES, "FILE");

/** The path of a directory. */
export const directoryPath = pathOf(PATH_MAX_BYTES, "DIR");

/** Text that `read` makes a value of; undefined: it is not `want`. */
export function textSetting<T>(
  read: (text: string) => T | undefined,
  want: string,
  placeholder: string,
): SettingType<T> {
  return { schema: textAs(read, want), placeholder, ofText: (text) => text };
}

/** One of these words. */
export function wordSetting<const Words extends readonly [string, ...string[]]>(
  words: Words,
  placeholder: string,
): SettingType<Words[number]> {
  return { schema: wordOf(words), placeholder, ofText: (text) => text };
}

/** An integer from `min` to `max` of `unit`. */
export function integerSetting(min: number, max: number, unit: string): SettingType<number> {
  const ofText = (text: string) => (/^\d{1,15}$/.test(text) ? Number(text) : text);
  return { schema: integerOf(min, max, unit), placeholder: "N", ofText };
}

/** True or false. */
export const booleanSetting: SettingType<boolean> = {
  schema: v.boolean("true or false"),
  placeholder: "",
  ofText: (text) => (text === "true" ? true : text === "false" ? false : text),
};

/** A list of `least` to `most` values of `item`, called `what`. */
export function listSetting<T>(item: SettingType<T>, most: number, what: string, least = 0): SettingType<readonly T[]> {
  const { schema, isPath, ...type } = item;
  const paths = isPath === undefined ? {} : { isPath };
  return { ...type, ...paths, schema: listOf(schema, most, what, least), separator: isPath === true ? ":" : "," };
}

/** A host, without brackets, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Host (at most 253 characters, RFC 1035 §2.3.4) and port of `host:port` or `[v6]:port`, the port from `minPort` to 65535; undefined when it is neither. */
export function readHostPort(text: string, minPort = 1): HostPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/@?#]{1,253})):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < minPort || port > 65_535) return undefined;
  return match?.[1] === undefined || isIP(host) === 6 ? { host, port } : undefined;
}

/** An endpoint to dial, kept as `host:port`. */
export const hostPort = textSetting(
  (text) => (readHostPort(text) !== undefined ? text : undefined),
  "host:port with a port from 1 to 65535, IPv6 in brackets",
  "HOST:PORT",
);

/** A port, 1–65535. */
export const portSetting: SettingType<number> = { ...integerSetting(1, 65_535, ""), placeholder: "PORT" };

const loopback = new BlockList();
// RFC 1122 §3.2.1.3 and RFC 4291 §2.5.3.
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether `host` is this very host: an address of loopback, or `localhost` (RFC 6761 §6.3). Another name may resolve to anything. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  return host === "localhost" || (family !== 0 && loopback.check(host, family === 4 ? "ipv4" : "ipv6"));
}
