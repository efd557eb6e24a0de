/** The reflector as a program of its own. */
import { reflectorProcess } from "./reflector-process.ts";

process.exitCode = await reflectorProcess(process.argv.slice(2));
