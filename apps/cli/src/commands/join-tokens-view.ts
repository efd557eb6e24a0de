/** The view of join tokens, without their secrets. */
import type { adminPb } from "@lifeline/wire";
import { atMs, isoTime } from "../collector/wire-time.ts";
import { EXIT } from "../exit-code.ts";
import type { Tone } from "../render/paint.ts";
import { ageText, NONE, secondsText } from "../render/units.ts";
import { recordsView, type View } from "../render/view.ts";

type JoinToken = adminPb.JoinToken;

type TokenState = "good" | "used-up" | "expired" | "revoked";

const LOOKS: Readonly<Record<TokenState, { readonly text: string; readonly tone: Tone }>> = {
  good: { text: "✓ good", tone: "good" },
  "used-up": { text: "· used up", tone: "faint" },
  expired: { text: "· expired", tone: "faint" },
  revoked: { text: "✗ revoked", tone: "warning" },
};

/** `any node`, or `nodes rack-3-*`. */
export function nodesText({ nodePattern }: Pick<JoinToken, "nodePattern">): string {
  return nodePattern === "" ? "any node" : `nodes ${nodePattern}`;
}

/** The view of join tokens at `nowMs`, the collector's time; undefined: expiry is not judged. */
export function joinTokensView(
  tokens: readonly JoinToken[],
  nowMs: number | undefined,
  footer: readonly string[] = [],
): View {
  const look = (token: JoinToken) => LOOKS[stateOf(token, nowMs)];
  return recordsView<JoinToken>({
    rows: tokens,
    columns: [
      { title: "ID", text: ({ id }) => id },
      { title: "STATE", text: (token) => look(token).text, tone: (token) => look(token).tone, isOwn: true },
      { title: "USED", text: ({ uses, usesMax }) => `${uses} of ${usesMax}`, align: "right", isOwn: true },
      { title: "NODES", text: ({ nodePattern }) => nodePattern || "any", shrinkTo: 6 },
      { title: "CREATED", text: ({ createdUnixMs }) => secondsText(atMs(createdUnixMs)), isOwn: true },
      { title: "UNTIL", text: ({ expiresUnixMs }) => secondsText(atMs(expiresUnixMs)), isOwn: true },
      { title: "LEFT", text: (token) => leftText(token, nowMs), align: "right", isOwn: true },
      { title: "NOTE", text: (token) => token.note || NONE, shrinkTo: 6 },
    ],
    wideColumns: [
      { title: "REVOKED", text: ({ revokedUnixMs }) => secondsText(atMs(revokedUnixMs)), isOwn: true },
      { title: "EPHEMERAL", text: ({ ephemeral }) => (ephemeral ? "yes" : NONE), isOwn: true },
    ],
    fields: FIELD_NAMES.map((name) => ({ name, value: (token) => joinTokenJson(token, nowMs)[name] })),
    json: {
      ...(nowMs === undefined ? {} : { generatedAt: isoTime(nowMs) }),
      tokens: tokens.map((token) => joinTokenJson(token, nowMs)),
    },
    empty: "No join tokens: 'lifeline token create' makes one.",
    footer,
    exitCode: EXIT.met,
  });
}

function stateOf({ revokedUnixMs, uses, usesMax, expiresUnixMs }: JoinToken, nowMs: number | undefined): TokenState {
  if (revokedUnixMs !== undefined) return "revoked";
  if (nowMs !== undefined && Number(expiresUnixMs) <= nowMs) return "expired";
  return uses >= usesMax ? "used-up" : "good";
}

function leftText(token: JoinToken, nowMs: number | undefined): string {
  if (nowMs === undefined || stateOf(token, nowMs) !== "good") return NONE;
  return ageText(Number(token.expiresUnixMs) - nowMs);
}

function joinTokenJson(token: JoinToken, nowMs: number | undefined) {
  return {
    id: token.id,
    state: stateOf(token, nowMs),
    uses: token.uses,
    usesMax: token.usesMax,
    nodes: token.nodePattern || null,
    created: isoTime(atMs(token.createdUnixMs)),
    expires: isoTime(atMs(token.expiresUnixMs)),
    revoked: isoTime(atMs(token.revokedUnixMs)),
    note: token.note || null,
    ephemeral: token.ephemeral,
  };
}

const FIELD_NAMES = [
  "id",
  "state",
  "uses",
  "usesMax",
  "nodes",
  "created",
  "expires",
  "revoked",
  "note",
  "ephemeral",
] as const satisfies readonly (keyof ReturnType<typeof joinTokenJson>)[];
