/**
 * A host's question about parameters: PRM_GET and PRM_SET carry no number, so
 * there is one at a time, and its answer is known by the parameter. Pure but
 * for its timer; imports `wire` and the client's error.
 *
 * @module
 */
import type { FrameFault } from "../wire/error_frame.ts";
import { FrameType } from "../wire/frame.ts";
import {
  decodeParameterResponse,
  joinParameterResponses,
  type ParameterAnswer,
  type ParameterResponse,
} from "../wire/parameter_message.ts";
import { HostClientError, messageOf } from "./client_error.ts";
import { type AnswerOutcome, lateError } from "./pending_commands.ts";

/** The most PRM_RSP messages of one answer: a guest's table is far smaller. */
const PARAMETER_MESSAGES_MAX_COUNT = 4096;

/** What is asked. */
export interface ParameterQuestion {
  /** PRM_GET or PRM_SET. */
  readonly type: typeof FrameType.PRM_GET | typeof FrameType.PRM_SET;
  /** The length of its payload, for the ERROR frames that answer it. */
  readonly payloadLength: number;
  /** The parameter that the answer is about, or null for all. */
  readonly parameterId: number | null;
}

interface Pending extends ParameterQuestion {
  readonly responses: ParameterResponse[];
  readonly resolve: (answers: ParameterAnswer[]) => void;
  readonly reject: (error: HostClientError) => void;
}

/** The question under way, if there is one. */
export class ParameterExchange {
  readonly #timeoutMs: number;
  #pending: Pending | null = null;

  /**
   * Begins without a question.
   *
   * @param timeoutMs How long an answer may take until all of it is there.
   *
   * @example
   * ```ts
   * import { ParameterExchange } from "./parameter_exchange.ts";
   * import { HostClientError } from "./client_error.ts";
   * import { FrameType } from "../wire/frame.ts";
   * import { assertRejects } from "@std/assert/rejects";
   *
   * const exchange = new ParameterExchange(10);
   * const type = FrameType.PRM_GET;
   * await assertRejects(
   *   () => exchange.wait({ type, payloadLength: 4, parameterId: 7 }),
   *   HostClientError,
   *   "PRM_GET: no whole answer in 10 ms",
   * );
   * ```
   */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Waits for the answer to a question; none must be under way.
   *
   * @param question What went out.
   * @returns The parameters with their whole values.
   * @throws {HostClientError} If there is no answer, or not a proper one.
   */
  async wait(question: ParameterQuestion): Promise<ParameterAnswer[]> {
    const name = question.type === FrameType.PRM_GET ? "PRM_GET" : "PRM_SET";
    const { promise, resolve, reject } = Promise.withResolvers<
      ParameterAnswer[]
    >();
    const timer = setTimeout(
      () => reject(lateError(name, this.#timeoutMs)),
      this.#timeoutMs,
    );
    this.#pending = { ...question, responses: [], resolve, reject };
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#pending = null;
    }
  }

  /**
   * Ends the wait.
   *
   * @param error Why.
   */
  fail(error: HostClientError): void {
    this.#pending?.reject(error);
  }

  /**
   * Takes an answer.
   *
   * @param payload The payload of a PRM_RSP frame.
   * @returns Whether it was waited for.
   */
  answered(payload: Uint8Array): AnswerOutcome {
    const pending = this.#pending;
    let response: ParameterResponse;
    try {
      response = decodeParameterResponse(payload);
    } catch (cause) {
      pending?.reject(
        new HostClientError("malformed", messageOf(cause), { cause }),
      );
      return "malformed";
    }
    const isMeant = pending !== null &&
      (pending.parameterId === null ||
        pending.parameterId === response.parameterId);
    if (!isMeant) {
      return "unmatched";
    }
    const { responses } = pending;
    responses.push(response);
    if (response.more === 0) {
      pending.resolve(joinParameterResponses(responses));
    } else if (responses.length >= PARAMETER_MESSAGES_MAX_COUNT) {
      pending.reject(
        new HostClientError(
          "malformed",
          `the answer has more than ${PARAMETER_MESSAGES_MAX_COUNT} PRM_RSP frames`,
        ),
      );
    }
    return "taken";
  }

  /**
   * Takes an ERROR frame.
   *
   * @param fault What it says.
   * @param text The same in words.
   * @returns Whether the question was meant.
   */
  refused(fault: FrameFault, text: string): boolean {
    const pending = this.#pending;
    const isMeant = pending?.type === fault.offendingType &&
      pending.payloadLength === fault.offendingPayloadLength;
    if (!isMeant) return false;
    const message = `parameter request: ${text}`;
    pending.reject(new HostClientError("refused", message, { fault }));
    return true;
  }
}
