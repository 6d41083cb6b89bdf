/**
 * What a client makes of the answers of a VM: decoded and judged, lists put
 * together from their pieces, refused parameters named. Imports `wire` and the
 * channel.
 *
 * @module
 */
import { WireError } from "../wire/error.ts";
import {
  type ParameterAnswer,
  ParameterStatus,
} from "../wire/parameter_message.ts";
import type { ParameterEntry } from "../wire/parameter.ts";
import { encodeListRequest } from "../wire/result_list.ts";
import { CommandCode } from "../wire/telecommand.ts";
import { describeParameterStatus, HostClientError } from "./client_error.ts";
import type { HostChannel } from "./host_channel.ts";

/** The most entries that a list is read to. */
export const LIST_MAX_COUNT = 65_536;

/**
 * The error for what a VM has answered and is not what the format says.
 *
 * @param name What was asked.
 * @param text What is wrong with the answer.
 * @param cause What found it.
 * @returns The error, of kind `malformed`.
 *
 * @example
 * ```ts
 * import { malformed } from "./client_answers.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(malformed("PING", "no echo").message, "PING: no echo");
 * ```
 */
export function malformed(
  name: string,
  text: string,
  cause?: unknown,
): HostClientError {
  return new HostClientError("malformed", `${name}: ${text}`, { cause });
}

/**
 * Decodes an answer; what is not as the format says is the VM's fault.
 *
 * @param name What was asked.
 * @param decode Decodes it.
 * @returns What it says.
 * @throws {HostClientError} Kind `malformed` where `decode` throws a WireError.
 *
 * @example
 * ```ts
 * import { judged } from "./client_answers.ts";
 * import { HostClientError } from "./client_error.ts";
 * import { decodeHealth } from "../wire/health.ts";
 * import { assertThrows } from "@std/assert/throws";
 *
 * assertThrows(
 *   () => judged("HEALTH", () => decodeHealth(new Uint8Array(3))),
 *   HostClientError,
 * );
 * ```
 */
export function judged<T>(name: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw malformed(name, error.message, error);
  }
}

/**
 * Sends a command about something, and names it in what the VM refuses it with.
 *
 * @param channel The connection.
 * @param command The command.
 * @param subject What it is about.
 * @param argumentBytes Its arguments.
 * @returns The result.
 * @throws {HostClientError} If the VM says no, or does not answer as it should.
 *
 * @example
 * ```ts
 * import { commandAbout } from "./client_answers.ts";
 * import type { HostChannel } from "./host_channel.ts";
 *
 * const stop = (channel: HostChannel, name: string) =>
 *   commandAbout(channel, 6, name, new TextEncoder().encode(name));
 * ```
 */
export async function commandAbout(
  channel: HostChannel,
  command: number,
  subject: string,
  argumentBytes: Uint8Array,
): Promise<Uint8Array> {
  try {
    return await channel.command(command, argumentBytes);
  } catch (error) {
    if (!(error instanceof HostClientError) || error.status === null) {
      throw error;
    }
    const { kind, status, message } = error;
    const named = message.replace(": ", ` ${JSON.stringify(subject)}: `);
    throw new HostClientError(kind, named, { status, cause: error });
  }
}

/**
 * Reads a list that may be longer than one answer: piece after piece.
 *
 * @param channel The connection.
 * @param command The command that gives a piece of it.
 * @param decode Reads a piece.
 * @returns All entries.
 * @throws {HostClientError} If an answer fails, the pieces do not fit each other,
 * the list is too long, or takes too long.
 *
 * @example
 * ```ts
 * import { readList } from "./client_answers.ts";
 * import type { HostChannel } from "./host_channel.ts";
 * import { decodeServiceList } from "../wire/service_list.ts";
 *
 * const services = (channel: HostChannel) =>
 *   readList(channel, 8, (result) => {
 *     const list = decodeServiceList(result);
 *     return { ...list, entries: list.services };
 *   });
 * ```
 */
export async function readList<T>(
  channel: HostChannel,
  command: number,
  decode: (
    result: Uint8Array,
  ) => { total: number; first: number; entries: readonly T[] },
): Promise<T[]> {
  const name = Object.entries(CommandCode)
    .find(([, code]) => code === command)?.[0] ?? "list";
  const limitMs = channel.listTimeoutMs;
  const deadlineMs = performance.now() + limitMs;
  const all: T[] = [];
  for (;;) {
    const wanted = encodeListRequest(all.length);
    const result = await channel.command(command, wanted);
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

/**
 * A parameter that the VM knows, or has taken.
 *
 * @param answer What it answered.
 * @returns Its generation and value.
 * @throws {HostClientError} Kind `parameter` otherwise.
 *
 * @example
 * ```ts
 * import { parameterOf } from "./client_answers.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const value = Uint8Array.of(1);
 * const answer = { parameterId: 7, generation: 2, status: 0, value } as const;
 * assertEquals(parameterOf(answer), { parameterId: 7, generation: 2, value });
 * ```
 */
export function parameterOf(answer: ParameterAnswer): ParameterEntry {
  const { parameterId, generation, value, status } = answer;
  if (status === ParameterStatus.OK) return { parameterId, generation, value };
  throw new HostClientError(
    "parameter",
    `parameter ${parameterId}: ${describeParameterStatus(status)}`,
    { parameterStatus: status, parameterId },
  );
}

/**
 * The one parameter that was asked for.
 *
 * @param answers What the VM answered.
 * @param parameterId Which it is.
 * @returns Its generation and value.
 * @throws {HostClientError} Kind `malformed` if there is not one answer; kind
 * `parameter` if the VM does not know it, or did not take it.
 *
 * @example
 * ```ts
 * import { onlyParameter } from "./client_answers.ts";
 * import { HostClientError } from "./client_error.ts";
 * import { assertThrows } from "@std/assert/throws";
 *
 * assertThrows(() => onlyParameter([], 7), HostClientError, "0 answers");
 * ```
 */
export function onlyParameter(
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
