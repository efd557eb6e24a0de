/**
 * The variables that Lifeline's programs know. Programs share shells and environment files, so each ignores the
 * variables of the others.
 */

/** Variables of the command line `lifeline`. */
export const CLI_VARIABLES: readonly string[] = [
  "LIFELINE_COLLECTOR",
  "LIFELINE_CA_FINGERPRINT",
  "LIFELINE_TOKEN",
  "LIFELINE_TOKEN_FILE",
];

/** Variables of the agent and the collector. The reflector has none. A test compares them with the programs' tables. */
export const PROGRAM_VARIABLES: readonly string[] = [
  "LIFELINE_ACCESS_TOKENS_FILE",
  "LIFELINE_ADMIN_TOKEN",
  "LIFELINE_ALLOW_PLAINTEXT",
  "LIFELINE_CATALOGUE",
  "LIFELINE_CATALOGUE_EXTRAS",
  "LIFELINE_CA_CERT",
  "LIFELINE_CA_FINGERPRINT",
  "LIFELINE_CA_KEY",
  "LIFELINE_COLLECTOR",
  "LIFELINE_CONFIG",
  "LIFELINE_DATA_DIR",
  "LIFELINE_DEPLOYMENT",
  "LIFELINE_HOSTS_FILE",
  "LIFELINE_HOUR_RETENTION_DAYS",
  "LIFELINE_HTTP_LISTEN",
  "LIFELINE_HTTP_NAMES",
  "LIFELINE_IDENTITY_NAMES",
  "LIFELINE_JOIN_TOKEN",
  "LIFELINE_JOIN_TOKEN_FILE",
  "LIFELINE_LISTEN",
  "LIFELINE_LOG_LEVEL",
  "LIFELINE_MAX_STREAMS",
  "LIFELINE_MINUTE_RETENTION_DAYS",
  "LIFELINE_NODE_CERTIFICATE_HOURS",
  "LIFELINE_NODE_ID",
  "LIFELINE_PLAN_FILE",
  "LIFELINE_READER_TOKEN",
  "LIFELINE_READY_FILE",
  "LIFELINE_RESOLVERS",
  "LIFELINE_RETENTION_DAYS",
  "LIFELINE_ROLES",
  "LIFELINE_RUN_AS_UID",
  "LIFELINE_SPOOL_MAX_AGE_HOURS",
  "LIFELINE_SPOOL_MAX_BYTES",
  "LIFELINE_STAMP_KEY_FILE",
  "LIFELINE_STATE_DIR",
  "LIFELINE_TALOS_SOCKET",
  "LIFELINE_TLS_CA",
  "LIFELINE_TLS_CA_FILE",
  "LIFELINE_TLS_CERT",
  "LIFELINE_TLS_CERT_FILE",
  "LIFELINE_TLS_HANDSHAKE_MAX_BYTES",
  "LIFELINE_TLS_KEY",
  "LIFELINE_TLS_KEY_FILE",
];

/**
 * Variables that Kubernetes sets in a pod for each service, such as one named `lifeline-collector` (kubelet, service
 * links).
 */
const SERVICE_LINK = /_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

const KNOWN: ReadonlySet<string> = new Set([...CLI_VARIABLES, ...PROGRAM_VARIABLES]);

/** Whether `name` is a variable of one of Lifeline's programs, or one that Kubernetes sets. */
export function isKnownVariable(name: string): boolean {
  return KNOWN.has(name) || SERVICE_LINK.test(name);
}
