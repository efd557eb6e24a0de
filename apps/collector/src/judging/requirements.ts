/** What the collector judges against: the catalogue and the deployment, read once at the start. */
import { readFileSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import {
  type Catalogue,
  CatalogueError,
  type Deployment,
  type ExtraRequirements,
  extendCatalogue,
  loadCatalogueFile,
  loadCatalogueFor,
  loadDeployment,
  MAX_FILE_BYTES,
  parseExtra,
  refuseUnmatchedMirrors,
} from "@lifeline/catalogue";
import type { Config } from "../config/config.ts";

/** A deployment and the catalogue that it must meet. */
export interface Requirements {
  readonly catalogue: Catalogue;
  readonly deployment: Deployment;
}

/** Reads the files the configuration names. Throws CatalogueError. */
export function loadRequirements({ deployment: file, catalogue, catalogueExtras }: Config): Requirements {
  const deployment = loadDeployment(file);
  const base = catalogue === undefined ? loadCatalogueFor(deployment, dirname(file)) : loadCatalogueFile(catalogue);
  const whole = catalogueExtras.reduce((sum, extra) => extendCatalogue(sum, readExtra(extra)), base);
  refuseUnmatchedMirrors(basename(file), deployment, whole);
  return { deployment, catalogue: whole };
}

function readExtra(path: string): ExtraRequirements {
  const file = basename(path);
  const unreadable = (value: string, expected: string) =>
    new CatalogueError([{ code: "unreadable", file, path: "", value, expected }]);
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) throw unreadable(`${size} bytes`, `at most ${MAX_FILE_BYTES} bytes`);
    return parseExtra(file, readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof CatalogueError || !(error instanceof Error && "code" in error)) throw error;
    throw unreadable(`${JSON.stringify(path)} (${String(error.code)})`, "a file that can be read");
  }
}
