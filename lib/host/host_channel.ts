/**
 * The host's end of a VM's port: requests go out, answers come back to those who
 * wait for them (`pending_commands.ts`, `parameter_exchange.ts`), and what nobody
 * asked for goes into streams. Plain connections only, no FFI. Imports `wire` and
 * this room's small parts.
 *
 * What a VM sends is never trusted: everything kept for it is bounded, every
 * wait ends, and nothing that it sends throws anywhere but out of the request
 * that it answers.
 *
 * @module
 */
import { decodeFrameFault, type FrameFault } from "../wire/error_frame.ts";
import { Apid, encodeFrame, type Frame, FrameType } from "../wire/frame.ts";
import type { ParameterAnswer } from "../wire/parameter_message.ts";
import { CommandCode, encodeTelecommand } from "../wire/telecommand.ts";
import { BoundedStream } from "./bounded_stream.ts";
import { describeRefusal, HostClientError, messageOf } from "./client_error.ts";
import { FrameScanner } from "./frame_scanner.ts";
import { ParameterExchange } from "./parameter_exchange.ts";
import { type AnswerOutcome, PendingCommands } from "./pending_commands.ts";

/** What a channel needs of a connection; every `Deno.Conn` is one. */
export interface HostConnection {
  /**
   * Reads some bytes.
   *
   * @param buffer Where to.
   * @returns How many, or null at the end.
   */
  read(buffer: Uint8Array): Promise<number | null>;
  /**
   * Writes some bytes.
   *
   * @param bytes What.
   * @returns How many were taken.
   */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends it; a pending read fails. */
  close(): void;
}

/** How a channel behaves. */
export interface HostChannelOptions {
  /** How long an answer may take until all of it is there, milliseconds; 10,000 unless given. */
  readonly timeoutMs?: number;
  /**
   * How long a list of several answers may take, milliseconds; six times
   * `timeoutMs` unless given.
   */
  readonly listTimeoutMs?: number;
  /** How many frames wait for the reader of a stream; 1024 unless given. */
  readonly streamCapacity?: number;
}

/** What came, counted; each starts at 0. */
export interface HostChannelCounters {
  /** Valid frames received. */
  readonly framesIn: number;
  /** Frames sent. */
  readonly framesOut: number;
  /** Bytes that belonged to no valid frame. */
  readonly skippedBytes: number;
  /** Frames that answer nothing that was asked, or no longer. */
  readonly unmatchedFrames: number;
  /** Frames whose payload is not what their type says. */
  readonly malformedFrames: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** A list of several answers may take this many times as long as one. */
const LIST_TIMEOUT_FACTOR = 6;
const DEFAULT_STREAM_CAPACITY = 1024;
const READ_BUFFER_BYTES = 64 * 1024;

const COMMAND_NAMES = new Map<number, string>(
  Object.entries(CommandCode).map(([name, code]) => [code, name]),
);

/** One stream. */
interface Subscriber {
  readonly deliver: (frame: Frame) => void;
  readonly end: () => void;
}

/**
 * One connection to one VM.
 *
 * @example
 * ```ts
 * import { HostChannel } from "./host_channel.ts";
 * import { FrameType } from "../wire/frame.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * // A connection of which the other side has gone.
 * const channel = new HostChannel({
 *   read: () => Promise.resolve(null),
 *   write: (bytes) => Promise.resolve(bytes.length),
 *   close: () => {},
 * });
 * const frames = channel.subscribe([FrameType.LOG], ({ payload }) => payload);
 * assertEquals(await Array.fromAsync(frames), []);
 * assertEquals(channel.ended?.kind, "closed");
 * ```
 */
export class HostChannel {
  readonly #connection: HostConnection;
  readonly #listTimeoutMs: number;
  readonly #streamCapacity: number;
  readonly #scanner = new FrameScanner();
  readonly #commands: PendingCommands;
  readonly #subscribers = new Set<Subscriber>();
  readonly #reading: Promise<void>;
  readonly #parameter: ParameterExchange;
  /** The end of the queue of parameter requests: they carry no number, so one at a time. */
  #parameterTurn: Promise<unknown> = Promise.resolve();
  /** Whether an answer to an earlier parameter request may still be on its way. */
  #mayBeStale = true;
  #writing: Promise<void> = Promise.resolve();
  #ended: HostClientError | null = null;
  #framesIn = 0;
  #framesOut = 0;
  #unmatchedFrames = 0;
  #malformedFrames = 0;

  /**
   * Begins to read.
   *
   * @param connection An open connection, the channel's own from now on.
   * @param options How it behaves.
   */
  constructor(connection: HostConnection, options: HostChannelOptions = {}) {
    this.#connection = connection;
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    this.#commands = new PendingCommands(timeoutMs);
    this.#parameter = new ParameterExchange(timeoutMs);
    this.#listTimeoutMs = options.listTimeoutMs ??
      LIST_TIMEOUT_FACTOR * timeoutMs;
    this.#streamCapacity = options.streamCapacity ?? DEFAULT_STREAM_CAPACITY;
    this.#reading = this.#read();
  }

  /** The counters so far. */
  get counters(): HostChannelCounters {
    return {
      framesIn: this.#framesIn,
      framesOut: this.#framesOut,
      skippedBytes: this.#scanner.skippedBytes,
      unmatchedFrames: this.#unmatchedFrames,
      malformedFrames: this.#malformedFrames,
    };
  }

  /** How long a list of several answers may take, milliseconds. */
  get listTimeoutMs(): number {
    return this.#listTimeoutMs;
  }

  /** Why the connection has ended, or null while it is open. */
  get ended(): HostClientError | null {
    return this.#ended;
  }

  /** Fulfilled when the connection has ended, from either side; never rejected. */
  get closed(): Promise<void> {
    return this.#reading;
  }

  /**
   * Sends one telecommand and waits for all of its answer.
   *
   * @param command From `CommandCode`.
   * @param argumentBytes At most 244 bytes.
   * @returns The result, its pages put together.
   * @throws {HostClientError} If the VM says no, or does not answer as it should.
   * @throws {WireError} If the arguments are too long.
   */
  async command(
    command: number,
    argumentBytes: Uint8Array = new Uint8Array(),
  ): Promise<Uint8Array> {
    const name = COMMAND_NAMES.get(command) ?? `command ${command}`;
    if (this.#ended !== null) throw this.#ended;
    const sequence = this.#commands.takeSequence(name);
    const payload = encodeTelecommand({
      command,
      sequence,
      arguments: argumentBytes,
    });
    const payloadLength = payload.length;
    const sent = { name, command, sequence, payloadLength };
    const answer = this.#commands.wait(sent);
    this.send(FrameType.TC, payload).catch((error) =>
      this.#commands.fail(sequence, asClientError(error))
    );
    return await answer;
  }

  /**
   * Sends a PRM_GET or PRM_SET and waits for all of its answer. Such requests
   * wait for each other.
   *
   * @param type Which of the two.
   * @param payload Its payload.
   * @param parameterId The parameter that the answer is about, or null for all.
   * @returns The parameters with their whole values.
   * @throws {HostClientError} If there is no answer, or not a proper one.
   */
  async parameters(
    type: typeof FrameType.PRM_GET | typeof FrameType.PRM_SET,
    payload: Uint8Array,
    parameterId: number | null,
  ): Promise<ParameterAnswer[]> {
    const turn = this.#parameterTurn.then(async () => {
      if (this.#mayBeStale) {
        // What answers somebody's earlier request comes before this answer.
        await this.command(CommandCode.PING);
        this.#mayBeStale = false;
      }
      const payloadLength = payload.length;
      const answer = this.#parameter.wait({ type, payloadLength, parameterId });
      this.send(type, payload).catch((error) =>
        this.#parameter.fail(asClientError(error))
      );
      try {
        return await answer;
      } catch (error) {
        this.#mayBeStale = true;
        throw error;
      }
    });
    this.#parameterTurn = turn.catch(() => {});
    return await turn;
  }

  /**
   * Sends one frame as the host.
   *
   * @param type What the payload is.
   * @param payload At most 248 bytes.
   * @returns When the connection has taken it.
   * @throws {HostClientError} If the connection ends before.
   * @throws {WireError} If the payload is too long.
   */
  async send(type: FrameType, payload: Uint8Array): Promise<void> {
    const { HOST } = Apid;
    await this.sendBytes(
      encodeFrame({ type, apid: HOST, destinationApid: HOST, payload }),
    );
  }

  /**
   * Sends bytes as they are, between whole frames.
   *
   * @param bytes Frames, or whatever a VM is to be tried with.
   * @returns When the connection has taken them.
   * @throws {HostClientError} If the connection ends before.
   */
  async sendBytes(bytes: Uint8Array): Promise<void> {
    if (this.#ended !== null) throw this.#ended;
    const writing = this.#writing.then(() => this.#write(bytes));
    this.#writing = writing.catch(() => {});
    await writing;
  }

  /**
   * What comes of some types of frame from now on. A stream that is not read
   * fast enough loses its oldest items, and counts them.
   *
   * @param types The types; each may have any number of streams.
   * @param read Makes an item of a frame. A frame at which it throws is counted
   * as malformed and skipped.
   * @returns The stream; it ends with the connection, or when its reader leaves it.
   */
  subscribe<T>(
    types: readonly FrameType[],
    read: (frame: Frame) => T,
  ): BoundedStream<T> {
    const deliver = (frame: Frame) => {
      if (!types.includes(frame.type)) return;
      try {
        stream.push(read(frame));
      } catch {
        this.#malformedFrames++;
      }
    };
    const end = () => stream.end();
    const subscriber = { deliver, end };
    const stream = new BoundedStream<T>(
      this.#streamCapacity,
      () => this.#subscribers.delete(subscriber),
    );
    if (this.#ended === null) this.#subscribers.add(subscriber);
    else stream.end();
    return stream;
  }

  /** Ends the connection: what is under way fails with kind `closed`. */
  async close(): Promise<void> {
    this.#end(new HostClientError("closed", "the connection was closed"));
    await this.#reading;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#ended !== null) throw this.#ended;
    try {
      for (let at = 0; at < bytes.length;) {
        at += await this.#connection.write(bytes.subarray(at));
      }
      this.#framesOut++;
    } catch (cause) {
      throw this.#end(
        new HostClientError("closed", "the VM's side ended the connection", {
          cause,
        }),
      );
    }
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BUFFER_BYTES);
    const text = "the VM's side ended the connection";
    try {
      for (;;) {
        const count = await this.#connection.read(buffer);
        if (count === null) break;
        this.#scanner.push(buffer.subarray(0, count), (frame) => {
          this.#framesIn++;
          this.#received(frame);
        });
      }
      this.#end(new HostClientError("closed", text));
    } catch (cause) {
      this.#end(new HostClientError("closed", text, { cause }));
    }
  }

  /** Ends everything, once; the first reason stays. */
  #end(reason: HostClientError): HostClientError {
    if (this.#ended !== null) return this.#ended;
    this.#ended = reason;
    try {
      this.#connection.close();
    } catch {
      // The other side was faster.
    }
    this.#commands.failAll(reason);
    this.#parameter.fail(reason);
    for (const subscriber of [...this.#subscribers]) subscriber.end();
    return reason;
  }

  #received(frame: Frame): void {
    for (const subscriber of this.#subscribers) subscriber.deliver(frame);
    switch (frame.type) {
      case FrameType.TM:
        return this.#count(this.#commands.answered(frame.payload));
      case FrameType.PRM_RSP:
        return this.#count(this.#parameter.answered(frame.payload));
      case FrameType.ERROR:
        return this.#refused(frame);
    }
  }

  #count(outcome: AnswerOutcome): void {
    if (outcome === "unmatched") this.#unmatchedFrames++;
    if (outcome === "malformed") this.#malformedFrames++;
  }

  /** An ERROR frame is about the oldest request of its type and length. */
  #refused({ apid, payload }: Frame): void {
    let fault: FrameFault;
    try {
      fault = decodeFrameFault(payload);
    } catch {
      this.#malformedFrames++;
      return;
    }
    const text = describeRefusal(apid, fault);
    const isMeant = this.#commands.refused(fault, text) ||
      this.#parameter.refused(fault, text);
    if (!isMeant) this.#unmatchedFrames++;
  }
}

function asClientError(error: unknown): HostClientError {
  return error instanceof HostClientError
    ? error
    : new HostClientError("closed", messageOf(error), { cause: error });
}
