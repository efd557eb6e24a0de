export { makeCa, makeLeaf, type Signer } from "./certificate-maker.ts";
export { type WrongOwner, wrongOwnerOf } from "./file-owner.ts";
export { FINGERPRINT_WANTED, fingerprintOf, readFingerprint } from "./fingerprint.ts";
export {
  BACKDATE_MS,
  createFleetCa,
  type FleetCa,
  FleetCaError,
  type FleetCaPems,
  type Issued,
  openFleetCa,
  type RandomBytes,
  ROLE_ORGANISATIONS,
  type Role,
} from "./fleet-ca.ts";
export { type KeyPair, keyPairOf, keySha256, makeKeyPair } from "./key-pair.ts";
export { signingRequestDer } from "./signing-request.ts";
export { readSigningRequest, SIGNING_REQUEST_MAX_BYTES, type SigningRequest } from "./signing-request-reader.ts";
export { FILE_CHECK_MS, type FileRead, type WatchedFile, type WatchedFileOptions, watchFile } from "./watched-file.ts";
export { writeWholeFile } from "./whole-file.ts";
