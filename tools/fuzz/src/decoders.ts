/** Every decoder of what others wrote. */
import type { Decoder } from "./decoder.ts";
import { catalogueDecoder } from "./decoders/catalogue-decoder.ts";
import { agentConfigDecoder, collectorConfigDecoder } from "./decoders/configuration-decoder.ts";
import { deploymentDecoder } from "./decoders/deployment-decoder.ts";
import { dnsDecoder } from "./decoders/dns-decoder.ts";
import { helloDecoder } from "./decoders/hello-decoder.ts";
import { METHOD_DECODERS } from "./decoders/methods-decoder.ts";
import { planDecoder, planFileDecoder } from "./decoders/plan-decoder.ts";
import { reportDecoder, windowDecoder } from "./decoders/report-decoder.ts";
import { signingRequestDecoder } from "./decoders/signing-request-decoder.ts";
import { frameDecoder, segmentDecoder } from "./decoders/spool-decoder.ts";
import { stampDecoder } from "./decoders/stamp-decoder.ts";

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
