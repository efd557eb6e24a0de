/**
 * A Talos node on this machine: a root to mount from, an overlay over the squashed extension, and one container after
 * another.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Container, createOnce } from "./container.ts";
import { containerSpec } from "./container-spec.ts";
import { mountOverlay, type Overlay } from "./mounts.ts";
import { makeMountSources, makeNodeRoot } from "./node-root.ts";
import type { ProfileOptions } from "./profile-options.ts";

type Environment = Readonly<Record<string, string>>;

/** One node of a profile. */
export class TestNode {
  readonly #options: ProfileOptions;
  readonly #root: string;
  readonly #overlay: Overlay;
  #writtenByRunc: ReadonlyMap<string, string> = new Map();
  readonly name: string;
  /** What Talos had to make for the mounts, with the modes. */
  readonly madeSources: readonly string[];

  /** Makes a node called `name` in the directory of the profile. Throws ExtensionError. */
  static async make(options: ProfileOptions, name: string): Promise<TestNode> {
    const overlay = await mountOverlay(options.lower, join(options.directory, name));
    const node = new TestNode(options, name, overlay);
    await createOnce(node.#spec({}), node.#bundle);
    node.#writtenByRunc = overlay.written();
    return node;
  }

  private constructor(options: ProfileOptions, name: string, overlay: Overlay) {
    this.#options = options;
    this.#overlay = overlay;
    this.name = name;
    this.#root = join(options.directory, name, "node");
    makeNodeRoot(this.#root, options.certificates);
    const sources = options.service.container.mounts.map(({ source }) => source);
    this.madeSources = makeMountSources(this.#root, sources).map((source) => {
      const mode = statSync(join(this.#root, source)).mode & 0o777;
      return `${source} ${mode.toString(8).padStart(4, "0")}`;
    });
  }

  get #bundle(): string {
    return join(this.#options.directory, this.name, "bundle");
  }

  #spec(environment: Environment) {
    const { profile, service, abilities, run } = this.#options;
    const cgroup = `/${run}-${profile}-${this.name}`;
    return containerSpec({
      service,
      profile,
      abilities,
      root: this.#overlay.root,
      node: this.#root,
      environment,
      cgroup,
    });
  }

  /** Starts the container; `environment` is added as an ExtensionServiceConfig adds it. Throws ExtensionError. */
  start(environment: Environment): Promise<Container> {
    const { profile, clock } = this.#options;
    const id = `${profile.replace(".", "-")}-${this.name}`;
    return Container.start({ spec: this.#spec(environment), directory: this.#bundle, id, clock });
  }

  /** Whether the agent keeps its state on the node's disk. */
  get hasDisk(): boolean {
    return this.#state !== undefined;
  }

  get #state(): string | undefined {
    return this.#options.service.container.mounts.find(({ options }) => !options.includes("ro"))?.source;
  }

  /** Bytes in the spool on the disk. */
  spoolBytes(): number {
    const spool = join(this.#root, this.#state ?? "", "spool");
    if (!existsSync(spool)) return 0;
    return readdirSync(spool).reduce((sum, name) => sum + statSync(join(spool, name)).size, 0);
  }

  /** Paths of the container's root that its program wrote to. */
  writtenPaths(): readonly string[] {
    const written = [...this.#overlay.written()];
    return written.filter(([path, what]) => this.#writtenByRunc.get(path) !== what).map(([path]) => path);
  }
}
