/**
 * A VM as a host's program sees it: each command of the init as a method, and
 * what the VM tells by itself as streams. For any Deno program; plain
 * connections only, no FFI. Imports `wire` and this room's channel.
 *
 * @module
 */
import { crc32c } from "../wire/crc32c.ts";
import { decodeBootTimeline, type PhaseEntry } from "../wire/boot_timeline.ts";
import {
  DATA_PRODUCT_BLOCK_SIZE_BYTES,
  type DataProductDescriptor,
  decodeDataProductDescriptor,
} from "../wire/data_product.ts";
import {
  type DataProductEntry,
  decodeDataProductList,
} from "../wire/data_product_list.ts";
import {
  DATA_PRODUCT_PIECE_MAX_BYTES,
  decodeDataProductPiece,
  encodeDataProductRequest,
} from "../wire/data_product_read.ts";
import { WireError } from "../wire/error.ts";
import { decodeEventRecord, type EventRecord } from "../wire/event.ts";
import {
  decodeEventList,
  encodeEventsRequest,
  type EventList,
  EVENTS_READ_MAX_COUNT,
  type EventsRequest,
} from "../wire/event_list.ts";
import {
  decodeFdirResult,
  FdirAction,
  fdirRequestLayout,
  type FdirResult,
} from "../wire/fdir_result.ts";
import { type Frame, FrameType } from "../wire/frame.ts";
import { decodeHealth, type Health } from "../wire/health.ts";
import { decodeLog, type LogMessage } from "../wire/log.ts";
import {
  encodeParameterGet,
  encodeParameterSet,
  type ParameterAnswer,
  type ParameterSet,
  ParameterStatus,
} from "../wire/parameter_message.ts";
import {
  PARAMETER_VALUE_MAX_BYTES,
  type ParameterEntry,
} from "../wire/parameter.ts";
import {
  commitLayout,
  encodeParameterSets,
  StagingId,
} from "../wire/parameter_staging.ts";
import { encodeListRequest } from "../wire/result_list.ts";
import { decodeServiceList, type ServiceEntry } from "../wire/service_list.ts";
import {
  decodeServiceStatus,
  type ServiceStatusRecord,
} from "../wire/service_status.ts";
import { CommandCode } from "../wire/telecommand.ts";
import { encodeTimeSet, type MissionTime } from "../wire/time_set.ts";
import type { BoundedStream } from "./bounded_stream.ts";
import { describeParameterStatus, HostClientError } from "./client_error.ts";
import {
  HostChannel,
  type HostChannelCounters,
  type HostChannelOptions,
  type HostConnection,
} from "./host_channel.ts";

/** Where a VM is met: the socket of its port, or a connection that is open. */
export type ConnectHostOptions =
  & HostChannelOptions
  & (
    | {
      /** The unix socket that QEMU serves for the port `ipc`. */
      readonly path: string;
    }
    | {
      /** An open connection, the client's own from now on. */
      readonly connection: HostConnection;
    }
  );

/** The data products of a VM's volume. */
export interface DataProductCatalogue {
  /** The products, oldest first. */
  readonly products: readonly DataProductEntry[];
  /** How many bytes the largest product could have that still fits. */
  readonly freeBytes: bigint;
  /** How many stretches of the area make no sense. */
  readonly damagedCount: number;
}

/** How long a place in the queue of a socket is waited for, unless told otherwise. */
const CONNECT_TIMEOUT_MS = 10_000;

/** How often it is tried. */
const CONNECT_RETRY_MS = 50;

/** The most entries that a list is read to. */
export const LIST_MAX_COUNT = 65_536;

/** The largest data product that is read unless the caller allows more. */
export const DATA_PRODUCT_DEFAULT_MAX_BYTES: number = 256 * 1024 * 1024;

/**
 * Connects to a VM.
 *
 * QEMU serves one connection at a time: while another program holds the
 * socket, connecting succeeds and nothing answers until that program has left.
 *
 * @param options Where, how long an answer may take, and how much may wait.
 * @returns The client; end it with `close`, or by `await using`.
 * @throws {HostClientError} Kind `unreachable` if there is no such socket, or
 * nobody serves it; kind `timeout` if it can't be entered in time.
 *
 * @example
 * ```ts
 * import { connectHost } from "./client.ts";
 * import { readRequest, writeAnswer } from "./requests.ts";
 * import { decodeFrame } from "../wire/frame.ts";
 * import { assert } from "@std/assert";
 *
 * // In place of a VM: somebody who says yes to everything.
 * const folder = await Deno.makeTempDir();
 * const path = `${folder}/ipc.sock`;
 * const listener = Deno.listen({ transport: "unix", path });
 * const machine = listener.accept().then(async (connection) => {
 *   const bytes = new Uint8Array(256);
 *   while (await connection.read(bytes) !== null) {
 *     const request = readRequest(decodeFrame(bytes).payload);
 *     const frames: Uint8Array[] = [];
 *     writeAnswer(request, 0, new Uint8Array(), (frame) => frames.push(frame.slice()));
 *     for (const frame of frames) await connection.write(frame);
 *   }
 *   connection.close();
 * });
 *
 * {
 *   await using vm = await connectHost({ path });
 *   assert(await vm.ping() >= 0);
 *   await vm.restartService("camera");
 * }
 *
 * await machine;
 * listener.close();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function connectHost(
  options: ConnectHostOptions,
): Promise<HostClient> {
  if ("connection" in options) {
    return new HostClient(new HostChannel(options.connection, options));
  }
  const { path, timeoutMs = CONNECT_TIMEOUT_MS } = options;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    try {
      const connection = await Deno.connect({ transport: "unix", path });
      return new HostClient(new HostChannel(connection, options));
    } catch (cause) {
      if (!(cause instanceof Deno.errors.WouldBlock)) {
        const text = unreachableText(path, cause);
        throw new HostClientError("unreachable", text, { cause });
      }
      if (performance.now() > deadlineMs) {
        throw new HostClientError(
          "timeout",
          `${path}: other programs wait for this VM already`,
          { cause },
        );
      }
    }
    // The socket's queue is full: connect(2), EAGAIN.
    await new Promise((resolve) => setTimeout(resolve, CONNECT_RETRY_MS));
  }
}

function unreachableText(path: string, cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) {
    return `${path} is not there; expected the socket of a running VM`;
  }
  if (cause instanceof Deno.errors.ConnectionRefused) {
    return `${path}: nobody serves this socket; expected a running VM`;
  }
  const text = cause instanceof Error ? cause.message : String(cause);
  return `${path} can't be connected to: ${text}`;
}

/**
 * A connection to one VM. Each command is a method that ends when the whole
 * answer is there, and throws a {@linkcode HostClientError} otherwise; requests
 * may be under way side by side. What the VM tells by itself comes in streams,
 * each from the moment in which it is asked for.
 *
 * @example
 * ```ts
 * import { type HostClient } from "./client.ts";
 *
 * async function restartTheFailed(vm: HostClient): Promise<void> {
 *   for (const { name, state } of await vm.services()) {
 *     if (state === 4) await vm.restartService(name);
 *   }
 *   for await (const { text } of vm.logs()) {
 *     if (new TextDecoder().decode(text).includes("recovered")) break;
 *   }
 * }
 * ```
 */
export class HostClient implements AsyncDisposable {
  readonly #channel: HostChannel;

  /**
   * Takes over a channel; {@linkcode connectHost} makes one.
   *
   * @param channel The connection.
   */
  constructor(channel: HostChannel) {
    this.#channel = channel;
  }

  /** What came and went so far. */
  get counters(): HostChannelCounters {
    return this.#channel.counters;
  }

  /** Why the connection has ended, or null while it is open. */
  get ended(): HostClientError | null {
    return this.#channel.ended;
  }

  /** Fulfilled when the connection has ended, from either side; never rejected. */
  get closed(): Promise<void> {
    return this.#channel.closed;
  }

  /** Ends the connection; what is under way fails with kind `closed`. */
  async close(): Promise<void> {
    await this.#channel.close();
  }

  /** Ends the connection at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Asks whether the init is alive, and waits until it says so.
   *
   * @param payload What it has to send back, at most 242 bytes.
   * @returns How long it took, milliseconds.
   * @throws {HostClientError} Kind `malformed` if something else came back.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const show = async (vm: HostClient) => console.log(`${await vm.ping()} ms`);
   * ```
   */
  async ping(payload: Uint8Array = new Uint8Array()): Promise<number> {
    const startMs = performance.now();
    const echo = await this.#channel.command(CommandCode.PING, payload);
    const isSame = echo.length === payload.length &&
      echo.every((byte, index) => byte === payload[index]);
    if (!isSame) throw malformed("PING", "the echo is not what was sent");
    return performance.now() - startMs;
  }

  /** Has the machine powered off, in order. */
  async poweroff(): Promise<void> {
    await this.#channel.command(CommandCode.POWEROFF);
  }

  /** Has the machine started anew, in order. */
  async reboot(): Promise<void> {
    await this.#channel.command(CommandCode.REBOOT);
  }

  /** Has the machine halted, in order; its power stays on. */
  async halt(): Promise<void> {
    await this.#channel.command(CommandCode.HALT);
  }

  /**
   * Starts a service, and what it needs.
   *
   * @param name The service.
   */
  async startService(name: string): Promise<void> {
    await this.#about(CommandCode.SERVICE_START, name, utf8(name));
  }

  /**
   * Stops a service, and what needs it.
   *
   * @param name The service.
   */
  async stopService(name: string): Promise<void> {
    await this.#about(CommandCode.SERVICE_STOP, name, utf8(name));
  }

  /**
   * Stops and starts a service.
   *
   * @param name The service.
   */
  async restartService(name: string): Promise<void> {
    await this.#about(CommandCode.SERVICE_RESTART, name, utf8(name));
  }

  /**
   * All services in short.
   *
   * @returns One entry for each.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const failed = async (vm: HostClient) =>
   *   (await vm.services()).filter(({ state }) => state === 4);
   * ```
   */
  async services(): Promise<ServiceEntry[]> {
    return await this.#list(CommandCode.SERVICE_LIST, (result) => {
      const list = decodeServiceList(result);
      return { ...list, entries: list.services };
    });
  }

  /**
   * All that is known of one service.
   *
   * @param name The service.
   * @returns Its status.
   * @throws {HostClientError} Kind `status`, ENOENT, if there is none of that name.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const why = async (vm: HostClient) =>
   *   (await vm.serviceStatus("camera")).lastError;
   * ```
   */
  async serviceStatus(name: string): Promise<ServiceStatusRecord> {
    const { SERVICE_STATUS } = CommandCode;
    const result = await this.#about(SERVICE_STATUS, name, utf8(name));
    return judged("SERVICE_STATUS", () => decodeServiceStatus(result));
  }

  /**
   * Records of the event log on the VM's volume, oldest first.
   *
   * @param request Where to begin, and how many; all unless given.
   * @returns The records, and the number that the next one will get.
   * @throws {HostClientError} Kind `status`, ENODEV, on a machine without a volume.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const newest = async (vm: HostClient) =>
   *   (await vm.readEvents({ from: 100n })).events.at(-1);
   * ```
   */
  async readEvents(request: Partial<EventsRequest> = {}): Promise<EventList> {
    const { from = 0n, count = EVENTS_READ_MAX_COUNT } = request;
    const result = await this.#channel.command(
      CommandCode.EVENTS_READ,
      encodeEventsRequest({ from, count }),
    );
    return judged("EVENTS_READ", () => decodeEventList(result));
  }

  /** Stops all but the services of safe mode. */
  async enterSafeMode(): Promise<void> {
    await this.#channel.command(CommandCode.ENTER_SAFE_MODE);
  }

  /** Lets all services run again. */
  async leaveSafeMode(): Promise<void> {
    await this.#channel.command(CommandCode.LEAVE_SAFE_MODE);
  }

  /**
   * Has the VM look for anomalies now.
   *
   * @param action Whether it only checks, lets go of latched anomalies first,
   * or takes what it finds for the reference of all later checks.
   * @returns What it found.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const isWell = async (vm: HostClient) =>
   *   (await vm.checkFdir()).anomalyCount === 0;
   * ```
   */
  async checkFdir(action: FdirAction = FdirAction.CHECK): Promise<FdirResult> {
    const wanted = fdirRequestLayout.encode({ action });
    const result = await this.#channel.command(CommandCode.FDIR_CHECK, wanted);
    return judged("FDIR_CHECK", () => decodeFdirResult(result));
  }

  /**
   * Sets the mission clock.
   *
   * @param time The mission time.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const synchronize = (vm: HostClient) =>
   *   vm.setTime({ seconds: BigInt(Math.floor(Date.now() / 1000)), nanoseconds: 0 });
   * ```
   */
  async setTime(time: MissionTime): Promise<void> {
    await this.#channel.command(CommandCode.TIME_SET, encodeTimeSet(time));
  }

  /**
   * Has the VM send its recent log lines, and from then on each new one, or
   * no more of them. They come in {@linkcode HostClient.logs}.
   *
   * @param isOn Whether to begin or to end.
   * @param name The service whose lines are wanted; all unless given.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const follow = async (vm: HostClient) => {
   *   const lines = vm.logs();
   *   await vm.followLog(true, "camera");
   *   for await (const { text } of lines) console.log(text.length);
   * };
   * ```
   */
  async followLog(isOn: boolean, name = ""): Promise<void> {
    const wanted = new Uint8Array([isOn ? 1 : 0, ...utf8(name)]);
    await this.#channel.command(CommandCode.LOG_FOLLOW, wanted);
  }

  /**
   * What ran when in the boot.
   *
   * @returns Phases and services, in the order in which they began.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const slowest = async (vm: HostClient) =>
   *   (await vm.bootTimeline()).toSorted((left, right) =>
   *     Number(right.durationMicroseconds - left.durationMicroseconds)
   *   )[0]?.name;
   * ```
   */
  async bootTimeline(): Promise<PhaseEntry[]> {
    return await this.#list(CommandCode.BOOT_TIMELINE, (result) => {
      const list = decodeBootTimeline(result);
      return { ...list, entries: list.phases };
    });
  }

  /**
   * The catalogue of the data products.
   *
   * @returns The products and what is left of their area.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const names = async (vm: HostClient) =>
   *   (await vm.dataProducts()).products.map(({ name }) => name);
   * ```
   */
  async dataProducts(): Promise<DataProductCatalogue> {
    let head = { freeBytes: 0n, damagedCount: 0 };
    const products = await this.#list(CommandCode.DP_LIST, (result) => {
      const list = decodeDataProductList(result);
      head = { freeBytes: list.freeBytes, damagedCount: list.damagedCount };
      return { ...list, entries: list.products };
    });
    return { ...head, products };
  }

  /**
   * The data of a product; of several with one name, the newest. Its CRC is
   * judged before anything is handed out.
   *
   * @param name The product.
   * @param options How many bytes to take at most.
   * @returns All of its data.
   * @throws {HostClientError} Kind `status`, ENOENT, if there is none of that
   * name; kind `limit` if it is too large; kind `malformed` if the CRC differs.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const save = async (vm: HostClient) =>
   *   await Deno.writeFile("image", await vm.readDataProduct("image-1"));
   * ```
   */
  async readDataProduct(
    name: string,
    options: { readonly maxBytes?: number } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const maxBytes = options.maxBytes ?? DATA_PRODUCT_DEFAULT_MAX_BYTES;
    const { products } = await this.dataProducts();
    const entry = products.findLast((product) => product.name === name);
    const { DP_READ } = CommandCode;
    const piece = async (offset: number) => {
      const length = DATA_PRODUCT_PIECE_MAX_BYTES;
      const wanted = encodeDataProductRequest({ offset, length, name });
      const result = await this.#about(DP_READ, name, wanted);
      return judged("DP_READ", () => decodeDataProductPiece(result));
    };
    const first = await piece(0);
    const { dataLength } = first;
    if (entry === undefined || entry.dataLength !== dataLength) {
      throw malformed("DP_READ", "DP_LIST does not know such a product");
    }
    if (dataLength > maxBytes) {
      throw new HostClientError(
        "limit",
        `${name} has ${dataLength} bytes, expected at most ${maxBytes}`,
      );
    }
    // Its blocks are padded with zeros, and the CRC is over all of them.
    const blocks = Math.ceil(dataLength / DATA_PRODUCT_BLOCK_SIZE_BYTES);
    const padded = new Uint8Array(blocks * DATA_PRODUCT_BLOCK_SIZE_BYTES);
    for (let next = first, at = 0;; next = await piece(at)) {
      const wanted = Math.min(dataLength - at, DATA_PRODUCT_PIECE_MAX_BYTES);
      if (
        next.dataLength !== dataLength || next.offset !== at ||
        next.data.length !== wanted
      ) {
        throw malformed(
          "DP_READ",
          `${next.data.length} bytes at ${next.offset} of ${next.dataLength}, ` +
            `expected ${wanted} at ${at} of ${dataLength}`,
        );
      }
      padded.set(next.data, at);
      at += wanted;
      if (at >= dataLength) break;
    }
    if (crc32c(padded) !== entry.dataCrc32) {
      throw malformed("DP_READ", `the data of ${name} does not match its CRC`);
    }
    return padded.slice(0, dataLength);
  }

  /**
   * The parameters that the init knows or stores.
   *
   * @returns Each with its generation, its value, and whether it could be read.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const ids = async (vm: HostClient) =>
   *   (await vm.parameters()).map(({ parameterId }) => parameterId);
   * ```
   */
  async parameters(): Promise<ParameterAnswer[]> {
    return await this.#channel.parameters(
      FrameType.PRM_GET,
      encodeParameterGet(null),
      null,
    );
  }

  /**
   * One parameter.
   *
   * @param parameterId Its id, u32.
   * @returns Its generation and value.
   * @throws {HostClientError} Kind `parameter` if the VM does not know it.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const value = async (vm: HostClient) => (await vm.getParameter(7)).value;
   * ```
   */
  async getParameter(parameterId: number): Promise<ParameterEntry> {
    const answers = await this.#channel.parameters(
      FrameType.PRM_GET,
      encodeParameterGet(parameterId),
      parameterId,
    );
    return onlyParameter(answers, parameterId);
  }

  /**
   * Sets a parameter; when this ends, the VM has stored and applied it.
   *
   * @param parameterId Its id, u32.
   * @param value At most 240 bytes.
   * @returns Its new generation and value.
   * @throws {HostClientError} Kind `parameter` if the VM does not take it.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const store = (vm: HostClient) => vm.setParameter(7, new Uint8Array([1]));
   * ```
   */
  async setParameter(
    parameterId: number,
    value: Uint8Array,
  ): Promise<ParameterEntry> {
    const answers = await this.#channel.parameters(
      FrameType.PRM_SET,
      encodeParameterSet({ parameterId, value }),
      parameterId,
    );
    return onlyParameter(answers, parameterId);
  }

  /**
   * Sets several parameters at once: all of them, or none.
   *
   * @param sets The parameters, none twice, and their values.
   * @returns Each with its new generation and value.
   * @throws {HostClientError} Kind `parameter`, naming the one that is there
   * twice or that the VM does not take; then nothing has changed.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const store = (vm: HostClient) =>
   *   vm.setParameters([
   *     { parameterId: 7, value: new Uint8Array([1]) },
   *     { parameterId: 8, value: new Uint8Array([2]) },
   *   ]);
   * ```
   */
  async setParameters(
    sets: readonly ParameterSet[],
  ): Promise<ParameterEntry[]> {
    requireOnce(sets);
    const staged = encodeParameterSets(sets);
    const set = async (parameterId: number, value: Uint8Array) => {
      const payload = encodeParameterSet({ parameterId, value });
      const { PRM_SET } = FrameType;
      const answers = await this.#channel.parameters(PRM_SET, payload, null);
      const [own, ...others] = answers;
      if (own?.parameterId !== parameterId) {
        throw malformed("PRM_RSP", "the answer is about another parameter");
      }
      requireTaken(own);
      return others.map((answer) => parameterOf(answer));
    };
    await set(StagingId.STAGE, new Uint8Array());
    const piece = PARAMETER_VALUE_MAX_BYTES;
    for (let at = 0; at < staged.length; at += piece) {
      await set(StagingId.STAGE, staged.subarray(at, at + piece));
    }
    // It is refused if anything but this was staged.
    const checksum = commitLayout.encode({ setChecksum: crc32c(staged) });
    return await set(StagingId.COMMIT, checksum);
  }

  /**
   * Sends any command, for those that have no method here.
   *
   * @param command Its code.
   * @param argumentBytes At most 244 bytes.
   * @returns The result, its pages put together.
   * @throws {HostClientError} If the VM says no, or does not answer as it should.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const ping = (vm: HostClient) => vm.command(1, new Uint8Array([42]));
   * ```
   */
  async command(
    command: number,
    argumentBytes: Uint8Array = new Uint8Array(),
  ): Promise<Uint8Array> {
    return await this.#channel.command(command, argumentBytes);
  }

  /**
   * Sends bytes as they are. What answers them comes in {@linkcode HostClient.frames}.
   *
   * @param bytes Whole frames, or whatever the VM is to be tried with.
   */
  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.#channel.sendBytes(bytes);
  }

  /**
   * The events that happen from now on.
   *
   * @returns A bounded stream.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const watch = async (vm: HostClient) => {
   *   for await (const { eventCode } of vm.events()) console.log(eventCode);
   * };
   * ```
   */
  events(): BoundedStream<EventRecord> {
    return this.#channel.subscribe(
      [FrameType.EVR],
      ({ payload }) => decodeEventRecord(payload),
    );
  }

  /**
   * The lines of the log, once {@linkcode HostClient.followLog} has asked for
   * them. A long line comes in several parts.
   *
   * @returns A bounded stream.
   */
  logs(): BoundedStream<LogMessage> {
    return this.#channel.subscribe(
      [FrameType.LOG],
      ({ payload }) => decodeLog(payload),
    );
  }

  /**
   * How the machine is, each time that it tells.
   *
   * @returns A bounded stream.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const watch = async (vm: HostClient) => {
   *   for await (const { mode } of vm.health()) console.log(mode);
   * };
   * ```
   */
  health(): BoundedStream<Health> {
    return this.#channel.subscribe(
      [FrameType.HEALTH],
      ({ payload }) => decodeHealth(payload),
    );
  }

  /**
   * The descriptors of the data products that are written from now on.
   *
   * @returns A bounded stream.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const watch = async (vm: HostClient) => {
   *   for await (const { name } of vm.newDataProducts()) console.log(name);
   * };
   * ```
   */
  newDataProducts(): BoundedStream<DataProductDescriptor> {
    return this.#channel.subscribe(
      [FrameType.DP],
      ({ payload }) => decodeDataProductDescriptor(payload),
    );
  }

  /**
   * Every valid frame from now on, whatever it is.
   *
   * @returns A bounded stream.
   *
   * @example
   * ```ts
   * import type { HostClient } from "./client.ts";
   *
   * const watch = async (vm: HostClient) => {
   *   for await (const { type } of vm.frames()) console.log(type);
   * };
   * ```
   */
  frames(): BoundedStream<Frame> {
    return this.#channel.subscribe(Object.values(FrameType), (frame) => frame);
  }

  /** Sends a command about something, and names it in what the VM refuses it with. */
  async #about(
    command: number,
    subject: string,
    argumentBytes: Uint8Array,
  ): Promise<Uint8Array> {
    try {
      return await this.#channel.command(command, argumentBytes);
    } catch (error) {
      if (!(error instanceof HostClientError) || error.status === null) {
        throw error;
      }
      const { kind, status, message } = error;
      const named = message.replace(": ", ` ${JSON.stringify(subject)}: `);
      throw new HostClientError(kind, named, { status, cause: error });
    }
  }

  /** Reads a list that may be longer than one answer: piece after piece. */
  async #list<T>(
    command: number,
    decode: (
      result: Uint8Array,
    ) => { total: number; first: number; entries: readonly T[] },
  ): Promise<T[]> {
    const name = Object.entries(CommandCode)
      .find(([, code]) => code === command)?.[0] ?? "list";
    const limitMs = this.#channel.listTimeoutMs;
    const deadlineMs = performance.now() + limitMs;
    const all: T[] = [];
    for (;;) {
      const wanted = encodeListRequest(all.length);
      const result = await this.#channel.command(command, wanted);
      const { total, first, entries } = judged(name, () => decode(result));
      if (first !== all.length) {
        throw malformed(
          name,
          `the list goes on at ${first}, expected ${all.length}`,
        );
      }
      if (total > LIST_MAX_COUNT) {
        throw new HostClientError(
          "limit",
          `${name}: the list has ${total} entries, expected at most ${LIST_MAX_COUNT}`,
        );
      }
      all.push(...entries);
      if (all.length === total) return all;
      if (all.length > total || entries.length === 0) {
        throw malformed(
          name,
          `${all.length} entries came of a list of ${total}`,
        );
      }
      if (performance.now() > deadlineMs) {
        throw new HostClientError(
          "timeout",
          `${name}: no whole list in ${limitMs} ms`,
        );
      }
    }
  }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function malformed(
  name: string,
  text: string,
  cause?: unknown,
): HostClientError {
  return new HostClientError("malformed", `${name}: ${text}`, { cause });
}

/** Decodes an answer; what is not as the format says is the VM's fault. */
function judged<T>(name: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw malformed(name, error.message, error);
  }
}

/** A refused commit names the parameter that is the reason. */
function requireTaken({ status, value }: ParameterAnswer): void {
  if (status === ParameterStatus.OK) return;
  const parameterId = value.length === 4
    ? new DataView(value.buffer, value.byteOffset).getUint32(0)
    : undefined;
  const reason = parameterId === undefined
    ? "the set"
    : `parameter ${parameterId}`;
  throw new HostClientError(
    "parameter",
    `${reason}: ${describeParameterStatus(status)}; nothing is set`,
    {
      parameterStatus: status,
      ...(parameterId === undefined ? {} : { parameterId }),
    },
  );
}

/** The VM says of a parameter that is there twice only that it is invalid. */
function requireOnce(sets: readonly ParameterSet[]): void {
  const met = new Set<number>();
  for (const { parameterId } of sets) {
    if (!met.has(parameterId)) {
      met.add(parameterId);
      continue;
    }
    throw new HostClientError(
      "parameter",
      `parameter ${parameterId} is in the set twice, expected once; nothing is set`,
      { parameterStatus: ParameterStatus.INVALID, parameterId },
    );
  }
}

function parameterOf(answer: ParameterAnswer): ParameterEntry {
  const { parameterId, generation, value, status } = answer;
  if (status === ParameterStatus.OK) return { parameterId, generation, value };
  throw new HostClientError(
    "parameter",
    `parameter ${parameterId}: ${describeParameterStatus(status)}`,
    { parameterStatus: status, parameterId },
  );
}

function onlyParameter(
  answers: readonly ParameterAnswer[],
  parameterId: number,
): ParameterEntry {
  const [answer] = answers;
  if (answer === undefined || answers.length !== 1) {
    throw malformed(
      "PRM_RSP",
      `${answers.length} answers about parameter ${parameterId}, expected 1`,
    );
  }
  return parameterOf(answer);
}
