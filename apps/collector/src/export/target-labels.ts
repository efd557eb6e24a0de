/**
 * The labels of a target's series: node, requirement, probe, endpoint, ip (4, 6, or empty without a target), proxy
 * (empty: direct).
 */
import { detailOf, endpointName, type Target, targetPlace } from "@lifeline/measure";
import { labelsText } from "./prometheus-text.ts";

/** Undefined: a row without a target. */
export function targetLabels(node: string, requirement: string, target: Target | undefined): string {
  const proxy = target?.proxy === undefined ? "" : endpointName(target.proxy.host, target.proxy.port);
  const endpoint = target === undefined ? "" : `${targetPlace(target)}${detailOf(target.options)}`;
  return labelsText({
    node,
    requirement,
    probe: target?.options.probe ?? "",
    endpoint,
    ip: target?.family ?? "",
    proxy,
  });
}
