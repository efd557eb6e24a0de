/** The reflector as a program. */
import { guardProcess } from "@lifeline/measure";
import { reflectorProcess } from "./reflector-process.ts";

guardProcess();

process.exitCode = await reflectorProcess(process.argv.slice(2));
