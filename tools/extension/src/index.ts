export { ExtensionError } from "./extension-error.ts";
export { NAME } from "./service.ts";
export { type Problem, type ProblemCode, problemLine } from "./validate/problem.ts";
export type { ServiceFile } from "./validate/service-file.ts";
export type { Architecture, TarEntry } from "./validate/tar-entry.ts";
export { type Validation, type ValidationOptions, validateExtension } from "./validate/validate-extension.ts";
