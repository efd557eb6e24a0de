/** The reflector as a program of its own. */
import { guardProcess } from "@lifeline/measure";
import { reflectorProcess } from "./reflector-process.ts";

guardProcess();

// Node warns on stderr, between lines of JSON, that a collector named by its address is named so within TLS too (DEP0123): grpc-js's doing.
process.noDeprecation = true;

process.exitCode = await reflectorProcess(process.argv.slice(2));
