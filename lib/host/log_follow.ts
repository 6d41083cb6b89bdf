/**
 * What the host's operator leaves on in a VM when it goes. A VM ends what its
 * host has asked for when the host hangs up; behind a switch the operator goes
 * and the switch stays, so the switch says it. Pure; imports `wire`.
 *
 * @module
 */
import { Apid, encodeFrame, FrameType, receiveFrame } from "../wire/frame.ts";
import {
  CommandCode,
  decodeTelecommand,
  encodeTelecommand,
} from "../wire/telecommand.ts";

/** What an answer to the switch's own command carries. */
const SEQUENCE = 0xFFFF;

/** Knows whether an operator follows the log of a VM. */
export class LogFollow {
  #isOn = false;

  /**
   * Looks at a frame that goes from the operator to the VM.
   *
   * @param bytes The frame, 256 bytes.
   *
   * @example
   * ```ts
   * import { LogFollow } from "./log_follow.ts";
   * import { assertEquals } from "@std/assert/equals";
   *
   * // A TC, LOG_FOLLOW, number 7, on.
   * const frame = new Uint8Array(256);
   * frame.set([1, 2, 0, 0, 0, 5, 0, 0, 0, 15, 0, 7, 1]);
   * const follow = new LogFollow();
   * follow.note(frame);
   * assertEquals([follow.end()?.length, follow.end()], [256, null]);
   * ```
   */
  note(bytes: Uint8Array): void {
    if (bytes[1] !== FrameType.TC) return;
    const received = receiveFrame(bytes);
    if (!received.ok || received.frame.payload.length < 5) return;
    const { payload } = received.frame;
    // The highest bit tells an answer, which is no command.
    if (((payload[0] ?? 0) & 0x80) !== 0) return;
    const { command, arguments: [wanted] } = decodeTelecommand(payload);
    if (command === CommandCode.LOG_FOLLOW) this.#isOn = wanted === 1;
  }

  /** The VM is another, or has ended it by itself. */
  forget(): void {
    this.#isOn = false;
  }

  /**
   * The operator has gone.
   *
   * @returns The command that ends what it followed, 256 bytes, once; null when
   * there is nothing to end.
   */
  end(): Uint8Array | null {
    if (!this.#isOn) return null;
    this.#isOn = false;
    return encodeFrame({
      type: FrameType.TC,
      apid: Apid.HOST,
      destinationApid: Apid.INIT,
      payload: encodeTelecommand({
        command: CommandCode.LOG_FOLLOW,
        sequence: SEQUENCE,
        arguments: Uint8Array.of(0),
      }),
    });
  }
}
