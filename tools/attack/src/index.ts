export type { Attack, Outcome } from "./attack.ts";
export { ATTACKS } from "./attacks.ts";
