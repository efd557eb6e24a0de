/**
 * What the node proves itself with, in its state directory.
 *
 * 1. Key, certificate and authority are one file, replaced as a whole: no crash leaves a key beside another's certificate.
 * 2. A key is on disk before anybody is asked to certify it, and stays there until its certificate is: neither an answer that is lost
 *    nor a disk that is full in between locks the node out of its own id.
 * 3. A disk that refuses costs this start nothing: what could not be kept is used from memory, told, and written again later.
 * 4. A file that is there and cannot be read is no missing one: enrolling anew would ask for the id under another key, and be locked out.
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
  readonly authorityPem: string;
}

/** What a certificate says that its owner must know. */
export interface CertificateFacts {
  readonly nodeId: string;
  /** ms since the epoch */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Of the authority it came with. */
  readonly caFingerprint: string;
}

/** The files of one node's identity. */
export interface KeptCredentials {
  /** Reads the credentials, if they could not be read so far. Throws an EnrolError `unreadable` while they still cannot. */
  readAgain(): void;
  /** Undefined: none, none that can be used, or not read yet. */
  load(): Credentials | undefined;
  save(credentials: Credentials): Promise<void>;
  /** Writes what the disk refused when it was saved; nothing otherwise. */
  saveAgain(): Promise<void>;
  /** The key that is to be certified next: kept until what came of it is on disk. Rejects with an EnrolError `unreadable`. */
  nextKey(): Promise<KeyPair>;
}

const CREDENTIAL_FIELDS = ["keyPem", "certPem", "authorityPem"] as const;

/** Opens the identity of `stateDir`. `onRefused` is told the system's code when the disk does not take something. */
export function openKeptCredentials(stateDir: string, onRefused: (code: string) => void): KeptCredentials {
  const directory = join(stateDir, IDENTITY_DIRECTORY);
  const credentialsPath = join(directory, "credentials.json");
  const nextPath = join(directory, "next.key");
  let held: Credentials | undefined;
  let isRead = false;
  let next: KeyPair | undefined;
  let isNextRead = false;
  let unsaved: Credentials | undefined;
  /** Whether the disk took it. */
  const keep = async (path: string, text: string): Promise<boolean> => {
    try {
      makeDirectory(directory);
      await writeWholeFile(path, text);
      return true;
    } catch (error) {
      onRefused(systemCode(error));
      return false;
    }
  };
  const save = async (credentials: Credentials): Promise<void> => {
    held = credentials;
    unsaved = credentials;
    if (!(await keep(credentialsPath, JSON.stringify(credentials)))) return;
    unsaved = undefined;
    next = undefined;
    try {
      rmSync(nextPath, { force: true });
    } catch (error) {
      onRefused(systemCode(error));
    }
  };
  const readAgain = () => {
    if (!isRead) held = credentialsIn(textOf(credentialsPath));
    isRead = true;
  };
  try {
    readAgain();
  } catch (error) {
    // Told when somebody asks for what could not be read.
    if (!(error instanceof EnrolError)) throw error;
  }
  return {
    readAgain,
    load: () => held,
    save,
    async saveAgain() {
      if (unsaved !== undefined) await save(unsaved);
    },
    async nextKey() {
      if (!isNextRead) next = keyIn(textOf(nextPath));
      isNextRead = true;
      // The key of what is held is no next one: it is left from a save that did not come to its end.
      if (next !== undefined && next.privateKeyPem !== held?.keyPem) return next;
      const made = makeKeyPair();
      await keep(nextPath, made.privateKeyPem);
      next = made;
      return made;
    },
  };
}

/** Reads the certificate of credentials that {@link KeptCredentials.load} gave. */
export function factsOf({ certPem, authorityPem }: Credentials): CertificateFacts {
  const certificate = new X509Certificate(certPem);
  const { CN: nodeId } = certificate.toLegacyObject().subject;
  return {
    nodeId: String(nodeId),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    caFingerprint: fingerprintOf(new X509Certificate(authorityPem).raw),
  };
}

/** What the system says of a path with no file at its end, or none on the way. */
const NO_FILE = ["ENOENT", "ENOTDIR"];

/** The text of a file; undefined where there is none. Throws an EnrolError `unreadable`. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = systemCode(error);
    if (NO_FILE.includes(code)) return undefined;
    const wait = "the node does not enrol anew while it may have a key; it reads again at the next attempt";
    throw new EnrolError("unreadable", `the disk does not give the node's identity (${path}: ${code}): ${wait}`);
  }
}

function credentialsIn(text: string | undefined): Credentials | undefined {
  if (text === undefined) return undefined;
  try {
    const given: unknown = JSON.parse(text);
    if (typeof given !== "object" || given === null) return undefined;
    const [keyPem, certPem, authorityPem] = CREDENTIAL_FIELDS.map((field): unknown => Reflect.get(given, field));
    if (typeof keyPem !== "string" || typeof certPem !== "string" || typeof authorityPem !== "string") return undefined;
    const isPair = new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem));
    return isPair && new X509Certificate(authorityPem).ca ? { keyPem, certPem, authorityPem } : undefined;
  } catch {
    // Cut off or damaged: there is nothing to prove oneself with, and the node enrols.
    return undefined;
  }
}

function keyIn(text: string | undefined): KeyPair | undefined {
  if (text === undefined) return undefined;
  try {
    return keyPairOf(text);
  } catch {
    // Half of one, from a draft that was never renamed.
    return undefined;
  }
}
