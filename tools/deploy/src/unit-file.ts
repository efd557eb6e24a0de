/** Unit files as systemd.syntax(7) has them, as far as ours go: no continued lines, no quoting. */

/** One `Key=value`, in its order. */
export interface UnitSetting {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** Reads a unit file. Throws an Error that names the line where one is neither a section, a setting, a comment nor empty. */
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

/** The values of a key, in their order; an empty one takes back those before it (systemd.unit(5)). */
export function valuesOf(unit: readonly UnitSetting[], section: string, key: string): readonly string[] {
  const values = unit.filter((setting) => setting.section === section && setting.key === key).map(({ value }) => value);
  return values.slice(values.lastIndexOf("") + 1);
}
