/**
 * The host's end of a VM's port: requests go out, answers come back and are
 * matched by sequence number, and what nobody asked for goes into streams.
 * Plain connections only, no FFI. Imports `wire` and this room's small parts.
 *
 * What a VM sends is never trusted: everything kept for it is bounded, every
 * wait ends, and nothing that it sends throws anywhere but out of the request
 * that it answers.
 *
 * @module
 */
import { decodeFrameFault, type FrameFault } from "../wire/error_frame.ts";
import { Apid, encodeFrame, type Frame, FrameType } from "../wire/frame.ts";
import {
  decodeParameterResponse,
  joinParameterResponses,
  type ParameterAnswer,
  type ParameterResponse,
} from "../wire/parameter_message.ts";
import { RESULT_MAX_BYTES } from "../wire/result_list.ts";
import {
  CommandCode,
  decodeAnswer,
  encodeTelecommand,
  joinAnswerPages,
  PAGE_MAX_BYTES,
  type TelecommandAnswer,
} from "../wire/telecommand.ts";
import { BoundedStream } from "./bounded_stream.ts";
import {
  describeRefusal,
  describeStatus,
  HostClientError,
} from "./client_error.ts";
import { FrameScanner } from "./frame_scanner.ts";

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

/** Requests that may wait for their answers at once. */
export const REQUESTS_MAX_COUNT = 256;

/** The most pages of one answer (result_list.ts). */
const PAGES_MAX_COUNT = Math.ceil(RESULT_MAX_BYTES / PAGE_MAX_BYTES);

/** The most PRM_RSP messages of one answer: a guest's table is far smaller. */
const PARAMETER_MESSAGES_MAX_COUNT = 4096;

const DEFAULT_TIMEOUT_MS = 10_000;
/** A list of several answers may take this many times as long as one. */
const LIST_TIMEOUT_FACTOR = 6;
const DEFAULT_STREAM_CAPACITY = 1024;
const READ_BUFFER_BYTES = 64 * 1024;

const COMMAND_NAMES = new Map<number, string>(
  Object.entries(CommandCode).map(([name, code]) => [code, name]),
);

/** One request whose answer is not there yet. */
interface Pending {
  /** How messages name it. */
  readonly name: string;
  /** The frame that went out, for the ERROR frames that answer it. */
  readonly type: FrameType;
  readonly payloadLength: number;
  readonly resolve: (result: Uint8Array) => void;
  readonly reject: (error: HostClientError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

interface PendingCommand extends Pending {
  readonly command: number;
  /** The pages so far, by index. */
  readonly pages: Map<number, TelecommandAnswer>;
}

interface PendingParameter {
  readonly payloadLength: number;
  readonly type: FrameType;
  /** The parameter that was asked for, or null for all. */
  readonly parameterId: number | null;
  readonly responses: ParameterResponse[];
  readonly resolve: (answers: ParameterAnswer[]) => void;
  readonly reject: (error: HostClientError) => void;
}

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
  readonly #timeoutMs: number;
  readonly #listTimeoutMs: number;
  readonly #streamCapacity: number;
  readonly #scanner = new FrameScanner();
  readonly #commands = new Map<number, PendingCommand>();
  readonly #subscribers = new Set<Subscriber>();
  readonly #reading: Promise<void>;
  #parameter: PendingParameter | null = null;
  /** The end of the queue of parameter requests: they carry no number, so one at a time. */
  #parameterTurn: Promise<unknown> = Promise.resolve();
  /** Whether an answer to an earlier parameter request may still be on its way. */
  #mayBeStale = true;
  #writing: Promise<void> = Promise.resolve();
  // A guest may still be answering the client before this one, which most
  // likely began elsewhere.
  #sequence = Math.floor(Math.random() * 0x10000);
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
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#listTimeoutMs = options.listTimeoutMs ??
      LIST_TIMEOUT_FACTOR * this.#timeoutMs;
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
    const sequence = this.#takeSequence(name);
    const payload = encodeTelecommand({
      command,
      sequence,
      arguments: argumentBytes,
    });
    return await new Promise((resolve, reject) => {
      const pending: PendingCommand = {
        name,
        command,
        type: FrameType.TC,
        payloadLength: payload.length,
        pages: new Map(),
        resolve,
        reject,
        timer: setTimeout(
          () => this.#finish(sequence)?.reject(this.#late(name)),
          this.#timeoutMs,
        ),
      };
      this.#commands.set(sequence, pending);
      this.send(FrameType.TC, payload).catch((error) =>
        this.#finish(sequence)?.reject(asClientError(error))
      );
    });
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
      return await this.#exchange(type, payload, parameterId);
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

  #takeSequence(name: string): number {
    if (this.#ended !== null) throw this.#ended;
    if (this.#commands.size >= REQUESTS_MAX_COUNT) {
      throw new HostClientError(
        "limit",
        `${name}: ${REQUESTS_MAX_COUNT} requests wait for their answers already`,
      );
    }
    do {
      this.#sequence = (this.#sequence + 1) & 0xFFFF;
    } while (this.#commands.has(this.#sequence));
    return this.#sequence;
  }

  #late(name: string): HostClientError {
    return new HostClientError(
      "timeout",
      `${name}: no whole answer in ${this.#timeoutMs} ms`,
    );
  }

  /** Takes a request off the table: its answer is there, or comes too late. */
  #finish(sequence: number): PendingCommand | undefined {
    const pending = this.#commands.get(sequence);
    if (pending === undefined) return undefined;
    clearTimeout(pending.timer);
    this.#commands.delete(sequence);
    return pending;
  }

  async #exchange(
    type: FrameType,
    payload: Uint8Array,
    parameterId: number | null,
  ): Promise<ParameterAnswer[]> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const name = type === FrameType.PRM_GET ? "PRM_GET" : "PRM_SET";
    try {
      return await new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(this.#late(name)), this.#timeoutMs);
        const payloadLength = payload.length;
        const responses: ParameterResponse[] = [];
        const pending = { type, payloadLength, parameterId, responses };
        this.#parameter = { ...pending, resolve, reject };
        this.send(type, payload).catch(reject);
      });
    } catch (error) {
      this.#mayBeStale = true;
      throw error;
    } finally {
      clearTimeout(timer);
      this.#parameter = null;
    }
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
    for (const sequence of [...this.#commands.keys()]) {
      this.#finish(sequence)?.reject(reason);
    }
    this.#parameter?.reject(reason);
    for (const subscriber of [...this.#subscribers]) subscriber.end();
    return reason;
  }

  #received(frame: Frame): void {
    for (const subscriber of this.#subscribers) subscriber.deliver(frame);
    switch (frame.type) {
      case FrameType.TM:
        return this.#answered(frame.payload);
      case FrameType.PRM_RSP:
        return this.#parameterAnswered(frame.payload);
      case FrameType.ERROR:
        return this.#refused(frame);
    }
  }

  #answered(payload: Uint8Array): void {
    let answer: TelecommandAnswer;
    try {
      answer = decodeAnswer(payload);
    } catch (cause) {
      return this.#answerUnreadable(payload, cause);
    }
    const { command, sequence, status, index = 0, count = 1 } = answer;
    const pending = this.#commands.get(sequence);
    if (pending?.command !== command) {
      this.#unmatchedFrames++;
      return;
    }
    const { name, pages } = pending;
    const fail = (
      kind: "malformed" | "status",
      text: string,
      details = {},
    ) => {
      const error = new HostClientError(kind, `${name}: ${text}`, details);
      this.#finish(sequence)?.reject(error);
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
    if (pages.size < count) return;
    const result = joinAnswerPages([...pages.values()]);
    if (result === undefined) return fail("malformed", "pages are missing");
    this.#finish(sequence)?.resolve(result);
  }

  /** An answer that can't be read fails the request that it names, if any. */
  #answerUnreadable(payload: Uint8Array, cause: unknown): void {
    this.#malformedFrames++;
    if (payload.length < 4) return;
    const view = new DataView(payload.buffer, payload.byteOffset);
    const sequence = view.getUint16(2);
    const pending = this.#commands.get(sequence);
    if (pending?.command !== (view.getUint16(0) & 0x7FFF)) return;
    this.#finish(sequence)?.reject(
      new HostClientError(
        "malformed",
        `${pending.name}: ${messageOf(cause)}`,
        { cause },
      ),
    );
  }

  #parameterAnswered(payload: Uint8Array): void {
    const pending = this.#parameter;
    let response: ParameterResponse;
    try {
      response = decodeParameterResponse(payload);
    } catch (cause) {
      this.#malformedFrames++;
      pending?.reject(
        new HostClientError("malformed", messageOf(cause), { cause }),
      );
      return;
    }
    const isMeant = pending !== null &&
      (pending.parameterId === null ||
        pending.parameterId === response.parameterId);
    if (!isMeant) {
      this.#unmatchedFrames++;
      return;
    }
    const { responses } = pending;
    responses.push(response);
    if (response.more === 0) {
      return pending.resolve(joinParameterResponses(responses));
    }
    if (responses.length >= PARAMETER_MESSAGES_MAX_COUNT) {
      pending.reject(
        new HostClientError(
          "malformed",
          `the answer has more than ${PARAMETER_MESSAGES_MAX_COUNT} PRM_RSP frames`,
        ),
      );
    }
  }

  /** An ERROR frame names a type and a length: the oldest such request is meant. */
  #refused({ apid, payload }: Frame): void {
    let fault: FrameFault;
    try {
      fault = decodeFrameFault(payload);
    } catch {
      this.#malformedFrames++;
      return;
    }
    const isMeant = (
      request: { readonly type: FrameType; readonly payloadLength: number },
    ) =>
      request.type === fault.offendingType &&
      request.payloadLength === fault.offendingPayloadLength;
    const error = (name: string) =>
      new HostClientError(
        "refused",
        `${name}: ${describeRefusal(apid, fault)}`,
        { fault },
      );
    for (const [sequence, pending] of this.#commands) {
      if (!isMeant(pending)) continue;
      this.#finish(sequence)?.reject(error(pending.name));
      return;
    }
    const parameter = this.#parameter;
    if (parameter !== null && isMeant(parameter)) {
      return parameter.reject(error("parameter request"));
    }
    this.#unmatchedFrames++;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function asClientError(error: unknown): HostClientError {
  return error instanceof HostClientError
    ? error
    : new HostClientError("closed", messageOf(error), { cause: error });
}
