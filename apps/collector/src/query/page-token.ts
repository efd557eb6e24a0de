/** The tokens that name the next page of an answer. */
import { quoted, refuse } from "../streams/call-refusal.ts";

/** Longest token that is read, characters: two identifiers in base64. */
const TOKEN_MAX_CHARS = 4_096;

/** A token that names the last row of a page by its parts. */
export function token(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** The parts of a token; none for an empty one. Throws an RpcError. */
export function readToken(text: string, length: number): readonly string[] {
  if (text === "") return [];
  const parts = text.length > TOKEN_MAX_CHARS ? undefined : parsed(text);
  const valid = Array.isArray(parts) && parts.length === length && parts.every((part) => typeof part === "string");
  return valid ? parts : refuse("page_token", quoted(text), "the next_page_token of the page before");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
