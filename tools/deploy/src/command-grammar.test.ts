import { describe, expect, it } from "vitest";
import { grammarProblem } from "./command-grammar.ts";

const problem = (line: string) => grammarProblem(line.split(" "));

describe("a command of another project", () => {
  it.each([
    "talosctl service ext-a",
    "talosctl service ext-a restart",
    "talosctl logs -f ext-a",
    'docker run --rm -v "$PWD/_out:/out" ghcr.io/siderolabs/imager:v1.13.2 installer --platform=metal --arch amd64',
    "docker run -i ghcr.io/siderolabs/imager:v1.13.2 -",
  ])("%s is right", (line) => {
    expect(problem(line)).toBeUndefined();
  });

  it.each([
    ["talosctl apply x", "talosctl apply: is not in the table of grammars"],
    ["talosctl upgrade --imagee x", "talosctl upgrade: has no flag --imagee"],
    ["talosctl upgrade --image", "talosctl upgrade: --image needs a value"],
    ["talosctl logs -f=1 ext-a", "talosctl logs: -f takes no value"],
    ["talosctl service ext-a reload", "talosctl service: reload does not match"],
    ["talosctl logs ext-a ext-b", "talosctl logs: got 2 operands, want 1 to 1"],
    [
      "crane push _out/metal-amd64-installer.tar r.example/i:1",
      "crane push: _out/metal-amd64-installer.tar does not match",
    ],
    ["docker run --rm ghcr.io/siderolabs/imager:v1.13.2 installer --platform", "imager: --platform needs a value"],
    ["docker run --rm ghcr.io/siderolabs/imager:v1.13.2", "imager: got 0 operands, want 1 to 1"],
    [
      "docker run --rm ghcr.io/siderolabs/imager:latest iso",
      "docker run: ghcr.io/siderolabs/imager:latest does not match",
    ],
  ])("%s is wrong", (line, why) => {
    expect(problem(line)).toContain(why);
  });
});
