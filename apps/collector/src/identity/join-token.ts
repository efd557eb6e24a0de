/** Join tokens as they are given to nodes: a public id, which names the token, and a secret. */

/** Bytes of the id, and of the secret: 256 bits cannot be guessed. */
const TOKEN_ID_BYTES = 4;
const TOKEN_SECRET_BYTES = 32;

const JOIN_TOKEN = /^([0-9a-f]{8})\.([A-Za-z0-9_-]{43})$/;

/** A join token in its parts. */
export interface JoinToken {
  readonly id: string;
  /** Secret. */
  readonly secret: string;
}

export function makeJoinToken(randomBytes: (size: number) => Uint8Array): JoinToken {
  const id = Buffer.from(randomBytes(TOKEN_ID_BYTES)).toString("hex");
  return { id, secret: Buffer.from(randomBytes(TOKEN_SECRET_BYTES)).toString("base64url") };
}

export function joinTokenText({ id, secret }: JoinToken): string {
  return `${id}.${secret}`;
}

/** The parts of a token; undefined: the text is no join token. */
export function readJoinToken(text: string): JoinToken | undefined {
  const [, id, secret] = JOIN_TOKEN.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}
