/** Reads files: the bundled catalogues, deployment files and the files these name. The only I/O of this package. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import { type Catalogue, extendCatalogue, parseCatalogue, parseExtra } from "./catalogue.ts";
import { MAX_FILE_BYTES, tooLarge } from "./catalogue-file.ts";
import { type Deployment, parseDeployment } from "./deployment.ts";
import { CatalogueError } from "./error.ts";
import { type InterceptionSigns, parseInterception } from "./interception.ts";

/**
 * `data/` lies beside `src` and `dist`, so one relative URL serves both. A bundled agent has no `data/` and no use for
 * it.
 */
function dataDirectory(): string {
  return fileURLToPath(new URL("../data/", import.meta.url));
}

/** `omni-v1.13.yaml`. */
const BUNDLED_NAME = /^omni-(v(\d{1,4})\.(\d{1,4}))\.yaml$/;

/** Versions of the bundled catalogues, oldest first. */
export function listCatalogues(): readonly string[] {
  return readdirSync(dataDirectory())
    .flatMap((name) => {
      const [, version, major, minor] = BUNDLED_NAME.exec(name) ?? [];
      return version === undefined ? [] : [{ version, major: Number(major), minor: Number(minor) }];
    })
    .sort((a, b) => a.major - b.major || a.minor - b.minor)
    .map(({ version }) => version);
}

/** Reads a bundled catalogue, by default the newest. Throws CatalogueError `unknown-version`. */
export function loadCatalogue(version?: string): Catalogue {
  const versions = listCatalogues();
  const wanted = version ?? versions.at(-1) ?? "";
  if (!versions.includes(wanted)) {
    const expected = `one of ${versions.join(", ")}`;
    const value = JSON.stringify(wanted);
    throw new CatalogueError([
      { code: "unknown-version", file: "bundled catalogues", path: "version", value, expected },
    ]);
  }
  const name = `omni-${wanted}.yaml`;
  return parseCatalogue(name, readText(resolvePath(dataDirectory(), name), name));
}

/** The bundled file of expected issuers and vendors. */
const ISSUERS_NAME = "certificate-issuers.yaml";

/** Reads the bundled signs of TLS interception. */
export function loadInterception(): InterceptionSigns {
  return parseInterception(ISSUERS_NAME, readText(resolvePath(dataDirectory(), ISSUERS_NAME), ISSUERS_NAME));
}

/** Reads a complete catalogue file of the user. */
export function loadCatalogueFile(path: string): Catalogue {
  return parseCatalogue(basename(path), readText(path, basename(path)));
}

/** Reads `deployment.yaml` and the certificates it names, relative to its own directory. */
export function loadDeployment(path: string): Deployment {
  const file = basename(path);
  const readPem = (pemPath: string, field: string) => readText(resolvePath(dirname(path), pemPath), file, field);
  return parseDeployment(file, readText(path, file), readPem);
}

/**
 * The catalogue version that a deployment names, extended by the deployment's own rows.
 *
 * @param directory the deployment file's directory; `catalogue.extra` paths are relative to it.
 */
export function loadCatalogueFor(deployment: Deployment, directory: string): Catalogue {
  const base = loadCatalogue(deployment.catalogue.version);
  return deployment.catalogue.extra.reduce((catalogue, path) => {
    const file = basename(path);
    return extendCatalogue(catalogue, parseExtra(file, readText(resolvePath(directory, path), file)));
  }, base);
}

/** The text of a file of at most {@link MAX_FILE_BYTES}; `file` and `field` name it in problems. */
function readText(path: string, file: string, field = ""): string {
  try {
    const sizeBytes = statSync(path).size;
    if (sizeBytes > MAX_FILE_BYTES) throw tooLarge(file, sizeBytes);
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error) || error instanceof CatalogueError) throw error;
    const value = `${JSON.stringify(path)} (${String(error.code)})`;
    throw new CatalogueError([{ code: "unreadable", file, path: field, value, expected: "a file that can be read" }]);
  }
}
