/**
 * The node's key and certificate, in its state directory.
 *
 * 1. Key, certificate and fleet CA are one file, replaced as a whole, so no crash leaves a key beside the certificate
 *    of another.
 * 2. A key is on disk before the collector certifies it, and stays there until its certificate is on disk. So neither a
 *    lost answer nor a full disk in between locks the node out of its own id.
 * 3. When the disk cannot be written, the credentials are used from memory, with a warning, and written again later.
 * 4. A file that exists and cannot be read is not a missing one: enrolling again would claim the id under another key,
 *    and be refused.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fingerprintOf, type KeyPair, keyPairOf, makeKeyPair, writeWholeFile } from "@lifeline/identity";
import { makeDirectory } from "../state/make-directory.ts";
import { systemCode } from "../state/system-code.ts";
import { EnrolError } from "./enrol-error.ts";

/** Directory of the identity, in the state directory. */
export const IDENTITY_DIRECTORY = "identity";

/** The node's credentials. */
export interface Credentials {
  /** PKCS #8, PEM. Secret. */
  readonly keyPem: string;
  /** The node's certificate. */
  readonly certPem: string;
  /** The fleet CA's certificate. */
  readonly caPem: string;
}

/** What its owner reads from a certificate. */
export interface CertificateFacts {
  readonly nodeId: string;
  /** ms since the epoch */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Of the fleet CA that it came with. */
  readonly caFingerprint: string;
}

const CREDENTIAL_FIELDS = ["keyPem", "certPem", "caPem"] as const;

/** The files of one node's identity. */
export class KeptCredentials {
  readonly #directory: string;
  readonly #credentialsPath: string;
  readonly #nextPath: string;
  readonly #onRefused: (code: string) => void;
  #held: Credentials | undefined;
  #isRead = false;
  #next: KeyPair | undefined;
  #isNextRead = false;
  #isWritten = true;

  /** Opens the credentials in `stateDir`. `onRefused` takes the system's code when a file cannot be written. */
  constructor(stateDir: string, onRefused: (code: string) => void) {
    this.#directory = join(stateDir, IDENTITY_DIRECTORY);
    this.#credentialsPath = join(this.#directory, "credentials.json");
    this.#nextPath = join(this.#directory, "next.key");
    this.#onRefused = onRefused;
    try {
      this.readAgain();
    } catch (error) {
      // Thrown again when the credentials are needed.
      if (!(error instanceof EnrolError)) throw error;
    }
  }

  /**
   * Reads the credentials, if they could not be read so far. Throws an EnrolError `unreadable` while they still cannot.
   */
  readAgain(): void {
    if (!this.#isRead) this.#held = credentialsIn(textOf(this.#credentialsPath));
    this.#isRead = true;
  }

  /** Undefined: there are none, they cannot be used, or they are not read yet. */
  load(): Credentials | undefined {
    return this.#held;
  }

  async save(credentials: Credentials): Promise<void> {
    this.#held = credentials;
    this.#isWritten = await this.#write(this.#credentialsPath, JSON.stringify(credentials));
    if (!this.#isWritten) return;
    this.#next = undefined;
    try {
      rmSync(this.#nextPath, { force: true });
    } catch (error) {
      this.#onRefused(systemCode(error));
    }
  }

  /** Writes credentials that could not be written when they were saved; otherwise does nothing. */
  async saveAgain(): Promise<void> {
    if (!this.#isWritten && this.#held !== undefined) await this.save(this.#held);
  }

  /**
   * The key that is to be certified next. It is kept until its certificate is on disk. Rejects with an EnrolError
   * `unreadable`.
   */
  async nextKey(): Promise<KeyPair> {
    if (!this.#isNextRead) this.#next = keyIn(textOf(this.#nextPath));
    this.#isNextRead = true;
    // The key of the held credentials is not the next one: a save that was interrupted left it.
    if (this.#next !== undefined && this.#next.privateKeyPem !== this.#held?.keyPem) return this.#next;
    const made = makeKeyPair();
    await this.#write(this.#nextPath, made.privateKeyPem);
    this.#next = made;
    return made;
  }

  /** Whether the file was written. */
  async #write(path: string, text: string): Promise<boolean> {
    try {
      makeDirectory(this.#directory);
      await writeWholeFile(path, text);
      return true;
    } catch (error) {
      this.#onRefused(systemCode(error));
      return false;
    }
  }
}

/** Reads the certificate of credentials that {@link KeptCredentials.load} gave. */
export function factsOf({ certPem, caPem }: Credentials): CertificateFacts {
  const certificate = new X509Certificate(certPem);
  const { CN: nodeId } = certificate.toLegacyObject().subject;
  return {
    nodeId: String(nodeId),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    caFingerprint: fingerprintOf(new X509Certificate(caPem).raw),
  };
}

/** The system's codes for a path without a file at its end or on the way. */
const NO_FILE = ["ENOENT", "ENOTDIR"];

/** The text of a file; undefined where there is none. Throws an EnrolError `unreadable`. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = systemCode(error);
    if (NO_FILE.includes(code)) return undefined;
    const wait = "the node may have a key there, so it does not enrol; it reads the file again at the next dial";
    throw new EnrolError("unreadable", `cannot read the node's certificate (${path}: ${code}): ${wait}`);
  }
}

function credentialsIn(text: string | undefined): Credentials | undefined {
  if (text === undefined) return undefined;
  try {
    const given: unknown = JSON.parse(text);
    if (typeof given !== "object" || given === null) return undefined;
    const [keyPem, certPem, caPem] = CREDENTIAL_FIELDS.map((field): unknown => Reflect.get(given, field));
    if (typeof keyPem !== "string" || typeof certPem !== "string" || typeof caPem !== "string") return undefined;
    const isPair = new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem));
    return isPair && new X509Certificate(caPem).ca ? { keyPem, certPem, caPem } : undefined;
  } catch {
    // Incomplete or damaged: the node enrols.
    return undefined;
  }
}

function keyIn(text: string | undefined): KeyPair | undefined {
  if (text === undefined) return undefined;
  try {
    return keyPairOf(text);
  } catch {
    // Incomplete: a draft that was never renamed.
    return undefined;
  }
}
