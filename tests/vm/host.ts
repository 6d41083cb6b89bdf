/**
 * The host for tests: speaks over a machine's `ipc` port by the layouts of
 * lib/wire, and nothing else of the library, so that what the init answers is
 * judged frame by frame.
 */
import { assertEquals } from "@std/assert";
import {
  encodeFrame,
  type Frame,
  FrameType,
  receiveFrame,
} from "../../lib/wire/frame.ts";
import {
  decodeParameterResponse,
  encodeParameterGet,
  encodeParameterSet,
  joinParameterResponses,
  type ParameterAnswer,
  type ParameterResponse,
} from "../../lib/wire/parameter_message.ts";
import {
  CommandStatus,
  decodeAnswer,
  encodeTelecommand,
  joinAnswerPages,
  type TelecommandAnswer,
} from "../../lib/wire/telecommand.ts";
import type { IpcConnection } from "./machine.ts";

/** What a command was answered. */
export interface Answer {
  /** From `CommandStatus`. */
  readonly status: number;
  /** All pages, joined. */
  readonly result: Uint8Array;
  /** How many frames it took. */
  readonly frames: number;
}

/**
 * Reads a frame that must be one.
 *
 * @param bytes 256 bytes
 * @returns the frame
 */
export function frameOf(bytes: Uint8Array): Frame {
  const received = receiveFrame(bytes);
  if (!received.ok) throw new Error(`the init sent: ${received.reason}`);
  return received.frame;
}

/** The host's side of the conversation. */
export class Host {
  readonly ipc: IpcConnection;
  #sequence: number;

  /**
   * @param ipc the connection
   * @param firstSequence the number of the first command
   */
  constructor(ipc: IpcConnection, firstSequence = 1) {
    this.ipc = ipc;
    this.#sequence = firstSequence;
  }

  /**
   * Sends a frame.
   *
   * @param type what the payload is
   * @param payload its bytes
   * @param apid who sends it
   */
  async send(
    type: Frame["type"],
    payload: Uint8Array,
    apid = 0,
  ): Promise<void> {
    await this.ipc.send(
      encodeFrame({ type, apid, destinationApid: 0, payload }),
    );
  }

  /**
   * Waits for a frame of a type; those before it are dropped.
   *
   * @param type what the payload is
   * @param isWanted judges the payload
   * @returns the payload
   */
  async receive(
    type: Frame["type"],
    isWanted: (payload: Uint8Array) => boolean = () => true,
  ): Promise<Uint8Array> {
    const bytes = await this.ipc.receive((met) => {
      const frame = frameOf(met);
      return frame.type === type && isWanted(frame.payload);
    });
    return frameOf(bytes).payload;
  }

  /**
   * Sends a command and waits for all of its answer.
   *
   * @param command its number
   * @param argumentBytes its arguments
   * @returns the answer
   */
  async command(
    command: number,
    argumentBytes: Uint8Array = new Uint8Array(),
  ): Promise<Answer> {
    const sequence = this.#sequence++ & 0xFFFF;
    await this.send(
      FrameType.TC,
      encodeTelecommand({ command, sequence, arguments: argumentBytes }),
    );
    const pages: TelecommandAnswer[] = [];
    for (;;) {
      const payload = await this.receive(FrameType.TM, (met) => {
        const answer = decodeAnswer(met);
        return answer.sequence === sequence && answer.command === command;
      });
      const page = decodeAnswer(payload);
      assertEquals(page.index ?? 0, pages.length, "pages come in order");
      pages.push(page);
      const result = joinAnswerPages(pages);
      if (result === undefined) continue;
      return { status: page.status, result, frames: pages.length };
    }
  }

  /**
   * Sends a command that must be carried out.
   *
   * @param command its number
   * @param argumentBytes its arguments
   * @returns the result
   */
  async done(
    command: number,
    argumentBytes?: Uint8Array,
  ): Promise<Uint8Array> {
    const answer = await this.command(command, argumentBytes);
    assertEquals(answer.status, CommandStatus.OK, `status of ${command}`);
    return answer.result;
  }

  /**
   * Sends PRM_GET or PRM_SET and waits for all of its answer.
   *
   * @param type which of the two
   * @param payload its payload
   * @returns the parameters, and how many frames they took
   */
  async #parameters(
    type: Frame["type"],
    payload: Uint8Array,
  ): Promise<{ answers: ParameterAnswer[]; frames: number }> {
    await this.send(type, payload);
    const responses: ParameterResponse[] = [];
    for (;;) {
      const response = decodeParameterResponse(
        await this.receive(FrameType.PRM_RSP),
      );
      responses.push(response);
      if (response.more === 1) continue;
      const answers = joinParameterResponses(responses);
      return { answers, frames: responses.length };
    }
  }

  /**
   * Reads parameters.
   *
   * @param id which, or null for all
   * @returns the answers, and how many frames they took
   */
  async parameters(
    id: number | null,
  ): Promise<{ answers: ParameterAnswer[]; frames: number }> {
    return await this.#parameters(FrameType.PRM_GET, encodeParameterGet(id));
  }

  /**
   * Sets a parameter.
   *
   * @param parameterId which
   * @param value to what
   * @returns the answers: one, or those of a commit
   */
  async setParameter(
    parameterId: number,
    value: Uint8Array,
  ): Promise<ParameterAnswer[]> {
    const payload = encodeParameterSet({ parameterId, value });
    return (await this.#parameters(FrameType.PRM_SET, payload)).answers;
  }
}
