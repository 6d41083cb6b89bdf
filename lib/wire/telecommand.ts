/**
 * The payloads of TC frames and of the TM frames that answer them, and the
 * tables of commands and statuses (formats.md, "Payloads"). What a command's
 * arguments and result mean is the business of `lib/host`. Imports the codec.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { defineLayout, type Layout } from "./codec.ts";
import { WireError } from "./error.ts";
import { readInteger, rest, u16, writeInteger } from "./fields.ts";
import { FRAME_PAYLOAD_MAX_BYTES } from "./frame.ts";

/**
 * The commands by name [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CommandCode } from "@spaceos/pid1";
 *
 * assertEquals(CommandCode.PING, 1);
 * ```
 */
export const CommandCode = {
  PING: 1,
  POWEROFF: 2,
  REBOOT: 3,
  HALT: 4,
  SERVICE_START: 5,
  SERVICE_STOP: 6,
  SERVICE_RESTART: 7,
  SERVICE_LIST: 8,
  SERVICE_STATUS: 9,
  EVENTS_READ: 10,
  ENTER_SAFE_MODE: 11,
  LEAVE_SAFE_MODE: 12,
  FDIR_CHECK: 13,
  TIME_SET: 14,
  LOG_FOLLOW: 15,
  BOOT_TIMELINE: 16,
  DP_LIST: 17,
  DP_READ: 18,
} as const;

/** The code of a command. */
export type CommandCode = typeof CommandCode[keyof typeof CommandCode];

/**
 * The commands whose result may need several frames: each of their answers
 * carries an index and a count, also when it is the only one, so that a reader
 * knows the layout from the command alone.
 */
export const PAGED_COMMANDS: ReadonlySet<number> = new Set([
  CommandCode.SERVICE_LIST,
  CommandCode.SERVICE_STATUS,
  CommandCode.EVENTS_READ,
  CommandCode.FDIR_CHECK,
  CommandCode.BOOT_TIMELINE,
  CommandCode.DP_LIST,
  CommandCode.DP_READ,
]);

/**
 * The statuses of an answer by name [O]; the numbers are Linux's errno where one fits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CommandStatus } from "@spaceos/pid1";
 *
 * const isDone = (status: number) => status === CommandStatus.OK;
 * assertEquals([0, CommandStatus.ENOENT].map(isDone), [true, false]);
 * ```
 */
export const CommandStatus = {
  /** Accepted and done. */
  OK: 0,
  /** Not permitted to this sender. */
  EPERM: 1,
  /** No such service, product or thing. */
  ENOENT: 2,
  /** The device failed. */
  EIO: 5,
  /** No room for it now; try again. */
  EAGAIN: 11,
  /** Out of memory or a fixed limit. */
  ENOMEM: 12,
  /** Something else is under way. */
  EBUSY: 16,
  /** There is no such device, such as a volume, in this machine. */
  ENODEV: 19,
  /** The arguments are not what the command takes. */
  EINVAL: 22,
  /** The volume is full. */
  ENOSPC: 28,
  /** The volume is read-only. */
  EROFS: 30,
  /** There is no such command. */
  ENOSYS: 38,
  /** A stored thing fails its CRC. */
  EBADMSG: 74,
  /** The result is too large to send. */
  EMSGSIZE: 90,
  /** It did not end in time. */
  ETIMEDOUT: 110,
  /** It is so already. */
  EALREADY: 114,
  /** A stored thing is damaged. */
  EUCLEAN: 117,
  /** A later command took its place. */
  ECANCELED: 125,
} as const;

/**
 * The name of a status.
 *
 * @param status A status as it came, u16.
 * @returns Its name in {@linkcode CommandStatus}, or the number as text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { commandStatusName } from "./telecommand.ts";
 *
 * assertEquals(commandStatusName(38), "ENOSYS");
 * assertEquals(commandStatusName(999), "999");
 * ```
 */
export function commandStatusName(status: number): string {
  return STATUS_NAMES.get(status) ?? String(status);
}

const STATUS_NAMES = new Map<number, string>(
  Object.entries(CommandStatus).map(([name, status]) => [status, name]),
);

/** This bit is set in the command of an answer. */
const ANSWER_BIT = 0x8000;
const COMMAND_HEAD_BYTES = 4;
const ANSWER_HEAD_BYTES = 6;
const PAGE_HEAD_BYTES = 10;

/** The most bytes of result of a command that is not answered in pages. */
export const ANSWER_RESULT_MAX_BYTES = FRAME_PAYLOAD_MAX_BYTES -
  ANSWER_HEAD_BYTES;
/** The most bytes of result that a page carries. */
export const PAGE_MAX_BYTES = FRAME_PAYLOAD_MAX_BYTES - PAGE_HEAD_BYTES;
/** The most bytes of result that an answer in pages carries. */
export const PAGED_RESULT_MAX_BYTES = PAGE_MAX_BYTES * 0xFFFF;

/** What a TC frame asks. */
export interface Telecommand {
  /** 0x00 u16: which command; one that is not in the table is for the receiver to refuse. */
  readonly command: number;
  /** 0x02 u16: the asker's number for it, which the answer repeats. */
  readonly sequence: number;
  /** 0x04 the arguments, 0..244 bytes. */
  readonly arguments: Uint8Array;
}

/** What a TM frame answers. */
export interface TelecommandAnswer {
  /** 0x00 u16: the command that it answers; on the wire with bit 15 set. */
  readonly command: number;
  /** 0x02 u16: the asker's number for it. */
  readonly sequence: number;
  /** 0x04 u16: 0 for done, else from {@linkcode CommandStatus}. */
  readonly status: number;
  /** 0x06 the result, or a page of it. */
  readonly result: Uint8Array;
  /** Which page this is, from 0, if the command is answered in pages: 0x06 u16. */
  readonly index?: number;
  /** How many pages there are, if the command is answered in pages: 0x08 u16. */
  readonly count?: number;
}

/** The field table of a TC payload. */
export const telecommandLayout: Layout<Telecommand, Telecommand> = defineLayout(
  "TC payload",
  FRAME_PAYLOAD_MAX_BYTES,
  {
    command: u16(0x00, { max: ANSWER_BIT - 1 }),
    sequence: u16(0x02),
    arguments: rest(0x04, FRAME_PAYLOAD_MAX_BYTES - COMMAND_HEAD_BYTES, {
      isView: true,
    }),
  },
);

const ANSWER_HEAD = {
  command: u16(0x00, { min: ANSWER_BIT }),
  sequence: u16(0x02),
  status: u16(0x04),
} as const;

/** An answer whole. */
export type AnswerRecord = Omit<TelecommandAnswer, "index" | "count">;
/** One page of an answer. */
export type PageRecord = Required<TelecommandAnswer>;

/** The field table of a TM payload that is the whole answer. */
export const answerLayout: Layout<AnswerRecord, AnswerRecord> = defineLayout(
  "TM payload",
  FRAME_PAYLOAD_MAX_BYTES,
  {
    ...ANSWER_HEAD,
    result: rest(0x06, ANSWER_RESULT_MAX_BYTES),
  },
);

/** The field table of a TM payload that is one page of an answer. */
export const answerPageLayout: Layout<PageRecord, PageRecord> = defineLayout(
  "TM page payload",
  FRAME_PAYLOAD_MAX_BYTES,
  {
    ...ANSWER_HEAD,
    index: u16(0x06, { max: 0xFFFE }),
    count: u16(0x08, { min: 1 }),
    result: rest(0x0A, PAGE_MAX_BYTES),
  },
);

/**
 * The payload of a TC frame.
 *
 * @param telecommand What is asked.
 * @returns 4..248 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CommandCode, decodeTelecommand, encodeTelecommand } from "./telecommand.ts";
 *
 * const ping = {
 *   command: CommandCode.PING,
 *   sequence: 7,
 *   arguments: new Uint8Array([1]),
 * };
 * assertEquals(encodeTelecommand(ping), new Uint8Array([0, 1, 0, 7, 1]));
 * assertEquals(decodeTelecommand(encodeTelecommand(ping)), ping);
 * ```
 */
export function encodeTelecommand(
  telecommand: Telecommand,
): Uint8Array<ArrayBuffer> {
  return telecommandLayout.encode(telecommand);
}

/**
 * Reads and judges the payload of a TC frame. A command that is not in the table
 * is no error here.
 *
 * @param payload Any bytes.
 * @returns What is asked; its arguments are a view of these bytes, not a copy.
 * @throws {WireError} If they are not such a payload.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeTelecommand } from "./telecommand.ts";
 *
 * assertThrows(() => decodeTelecommand(new Uint8Array(3)), WireError, "4..248 bytes");
 * ```
 */
export function decodeTelecommand(payload: Uint8Array): Telecommand {
  const command = readInteger(payload, 0, 2);
  if (
    payload.length < COMMAND_HEAD_BYTES || command >= ANSWER_BIT ||
    payload.length > FRAME_PAYLOAD_MAX_BYTES
  ) return telecommandLayout.decode(payload);
  // What the table would take a microsecond for, in an emulated machine.
  return {
    command,
    sequence: readInteger(payload, COMMAND_SEQUENCE_AT, 2),
    arguments: payload.subarray(COMMAND_HEAD_BYTES),
  };
}

const COMMAND_SEQUENCE_AT = telecommandLayout.offsetOf("sequence");

/**
 * The payloads of the TM frames that answer a command: one, or as many pages as
 * the result needs if the command is answered in pages.
 *
 * @param answer The answer with its whole result.
 * @returns At least one payload.
 * @throws {WireError} Naming the field that is out of its range, also for a
 * result that is longer than the command's answer can be.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CommandCode, CommandStatus, encodeAnswer } from "./telecommand.ts";
 *
 * const payloads = encodeAnswer({
 *   command: CommandCode.SERVICE_LIST,
 *   sequence: 1,
 *   status: CommandStatus.OK,
 *   result: new Uint8Array(500),
 * });
 * assertEquals(payloads.map((payload) => payload.length), [248, 248, 34]);
 * ```
 */
export function encodeAnswer(answer: AnswerRecord): Uint8Array<ArrayBuffer>[] {
  const { sequence, status, result } = answer;
  const command = answer.command | ANSWER_BIT;
  if (!PAGED_COMMANDS.has(answer.command)) {
    return [answerLayout.encode({ command, sequence, status, result })];
  }
  if (result.length > PAGED_RESULT_MAX_BYTES) {
    throw new WireError({
      layout: answerPageLayout.name,
      field: "result",
      value: result,
      expected: `0..${PAGED_RESULT_MAX_BYTES} bytes`,
    });
  }
  const count = Math.max(1, Math.ceil(result.length / PAGE_MAX_BYTES));
  return Array.from({ length: count }, (_, index) => {
    const start = index * PAGE_MAX_BYTES;
    const page = result.subarray(start, start + PAGE_MAX_BYTES);
    const head = { command, sequence, status, index, count };
    return answerPageLayout.encode({ ...head, result: page });
  });
}

/**
 * Writes the payload of a TM frame that is the whole answer to a command, into
 * memory that is there already.
 *
 * @param answer The answer; its command is none of {@linkcode PAGED_COMMANDS}.
 * @param target Where to.
 * @param offset Where in it, in bytes.
 * @returns The number of bytes written.
 * @throws {WireError} Naming the field that is out of its range; nothing is
 * written then.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeWholeAnswer } from "./telecommand.ts";
 *
 * const bytes = new Uint8Array(8);
 * const result = Uint8Array.of(9);
 * const answer = { command: 1, sequence: 7, status: 0, result };
 * assertEquals(encodeWholeAnswer(answer, bytes, 1), 7);
 * assertEquals([...bytes], [0, 0x80, 1, 0, 7, 0, 0, 9]);
 * ```
 */
export function encodeWholeAnswer(
  { command, sequence, status, result }: AnswerRecord,
  target: Uint8Array,
  offset: number,
): number {
  const length = ANSWER_HEAD_BYTES + result.length;
  if (
    !isU16(command) || !isU16(sequence) || !isU16(status) ||
    length > FRAME_PAYLOAD_MAX_BYTES || offset + length > target.length
  ) {
    const record = { command: command | ANSWER_BIT, sequence, status, result };
    return answerLayout.encodeInto(record, target, offset);
  }
  // As above: nothing is wrong with it, so the table need not look.
  writeInteger(target, offset, 2, command | ANSWER_BIT);
  writeInteger(target, offset + ANSWER_SEQUENCE_AT, 2, sequence);
  writeInteger(target, offset + ANSWER_STATUS_AT, 2, status);
  target.set(result, offset + ANSWER_HEAD_BYTES);
  return length;
}

const ANSWER_SEQUENCE_AT = answerLayout.offsetOf("sequence");
const ANSWER_STATUS_AT = answerLayout.offsetOf("status");

function isU16(value: number): boolean {
  return value >>> 0 === value && value <= 0xFFFF;
}

/**
 * Reads and judges the payload of a TM frame that answers a command.
 *
 * @param payload Any bytes.
 * @returns The answer, or one page of it.
 * @throws {WireError} If they are not such a payload.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeAnswer } from "./telecommand.ts";
 *
 * assertEquals(decodeAnswer(new Uint8Array([0x80, 1, 0, 7, 0, 0])), {
 *   command: 1,
 *   sequence: 7,
 *   status: 0,
 *   result: new Uint8Array(),
 * });
 * ```
 */
export function decodeAnswer(payload: Uint8Array): TelecommandAnswer {
  const plain = answerLayout.decode(payload);
  const command = plain.command & ~ANSWER_BIT;
  if (!PAGED_COMMANDS.has(command)) return { ...plain, command };
  const page = answerPageLayout.decode(payload);
  if (page.index >= page.count) {
    throw new WireError({
      layout: answerPageLayout.name,
      field: "index",
      value: page.index,
      expected: `less than count, which is ${page.count}`,
    });
  }
  return { ...page, command };
}

/**
 * Puts the pages of one answer together.
 *
 * @param pages All pages, in any order; more than one of an index counts once.
 * @returns The whole result, or undefined while a page is missing or the pages
 * contradict each other about their number.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   CommandCode,
 *   decodeAnswer,
 *   encodeAnswer,
 *   joinAnswerPages,
 * } from "./telecommand.ts";
 *
 * const result = new Uint8Array(300).fill(9);
 * const command = CommandCode.DP_READ;
 * const payloads = encodeAnswer({ command, sequence: 1, status: 0, result });
 * const pages = payloads.map(decodeAnswer);
 * assertEquals(joinAnswerPages(pages.slice(1)), undefined);
 * assertEquals(joinAnswerPages(pages.toReversed()), result);
 * ```
 */
export function joinAnswerPages(
  pages: readonly TelecommandAnswer[],
): Uint8Array<ArrayBuffer> | undefined {
  const count = pages[0]?.count ?? 1;
  const parts = new Map<number, Uint8Array>();
  for (const page of pages) {
    if ((page.count ?? 1) !== count) return undefined;
    parts.set(page.index ?? 0, page.result);
  }
  if (parts.size !== count) return undefined;
  return concat(
    [...parts].sort(([left], [right]) => left - right).map(([, part]) => part),
  );
}
