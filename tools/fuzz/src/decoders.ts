/** Every decoder of what others wrote. */
import type { Decoder } from "./decoder.ts";
import { catalogueDecoder } from "./decoders/catalogue.ts";
import { agentConfigDecoder, collectorConfigDecoder } from "./decoders/configuration.ts";
import { deploymentDecoder } from "./decoders/deployment.ts";
import { dnsDecoder } from "./decoders/dns.ts";
import { helloDecoder } from "./decoders/hello.ts";
import { METHOD_DECODERS } from "./decoders/methods.ts";
import { planDecoder, planFileDecoder } from "./decoders/plan.ts";
import { reportDecoder, windowDecoder } from "./decoders/report.ts";
import { signingRequestDecoder } from "./decoders/signing-request.ts";
import { frameDecoder, segmentDecoder } from "./decoders/spool.ts";
import { stampDecoder } from "./decoders/stamp.ts";

export const DECODERS: readonly Decoder[] = [
  reportDecoder,
  windowDecoder,
  helloDecoder,
  planDecoder,
  planFileDecoder,
  ...METHOD_DECODERS,
  frameDecoder,
  segmentDecoder,
  stampDecoder,
  dnsDecoder,
  signingRequestDecoder,
  catalogueDecoder,
  deploymentDecoder,
  agentConfigDecoder,
  collectorConfigDecoder,
];
