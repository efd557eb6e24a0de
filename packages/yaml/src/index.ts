export { readYaml, type YamlProblem, type YamlResult } from "./yaml-document.ts";
