/** Every attack of the threat model that can be scripted, in the order in which they are played. */
import type { Attack } from "./attack.ts";
import { asking } from "./attacks/asking.ts";
import { flooding } from "./attacks/flooding.ts";
import { handshaking } from "./attacks/handshaking.ts";
import { holding } from "./attacks/holding.ts";
import { inflatingRequests } from "./attacks/inflating.ts";
import { joining } from "./attacks/joining.ts";
import { looking } from "./attacks/looking.ts";
import { path } from "./attacks/path.ts";
import { speaking } from "./attacks/speaking.ts";

/** Looking comes last: it wants the secrets of all the others. */
export const ATTACKS: readonly Attack[] = [
  ...speaking,
  ...asking,
  ...joining,
  ...path,
  ...holding,
  ...flooding,
  ...inflatingRequests,
  ...handshaking,
  ...looking,
];
