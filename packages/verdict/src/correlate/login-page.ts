/** An own endpoint whose reverse proxy wants a login. */
import { type Cause, targetPlace } from "@lifeline/measure";
import { type Entry, isAt, isFailing } from "../entry.ts";
import { operatorOf } from "./certificate-owner.ts";

/** The causes that a login in front of the API has. */
const CAUSES: readonly Cause[] = ["http-redirected", "http-status"];

/** Names the reverse proxy first where Omni's API answers with a redirect, 401 or 403: a login in front of it does. */
export function withLoginPage(entry: Entry): Entry {
  const { httpStatus = 0 } = entry.own.seen?.evidence ?? {};
  const { options } = entry.target;
  if (!isFailing(entry) || !isAt(entry, "api") || !CAUSES.includes(entry.cause)) return entry;
  const isRedirect = httpStatus >= 300 && httpStatus < 400;
  if (options.probe !== "http" || (!isRedirect && httpStatus !== 401 && httpStatus !== 403)) return entry;
  const where = targetPlace(entry.target);
  const nextStep = `${operatorOf(entry)}: let the reverse proxy in front of ${where} pass ${options.expect.path} without a login; network team: or exempt this node's traffic to it from the captive portal or block page.`;
  return { ...entry, nextStep };
}
