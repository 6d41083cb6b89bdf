/**
 * A VM as a host's program sees it: each command of the init as a method, and
 * what the VM tells by itself as streams. For any Deno program; plain
 * connections only, no FFI. Imports `wire` and this room's channel.
 *
 * @module
 */
import { decodeBootTimeline, type PhaseEntry } from "../wire/boot_timeline.ts";
import {
  type DataProductDescriptor,
  decodeDataProductDescriptor,
} from "../wire/data_product.ts";
import {
  type DataProductEntry,
  decodeDataProductList,
} from "../wire/data_product_list.ts";
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
} from "../wire/parameter_message.ts";
import type { ParameterEntry } from "../wire/parameter.ts";
import { decodeServiceList, type ServiceEntry } from "../wire/service_list.ts";
import {
  decodeServiceStatus,
  type ServiceStatusRecord,
} from "../wire/service_status.ts";
import { CommandCode } from "../wire/telecommand.ts";
import { encodeTimeSet, type MissionTime } from "../wire/time_set.ts";
import type { BoundedStream } from "./bounded_stream.ts";
import {
  commandAbout,
  judged,
  malformed,
  onlyParameter,
  readList,
} from "./client_answers.ts";
import type { HostClientError } from "./client_error.ts";
import { commitParameters } from "./commit_parameters.ts";
import type { HostChannel, HostChannelCounters } from "./host_channel.ts";
import { DATA_PRODUCT_DEFAULT_MAX_BYTES, readProduct } from "./read_product.ts";

/** The data products of a VM's volume. */
export interface DataProductCatalogue {
  /** The products, oldest first. */
  readonly products: readonly DataProductEntry[];
  /** How many bytes the largest product could have that still fits. */
  readonly freeBytes: bigint;
  /** How many stretches of the area make no sense. */
  readonly damagedCount: number;
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
    await commandAbout(
      this.#channel,
      CommandCode.SERVICE_START,
      name,
      utf8(name),
    );
  }

  /**
   * Stops a service, and what needs it.
   *
   * @param name The service.
   */
  async stopService(name: string): Promise<void> {
    await commandAbout(
      this.#channel,
      CommandCode.SERVICE_STOP,
      name,
      utf8(name),
    );
  }

  /**
   * Stops and starts a service.
   *
   * @param name The service.
   */
  async restartService(name: string): Promise<void> {
    await commandAbout(
      this.#channel,
      CommandCode.SERVICE_RESTART,
      name,
      utf8(name),
    );
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
    return await readList(this.#channel, CommandCode.SERVICE_LIST, (result) => {
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
    const result = await commandAbout(
      this.#channel,
      SERVICE_STATUS,
      name,
      utf8(name),
    );
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
    return await readList(
      this.#channel,
      CommandCode.BOOT_TIMELINE,
      (result) => {
        const list = decodeBootTimeline(result);
        return { ...list, entries: list.phases };
      },
    );
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
    const products = await readList(
      this.#channel,
      CommandCode.DP_LIST,
      (result) => {
        const list = decodeDataProductList(result);
        head = { freeBytes: list.freeBytes, damagedCount: list.damagedCount };
        return { ...list, entries: list.products };
      },
    );
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
    return await readProduct(this.#channel, { name, entry, maxBytes });
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
    return await commitParameters(this.#channel, sets);
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
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
