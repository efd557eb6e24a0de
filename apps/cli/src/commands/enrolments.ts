/** `lifeline enrolments`: which key holds which node id, since when, until when, and which other keys claimed it. */
import type { adminPb } from "@lifeline/wire";
import type { Command } from "commander";
import { fetchEnrolments } from "../collector/fetch.ts";
import { atMs, isoTime } from "../collector/wire-time.ts";
import { EXIT } from "../exit-code.ts";
import type { Tone } from "../render/paint.ts";
import type { Column } from "../render/table.ts";
import { ageText, NONE, secondsText } from "../render/units.ts";
import { recordsView, type View } from "../render/view.ts";
import { COLLECTOR_OPTIONS, OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";

type Enrolment = adminPb.Enrolment;

/** Adds the command to the root. */
export function addEnrolments(root: Command, session: Session): void {
  const command = root
    .command("enrolments")
    .description("show which key holds which node id, since when, until when, and refused claims of other keys")
    .option("--node <id>", "only this node")
    .action(({ node }: { node?: string }) =>
      session.showAdmin(async (client, signal) => {
        const { enrolments, generatedAtMs } = await fetchEnrolments(client, node, signal);
        return enrolmentsView(enrolments, generatedAtMs);
      }),
    );
  withTraits(command, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS, "watch"],
    examples: [
      ["lifeline enrolments", "every node with a certificate; ids claimed twice come first"],
      ["lifeline enrolments --node worker-1 --output wide", "one node, with its key and its join token"],
      ["lifeline enrolments --json", "for a script"],
    ],
  });
}

/** The state of an enrolment. */
export type EnrolmentState = "good" | "claimed-twice" | "ended" | "revoked";

/** Revoked comes first, then a second claim, which a person must look at, then expiry. */
export function enrolmentState(enrolment: Enrolment, nowMs: number): EnrolmentState {
  if (enrolment.revokedUnixMs !== undefined) return "revoked";
  if (enrolment.refusedClaims > 0) return "claimed-twice";
  return Number(enrolment.notAfterUnixMs) <= nowMs ? "ended" : "good";
}

const LOOKS: Readonly<Record<EnrolmentState, { readonly text: string; readonly tone: Tone }>> = {
  good: { text: "✓ good", tone: "good" },
  "claimed-twice": { text: "! claimed twice", tone: "bad" },
  ended: { text: "? ended", tone: "open" },
  revoked: { text: "✗ revoked", tone: "warning" },
};

/** The JSON of an enrolment; `nowMs` is the collector's time. */
export function enrolmentJson(enrolment: Enrolment, nowMs: number) {
  return { ...enrolmentFacts(enrolment), state: enrolmentState(enrolment, nowMs) };
}

/** The facts that do not depend on the time. */
export function enrolmentFacts(enrolment: Enrolment) {
  return {
    node: enrolment.nodeId,
    enrolled: isoTime(atMs(enrolment.enrolledUnixMs)),
    notAfter: isoTime(atMs(enrolment.notAfterUnixMs)),
    renewals: enrolment.renewals,
    revoked: isoTime(atMs(enrolment.revokedUnixMs)),
    refusedClaims: enrolment.refusedClaims,
    lastRefusedClaim: isoTime(atMs(enrolment.lastRefusedClaimUnixMs)),
    lastRefusedClaimFrom: enrolment.lastRefusedClaimFrom || null,
    joinToken: enrolment.joinTokenId || null,
    keySha256: enrolment.keySha256,
    ephemeral: enrolment.ephemeral,
  };
}

/** The view of enrolments, ids claimed twice first. */
export function enrolmentsView(enrolments: readonly Enrolment[], generatedAtMs: number): View {
  const isClaimed = (enrolment: Enrolment) => enrolmentState(enrolment, generatedAtMs) === "claimed-twice";
  const claimed = enrolments.filter(isClaimed);
  const rows = [...claimed, ...enrolments.filter((each) => !isClaimed(each))];
  const look = (each: Enrolment) => LOOKS[enrolmentState(each, generatedAtMs)];
  return recordsView<Enrolment>({
    rows,
    columns: [
      { title: "NODE", text: ({ nodeId }) => nodeId, shrinkTo: 8, cut: "middle" },
      { title: "STATE", text: (each) => look(each).text, tone: (each) => look(each).tone, isOwn: true },
      { title: "SINCE", text: ({ enrolledUnixMs }) => secondsText(atMs(enrolledUnixMs)), isOwn: true },
      { title: "UNTIL", text: ({ notAfterUnixMs }) => secondsText(atMs(notAfterUnixMs)), isOwn: true },
      { title: "RENEWALS", text: ({ renewals }) => String(renewals), align: "right", isOwn: true },
      {
        title: "OTHER KEYS REFUSED",
        text: (each) => claimsText(each, generatedAtMs),
        tone: ({ refusedClaims }) => (refusedClaims > 0 ? "bad" : undefined),
        shrinkTo: 8,
      },
    ],
    wideColumns: WIDE_COLUMNS,
    fields: [...ENROLMENT_FIELDS, { name: "state", value: (enrolment) => enrolmentState(enrolment, generatedAtMs) }],
    json: {
      generatedAt: isoTime(generatedAtMs),
      enrolments: rows.map((each) => enrolmentJson(each, generatedAtMs)),
    },
    empty: "No enrolments: no node has a certificate.",
    footer: claimed.length === 0 ? [] : claimedTwiceLines(claimed),
    exitCode: EXIT.met,
  });
}

const WIDE_COLUMNS: readonly Column<Enrolment>[] = [
  { title: "REVOKED", text: ({ revokedUnixMs }) => secondsText(atMs(revokedUnixMs)), isOwn: true },
  { title: "JOIN TOKEN", text: ({ joinTokenId }) => joinTokenId || NONE },
  { title: "KEY (SHA-256)", text: ({ keySha256 }) => keySha256 },
  { title: "EPHEMERAL", text: ({ ephemeral }) => (ephemeral ? "yes" : NONE), isOwn: true },
];

/** `3, last 5 min ago from 10.0.0.9`; an em dash for none. */
function claimsText(enrolment: Enrolment, nowMs: number): string {
  const { refusedClaims, lastRefusedClaimFrom: from } = enrolment;
  if (refusedClaims === 0) return NONE;
  const lastMs = atMs(enrolment.lastRefusedClaimUnixMs);
  const last = lastMs === null ? "" : `, last ${ageText(nowMs - lastMs)} ago`;
  return `${refusedClaims}${last}${from === "" ? "" : ` from ${from}`}`;
}

/** Most ids named below the table. */
const CLAIMED_SHOWN = 5;

function claimedTwiceLines(claimed: readonly Enrolment[]): readonly string[] {
  const names = claimed.slice(0, CLAIMED_SHOWN).map(({ nodeId }) => nodeId);
  const more = claimed.length > names.length ? ` and ${claimed.length - names.length} more` : "";
  return [
    `! another key claimed ${names.join(", ")}${more}: two machines have one id, or one was reinstalled.`,
    "Two machines: give one of them another id. Reinstalled: 'lifeline node revoke ID', then 'lifeline node readmit ID'.",
    ...(claimed.some(({ ephemeral }) => ephemeral)
      ? [
          "An ephemeral one ('--output wide') is admitted again by itself, at most two minutes after the other was switched off.",
        ]
      : []),
  ];
}

const FACT_NAMES = [
  "node",
  "enrolled",
  "notAfter",
  "renewals",
  "revoked",
  "refusedClaims",
  "lastRefusedClaim",
  "lastRefusedClaimFrom",
  "joinToken",
  "keySha256",
  "ephemeral",
] as const satisfies readonly (keyof ReturnType<typeof enrolmentFacts>)[];

/** The fields of CSV: those of {@link enrolmentFacts}. */
export const ENROLMENT_FIELDS = FACT_NAMES.map((name) => ({
  name,
  value: (enrolment: Enrolment) => enrolmentFacts(enrolment)[name],
}));
