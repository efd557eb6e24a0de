export { FINGERPRINT_WANTED, fingerprintOf, readFingerprint } from "./fingerprint.ts";
