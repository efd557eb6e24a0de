export { between, pick, type Random, randomFrom } from "./chance.ts";
