/** What the checks of one profile of Talos run with. */
import type { Clock } from "@lifeline/measure";
import type { ServiceFile } from "../validate/service-file.ts";
import type { Profile } from "./arguments.ts";
import type { Abilities } from "./machine.ts";
import type { ReportingCollector } from "./reporting-collector.ts";

export interface ProfileOptions {
  readonly profile: Profile;
  readonly service: ServiceFile;
  readonly abilities: Abilities;
  /** The container's root, mounted read-only. */
  readonly lower: string;
  /** An empty directory of this profile. */
  readonly directory: string;
  /** Name of the run, which no other run has: control groups begin with it. */
  readonly run: string;
  readonly certificates: string;
  readonly collector: ReportingCollector;
  readonly clock: Clock;
  /** How long an agent runs before its memory is read, ms. */
  readonly settleMs: number;
  /** How long anything that must happen may take, ms. */
  readonly waitMaxMs: number;
}

/** Each profile is another node to the one collector; the machine's own id would be the same for both. */
export function nodeIdOf({ profile }: Pick<ProfileOptions, "profile">): string {
  return `extension-${profile.replace(".", "-")}`;
}
