// Writes docs/causes.md from the texts in the code.
import { writeFileSync } from "node:fs";
import { causesDocument } from "./src/cause-facts.ts";

writeFileSync(new URL("../../docs/causes.md", import.meta.url), causesDocument());
