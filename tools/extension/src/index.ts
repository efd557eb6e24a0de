export { ExtensionError } from "./extension-error.ts";
export { NAME } from "./service.ts";
