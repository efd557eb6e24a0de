/** `--help`, the same layout for every program. */
import { CONFIG, listOfNames, type Program, type Setting } from "./setting.ts";

/** What `--help` prints. */
export function helpText(program: Program): string {
  const { name, summary, settings, file, otherVariables = {}, notes } = program;
  const lines = Object.entries(settings).map(([key, setting]) => {
    const [first = key, ...others] = listOfNames(program, key);
    const withValue = first.startsWith("--") ? `${first} ${setting.type.placeholder}`.trimEnd() : first;
    return entry([withValue, ...others], `${setting.help}${defaultText(setting)}`);
  });
  const common = [
    ...(file === undefined ? [] : [entry([`--${CONFIG.flag} FILE`, CONFIG.variable], fileHelp(file.path))]),
    entry(["--version"], "prints the version"),
    entry(["--help, -h"], "prints this text"),
  ];
  const variables = Object.entries(otherVariables).map(([variable, help]) => entry([variable], help));
  const order = "A flag overrides its environment variable, which overrides its key in the YAML file.\n\n";
  return [
    `${name}: ${summary}\n\n`,
    file === undefined ? "" : order,
    ...lines,
    ...common,
    ...variables,
    `\n${notes}`,
  ].join("");
}

/** A setting's default as people write it; undefined: it has none. */
export function shownDefault({ default: value }: Setting): string | undefined {
  const text = Array.isArray(value) ? value.join(", ") : String(value ?? "");
  return text === "" ? undefined : text;
}

function defaultText(setting: Setting): string {
  const shown = shownDefault(setting);
  return shown === undefined ? "" : ` (default ${shown})`;
}

function entry(names: readonly string[], help: string): string {
  return `  ${names.join(", ")}\n      ${help}\n`;
}

function fileHelp(path: string | undefined): string {
  return `YAML file of settings${path === undefined ? "" : ` (default ${path}, where it exists)`}; paths in it are relative to it`;
}
