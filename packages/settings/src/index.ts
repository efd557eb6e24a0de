export {
  ConfigError,
  errorCode,
  PROBLEM_CODES,
  type Problem,
  type ProblemCode,
  problem,
  problemLine,
  shownValue,
} from "./config-error.ts";
export { DOCUMENT_MAX_CHARS, documentOf, readDocument, readText } from "./document.ts";
export { type Command, GivenSettings, readCommand, readFileText } from "./given-settings.ts";
export { helpText, shownDefault } from "./help.ts";
export { type HostPort, isLoopback, readHostPort } from "./host-port.ts";
export { CLI_VARIABLES, PROGRAM_VARIABLES } from "./known-variables.ts";
export { createLog, LOG_LEVELS, type LogLevel } from "./log.ts";
export { integerOf, listOf, mapping, textOf, validated, wordOf } from "./schema.ts";
export { namesOf, type PlainValuesOf, type Program, type Setting, type Settings, type ValuesOf } from "./setting.ts";
export * as kind from "./setting-type.ts";
export { type Environment, variablesOf } from "./sources.ts";
export { readStampKey, type StampKeyRead } from "./stamp-key-file.ts";
