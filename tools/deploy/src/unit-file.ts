/** Unit files of systemd (systemd.syntax(7)), without continued lines and quoting, which Lifeline's do not use. */

/** One `Key=value`. */
export interface UnitSetting {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** Reads a unit file. Throws an Error with the number of a line that is no section, setting, comment or empty line. */
export function readUnit(name: string, text: string): readonly UnitSetting[] {
  let section = "";
  const settings: UnitSetting[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const heading = /^\[(\w+)\]$/.exec(line)?.[1];
    const setting = /^(\w+)=([^"'\\]*)$/.exec(line);
    if (heading !== undefined) section = heading;
    else if (setting !== null && section !== "")
      settings.push({ section, key: setting[1] ?? "", value: setting[2] ?? "" });
    else throw new Error(`${name}:${at + 1}: got ${JSON.stringify(line)}, want [Section] or Key=value, unquoted`);
  }
  return settings;
}

/** The values of a key, in order. An empty value removes those before it (systemd.unit(5)). */
export function valuesOf(unit: readonly UnitSetting[], section: string, key: string): readonly string[] {
  const values = unit.filter((setting) => setting.section === section && setting.key === key).map(({ value }) => value);
  return values.slice(values.lastIndexOf("") + 1);
}
