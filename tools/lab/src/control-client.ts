/** Reads the state of a running lab program, or changes a fault, through its control socket. */
import { request } from "node:http";
import { LabError, reasonText } from "./lab-error.ts";
import type { FaultRequest } from "./listener-fault.ts";
import { shown } from "./listener-fault.ts";
import type { StandInState } from "./stand-in-state.ts";

/** Bytes of an answer read at most: a state with its certificates is under 32 KiB. */
const ANSWER_MAX_BYTES = 64 * 1024;

/** Silence after which the stand-in is given up, ms: faults take effect in milliseconds. */
const SILENCE_TIMEOUT_MS = 5_000;

/** Reads the state. Rejects with `control-unreachable`. */
export function readState(controlPath: string): Promise<StandInState> {
  return askControl(controlPath, "GET", "/state");
}

/**
 * Changes a fault and resolves with the state after it. Rejects with `control-unreachable`, or with the code and
 * message of the stand-in's refusal.
 */
export function requestFault(controlPath: string, fault: FaultRequest): Promise<StandInState> {
  return askControl(controlPath, "POST", "/fault", JSON.stringify(fault));
}

/**
 * One request; resolves with the state answered, which the caller knows the shape of. Rejects with
 * `control-unreachable`, or with the code and message of a refusal.
 */
export async function askControl<State>(
  controlPath: string,
  method: "GET" | "POST",
  path: string,
  body?: string,
): Promise<State> {
  const { status, text } = await exchange(controlPath, method, path, body).catch((error: unknown) => {
    throw new LabError("control-unreachable", `control: ${shown(controlPath)}: ${reasonText(error)}`, { cause: error });
  });
  const answer = readAnswer(controlPath, text);
  if (status === 200) return answer as State;
  const { error } = answer as { error?: { code?: unknown; message?: unknown } };
  throw new LabError(refusalCode(error?.code), typeof error?.message === "string" ? error.message : `status ${status}`);
}

function readAnswer(controlPath: string, text: string): object {
  try {
    const answer: unknown = JSON.parse(text);
    if (typeof answer === "object" && answer !== null) return answer;
  } catch {
    // The error below covers this and every other answer that is not an object.
  }
  throw new LabError("control-unreachable", `control: ${shown(controlPath)} answered ${shown(text)}; expected JSON`);
}

function refusalCode(code: unknown) {
  const known = ["bad-input", "fault-unavailable", "listen-failed", "busy", "closed"] as const;
  return known.find((one) => one === code) ?? "control-unreachable";
}

function exchange(socketPath: string, method: string, path: string, body?: string) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, timeout: SILENCE_TIMEOUT_MS }, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_MAX_BYTES) outgoing.destroy(new Error(`answer longer than ${ANSWER_MAX_BYTES} bytes`));
        else chunks.push(chunk);
      });
      answer.once("error", reject);
      answer.once("end", () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    outgoing.once("timeout", () => outgoing.destroy(new Error(`no answer in ${SILENCE_TIMEOUT_MS} ms`)));
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}
