/** Every attack of the threat model that can be scripted, in the order in which they are played. */
import type { Attack } from "./attack.ts";
import { counting } from "./attacks/counting.ts";
import { deceiving } from "./attacks/deceiving.ts";
import { flooding } from "./attacks/flooding.ts";
import { handshaking } from "./attacks/handshaking.ts";
import { holding } from "./attacks/holding.ts";
import { impersonating } from "./attacks/impersonating.ts";
import { inflatingRequests } from "./attacks/inflating.ts";
import { joining } from "./attacks/joining.ts";
import { looking } from "./attacks/looking.ts";
import { networking } from "./attacks/networking.ts";
import { otherRoles } from "./attacks/other-roles.ts";
import { path } from "./attacks/path.ts";
import { pretending } from "./attacks/pretending.ts";
import { reaching } from "./attacks/reaching.ts";
import { reflecting } from "./attacks/reflecting.ts";
import { showing } from "./attacks/showing.ts";
import { spending } from "./attacks/spending.ts";

/** Looking comes last: it wants the secrets of all the others. */
export const ATTACKS: readonly Attack[] = [
  ...impersonating,
  ...pretending,
  ...otherRoles,
  ...joining,
  ...path,
  ...holding,
  ...flooding,
  ...inflatingRequests,
  ...handshaking,
  ...networking,
  ...counting,
  ...spending,
  ...reaching,
  ...showing,
  ...deceiving,
  ...reflecting,
  ...looking,
];
