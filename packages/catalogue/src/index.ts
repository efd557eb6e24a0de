export { literalFamily } from "@lifeline/measure";
export {
  listCatalogues,
  loadCatalogue,
  loadCatalogueFile,
  loadCatalogueFor,
  loadDeployment,
  loadInterception,
} from "./bundled.ts";
export {
  type Catalogue,
  type ExtraRequirements,
  extendCatalogue,
  findRequirement,
  MAX_REQUIREMENTS,
  parseCatalogue,
  parseExtra,
  requirementJson,
} from "./catalogue.ts";
export { MAX_FILE_BYTES, parseYaml } from "./catalogue-file.ts";
export { isConfiguredToJoin, type NodeFacts, type ProxyFacts } from "./condition.ts";
export {
  type Deployment,
  type DeploymentFlags,
  deploymentFrom,
  type Mirror,
  parseDeployment,
  type TrustedEndpoint,
  withScheme,
} from "./deployment.ts";
export type { ReadPem } from "./deployment-ca.ts";
export { type CatalogueDiff, diffCatalogues, type FieldChange } from "./diff.ts";
export { canonicalAddress, type Endpoint, isHost, readHostPort, readMachineApi, readProxyUrl } from "./endpoint.ts";
export { CatalogueError, PROBLEM_CODES, type Problem, type ProblemCode, problemLine } from "./error.ts";
export type { ExpectedIssuers, InterceptionSigns, InterceptionVendor } from "./interception.ts";
export {
  isSameRedirects,
  keptRedirects,
  type LearnedRedirect,
  learnRedirect,
  REDIRECTS_MAX,
} from "./learned-redirects.ts";
export { refuseUnmatchedMirrors } from "./mirror-names.ts";
export { editDistance } from "./nearest.ts";
export { matchesPattern, PATTERN_MAX_CHARS } from "./pattern.ts";
export {
  CHECKS,
  type Check,
  CONDITION_FACTS,
  type Condition,
  type ConditionFact,
  DEPLOYMENT_KINDS,
  type DeploymentKind,
  type Erratum,
  hasDrift,
  OBLIGATIONS,
  type Obligation,
  OPERATORS,
  type Operator,
  ORIGINS,
  type Origin,
  type Place,
  type ProbePlan,
  type ProxyKind,
  type Published,
  type Requirement,
  SERVICES,
  type Service,
  type TrustSource,
} from "./requirement.ts";
export {
  type CheckedFacts,
  DEFAULT_TIMES,
  type PlanTimes,
  type Resolution,
  type ResolvedRow,
  resolve,
  resolvedTargets,
  type Skipped,
} from "./resolve.ts";
export type { OtherOmni, SiteFacts } from "./site-facts.ts";
