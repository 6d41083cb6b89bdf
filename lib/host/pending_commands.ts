/**
 * The commands of a host whose answers are not there yet: each has a number,
 * a time until which it waits, and the pages that came so far. Pure but for its
 * timers; imports `wire` and the client's error.
 *
 * @module
 */
import type { FrameFault } from "../wire/error_frame.ts";
import { FrameType } from "../wire/frame.ts";
import { RESULT_MAX_BYTES } from "../wire/result_list.ts";
import {
  decodeAnswer,
  joinAnswerPages,
  PAGE_MAX_BYTES,
  type TelecommandAnswer,
} from "../wire/telecommand.ts";
import { describeStatus, HostClientError, messageOf } from "./client_error.ts";

/** Requests that may wait for their answers at once. */
export const REQUESTS_MAX_COUNT = 256;

/** The most pages of one answer (result_list.ts). */
const PAGES_MAX_COUNT = Math.ceil(RESULT_MAX_BYTES / PAGE_MAX_BYTES);

/** One command whose answer is not there yet. */
interface PendingCommand {
  /** How messages name it. */
  readonly name: string;
  readonly command: number;
  /** The length of its payload, for the ERROR frames that answer it. */
  readonly payloadLength: number;
  /** The pages so far, by index. */
  readonly pages: Map<number, TelecommandAnswer>;
  readonly resolve: (result: Uint8Array) => void;
  readonly reject: (error: HostClientError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** What became of a frame that may answer a command. */
export type AnswerOutcome = "taken" | "unmatched" | "malformed";

/** The commands that wait, by their numbers. */
export class PendingCommands {
  readonly #waiting = new Map<number, PendingCommand>();
  readonly #timeoutMs: number;
  // A guest may still be answering the client before this one, which most
  // likely began elsewhere.
  #sequence = Math.floor(Math.random() * 0x10000);

  /**
   * Begins with none.
   *
   * @param timeoutMs How long an answer may take until all of it is there.
   *
   * @example
   * ```ts
   * import { PendingCommands } from "./pending_commands.ts";
   * import { HostClientError } from "./client_error.ts";
   * import { assertRejects } from "@std/assert/rejects";
   *
   * const commands = new PendingCommands(10);
   * const sequence = commands.takeSequence("PING");
   * await assertRejects(
   *   () => commands.wait({ name: "PING", command: 1, sequence, payloadLength: 4 }),
   *   HostClientError,
   *   "PING: no whole answer in 10 ms",
   * );
   * ```
   */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /**
   * A number for the next command.
   *
   * @param name How messages name it.
   * @returns 0..65535, of no command that waits.
   * @throws {HostClientError} Kind `limit` when too many wait.
   */
  takeSequence(name: string): number {
    if (this.#waiting.size >= REQUESTS_MAX_COUNT) {
      throw new HostClientError(
        "limit",
        `${name}: ${REQUESTS_MAX_COUNT} requests wait for their answers already`,
      );
    }
    do {
      this.#sequence = (this.#sequence + 1) & 0xFFFF;
    } while (this.#waiting.has(this.#sequence));
    return this.#sequence;
  }

  /**
   * Waits for the answer to a command.
   *
   * @param sent Its number, and what went out.
   * @returns The result, its pages put together.
   * @throws {HostClientError} If the VM says no, or does not answer as it should.
   */
  wait(
    sent: {
      readonly name: string;
      readonly command: number;
      readonly sequence: number;
      readonly payloadLength: number;
    },
  ): Promise<Uint8Array> {
    const { sequence, name } = sent;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.fail(sequence, lateError(name, this.#timeoutMs)),
        this.#timeoutMs,
      );
      const pending = { ...sent, pages: new Map(), resolve, reject, timer };
      this.#waiting.set(sequence, pending);
    });
  }

  /**
   * Ends the wait for one answer, if it is waited for.
   *
   * @param sequence The command's number.
   * @param error Why.
   */
  fail(sequence: number, error: HostClientError): void {
    this.#finish(sequence)?.reject(error);
  }

  /**
   * Ends the wait for all answers.
   *
   * @param error Why.
   */
  failAll(error: HostClientError): void {
    for (const sequence of [...this.#waiting.keys()]) {
      this.fail(sequence, error);
    }
  }

  /** Takes a command off the table: its answer is there, or comes too late. */
  #finish(sequence: number): PendingCommand | undefined {
    const pending = this.#waiting.get(sequence);
    if (pending === undefined) return undefined;
    clearTimeout(pending.timer);
    this.#waiting.delete(sequence);
    return pending;
  }

  /**
   * Takes an answer.
   *
   * @param payload The payload of a TM frame.
   * @returns Whether somebody waited for it.
   */
  answered(payload: Uint8Array): AnswerOutcome {
    let answer: TelecommandAnswer;
    try {
      answer = decodeAnswer(payload);
    } catch (cause) {
      this.#answerUnreadable(payload, cause);
      return "malformed";
    }
    const { command, sequence, status, index = 0, count = 1 } = answer;
    const pending = this.#waiting.get(sequence);
    if (pending?.command !== command) return "unmatched";
    const { name, pages } = pending;
    const fail = (
      kind: "malformed" | "status",
      text: string,
      details = {},
    ) => {
      this.fail(
        sequence,
        new HostClientError(kind, `${name}: ${text}`, details),
      );
      return "taken" as const;
    };
    if (status !== 0) return fail("status", describeStatus(status), { status });
    const first = pages.values().next().value;
    if (count > PAGES_MAX_COUNT) {
      return fail(
        "malformed",
        `the answer has ${count} pages, expected at most ${PAGES_MAX_COUNT}`,
      );
    }
    if (first !== undefined && first.count !== count) {
      return fail(
        "malformed",
        `page ${index} says that there are ${count}, another said ${first.count}`,
      );
    }
    pages.set(index, answer);
    if (pages.size < count) return "taken";
    const result = joinAnswerPages([...pages.values()]);
    if (result === undefined) return fail("malformed", "pages are missing");
    this.#finish(sequence)?.resolve(result);
    return "taken";
  }

  /** An answer that can't be read fails the request that it names, if any. */
  #answerUnreadable(payload: Uint8Array, cause: unknown): void {
    if (payload.length < 4) return;
    const view = new DataView(payload.buffer, payload.byteOffset);
    const sequence = view.getUint16(2);
    const pending = this.#waiting.get(sequence);
    if (pending?.command !== (view.getUint16(0) & 0x7FFF)) return;
    const text = `${pending.name}: ${messageOf(cause)}`;
    this.fail(sequence, new HostClientError("malformed", text, { cause }));
  }

  /**
   * Takes an ERROR frame: it names a type and a length, and the oldest such
   * command is meant.
   *
   * @param fault What it says.
   * @param text The same in words.
   * @returns Whether a command was meant.
   */
  refused(fault: FrameFault, text: string): boolean {
    if (fault.offendingType !== FrameType.TC) return false;
    for (const [sequence, { name, payloadLength }] of this.#waiting) {
      if (payloadLength !== fault.offendingPayloadLength) continue;
      const message = `${name}: ${text}`;
      this.fail(sequence, new HostClientError("refused", message, { fault }));
      return true;
    }
    return false;
  }
}

/**
 * The error for an answer that has not come in time.
 *
 * @param name What was asked.
 * @param timeoutMs How long it was waited for.
 * @returns The error, of kind `timeout`.
 *
 * @example
 * ```ts
 * import { lateError } from "./pending_commands.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(lateError("PING", 10).message, "PING: no whole answer in 10 ms");
 * ```
 */
export function lateError(name: string, timeoutMs: number): HostClientError {
  return new HostClientError(
    "timeout",
    `${name}: no whole answer in ${timeoutMs} ms`,
  );
}
