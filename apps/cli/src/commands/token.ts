/** `lifeline token …`: the join tokens with which nodes enrol. */
import { PATTERN_MAX_CHARS } from "@lifeline/catalogue";
import { visibleText } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import type { adminPb } from "@lifeline/wire";
import { type Command, InvalidArgumentError, Option } from "commander";
import { readDurationMs } from "../arguments/duration.ts";
import { CliError } from "../cli-error.ts";
import { CALL_TIMEOUT_MS } from "../collector/collector-client.ts";
import { atMs, isoTime } from "../collector/wire-time.ts";
import { jsonText } from "../render/json.ts";
import { COLLECTOR_OPTIONS, OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";
import { joinTokensView, nodesText } from "./join-tokens-view.ts";

/** The bounds of admin.proto, CreateJoinTokenRequest. */
const NOTE_MAX_CHARS = 253;
const USES_MAX = 100_000;
const LIFETIME_MIN_MS = 60_000;
const LIFETIME_MAX_MS = 31_536_000_000;

const MS_PER_S = 1_000;

/** Adds the command and its subcommands to the root. */
export function addToken(root: Command, session: Session): void {
  const group = root.command("token").description("create, list and revoke join tokens, with which nodes enrol");
  withTraits(group, {
    uses: [],
    examples: [["(umask 077; lifeline token create > join-token)", "for one node, valid for a day"]],
  });
  addCreate(group, session);
  addList(group, session);
  addRevoke(group, session);
}

interface CreateFlags {
  readonly note?: string;
  readonly uses?: number;
  readonly for?: number;
  readonly nodes?: string;
  readonly ephemeral?: boolean;
}

function addCreate(group: Command, session: Session): void {
  const create = group
    .command("create")
    .description("create a join token: stdout has the token alone, this once; stderr says how to use it")
    .addOption(new Option("--note <text>", "what the token is for; 'token list' shows it").argParser(note))
    .addOption(
      new Option("--uses <n>", `how many nodes may enrol with it (1-${USES_MAX}, default 1)`).argParser(wholeUses),
    )
    .addOption(new Option("--for <time>", "lifetime: 90s, 30m, 12h, 7d (1m-365d, default 24h)").argParser(lifetimeMs))
    .addOption(
      new Option("--nodes <pattern>", "only node ids that match this shell-style pattern (default any)").argParser(
        pattern,
      ),
    )
    .option(
      "--ephemeral",
      "for agents without a disk, which make a new key at each start: a new key replaces the last one and is one use",
    )
    .action((flags: CreateFlags) => createToken(flags, session));
  withTraits(create, {
    uses: [...COLLECTOR_OPTIONS, "json"],
    examples: [
      ["(umask 077; lifeline token create > join-token)", "for one node, valid for a day"],
      ["lifeline token create --uses 40 --for 7d --nodes 'rack-3-*' --note 'rack 3'", "for a rack"],
      ["lifeline token create --ephemeral --uses 200 --for 30d", "for machines in maintenance mode: 200 starts in all"],
    ],
  });
}

async function createToken(flags: CreateFlags, session: Session) {
  const { note = "", uses = 0, for: lifetime = 0, nodes = "", ephemeral = false } = flags;
  const lifetimeSeconds = Math.ceil(lifetime / MS_PER_S);
  const request = { note, usesMax: uses, lifetimeSeconds, nodePattern: nodes, ephemeral };
  const answer = await session.callAdmin((client, signal) =>
    client.unary("createJoinToken", request, { timeoutMs: CALL_TIMEOUT_MS, signal }),
  );
  const { token, joinToken, caFingerprint } = answer;
  // It is printed unchanged, so it must hold nothing that a terminal would obey.
  if (token === undefined || !/^[\x21-\x7e]+$/.test(joinToken)) {
    throw new CliError(
      "unreachable",
      "the collector returned no usable join token; see its log, and 'lifeline token list'",
    );
  }
  if (session.options().json) {
    await session.print(`${jsonText(createdJson(token, joinToken, caFingerprint), 2)}\n`);
    return;
  }
  await session.print(`${joinToken}\n`);
  await session.world.stderr.write(useText(token, caFingerprint));
}

function createdJson(token: adminPb.JoinToken, joinToken: string, caFingerprint: string) {
  return {
    token: joinToken,
    id: token.id,
    expires: isoTime(atMs(token.expiresUnixMs)),
    usesMax: token.usesMax,
    nodes: token.nodePattern || null,
    note: token.note || null,
    ephemeral: token.ephemeral,
    caFingerprint,
  };
}

function useText(token: adminPb.JoinToken, caFingerprint: string): string {
  const what = token.ephemeral ? "key" : "node";
  const many = `${token.usesMax} ${what}${token.usesMax === 1 ? "" : "s"}`;
  const gives = token.ephemeral
    ? [
        "Ephemeral, for machines in maintenance mode: each start of an agent makes a new key, which replaces the node's last one and is one use.",
      ]
    : [];
  const lines = [
    `Join token ${token.id}, shown only now: enrols ${many} (${nodesText(token)}) until ${isoTime(atMs(token.expiresUnixMs))}.`,
    ...gives,
    "In the agent's configuration file:",
    `  enrol: { tokenFile: join-token, caFingerprint: "${caFingerprint}" }`,
    "or in its environment:",
    `  LIFELINE_JOIN_TOKEN=… or LIFELINE_JOIN_TOKEN_FILE=join-token, and LIFELINE_CA_FINGERPRINT=${caFingerprint}`,
    `To revoke it: lifeline token revoke ${token.id}`,
  ];
  return `${lines.map(visibleText).join("\n")}\n`;
}

function addList(group: Command, session: Session): void {
  const list = group
    .command("list")
    .description("list join tokens: state, uses, lifetime; never the tokens themselves")
    .action(() =>
      session.showAdmin(async (client, signal) => {
        const answer = await client.unary("listJoinTokens", {}, { timeoutMs: CALL_TIMEOUT_MS, signal });
        return joinTokensView(answer.tokens, Number(answer.generatedUnixMs));
      }),
    );
  withTraits(list, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS, "watch"],
    examples: [
      ["lifeline token list", "which are valid, and for how many nodes"],
      ["lifeline token list --json", "for a script"],
    ],
  });
}

function addRevoke(group: Command, session: Session): void {
  const revoke = group
    .command("revoke")
    .argument("<id>", "the token's id, as 'token list' shows it; never the token itself")
    .description("revoke a join token at once; nodes that enrolled with it stay enrolled")
    .action((given: string) => {
      const id = tokenId(given);
      return session.showAdmin(async (client, signal) => {
        const call = client.unary("revokeJoinToken", { id }, { timeoutMs: CALL_TIMEOUT_MS, signal });
        const { token } = await call.catch((error: unknown) => {
          if (!(error instanceof RpcError) || error.code !== RpcStatus.NOT_FOUND) throw error;
          throw new CliError(
            "not-found",
            `the collector has no join token ${id}; 'lifeline token list' shows those it has`,
          );
        });
        return joinTokensView(token === undefined ? [] : [token], undefined, [
          `Join token ${id} is revoked. Nodes that enrolled with it stay enrolled: 'lifeline enrolments' lists them, 'lifeline node revoke ID' revokes one.`,
        ]);
      });
    });
  withTraits(revoke, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS],
    examples: [
      ["lifeline token revoke 1f2e3d4c", "it leaked, or is not needed any more"],
      ["lifeline token revoke 1f2e3d4c --json", "for a script"],
    ],
  });
}

/** The id. Longer text may be the whole token, which no error repeats (S1). */
function tokenId(text: string): string {
  if (/^[0-9a-f]{8}$/.test(text)) return text;
  const said = text.includes(".") ? "this looks like a token; its id is the part before the dot. W" : "w";
  throw new CliError("usage", `<id>: ${said}ant 8 hexadecimal characters, as 'lifeline token list' shows them`);
}

function note(text: string): string {
  if (text !== "" && text.length <= NOTE_MAX_CHARS && visibleText(text) === text) return text;
  throw new InvalidArgumentError(`want 1 to ${NOTE_MAX_CHARS} printable characters`);
}

/** The empty pattern is refused: a variable that was not set must not admit every node. */
function pattern(text: string): string {
  if (/[A-Z]/.test(text)) {
    throw new InvalidArgumentError("want lower-case letters, as node ids have, such as 'rack-3-*'");
  }
  if (text !== "" && text.length <= PATTERN_MAX_CHARS) return text;
  throw new InvalidArgumentError(`want a pattern of 1 to ${PATTERN_MAX_CHARS} characters such as 'rack-3-*'`);
}

function wholeUses(text: string): number {
  const uses = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (uses >= 1 && uses <= USES_MAX) return uses;
  throw new InvalidArgumentError(`want a whole number of nodes from 1 to ${USES_MAX}`);
}

function lifetimeMs(text: string): number {
  const ms = readDurationMs(text);
  if (ms !== undefined && ms >= LIFETIME_MIN_MS && ms <= LIFETIME_MAX_MS) return ms;
  throw new InvalidArgumentError("want a whole number of s, m, h or d, from 1m to 365d, such as 24h");
}
