import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { WireError } from "../../../lib/wire/error.ts";
import { FrameErrorCode } from "../../../lib/wire/error_frame.ts";
import {
  encodeFrame,
  frameLayout,
  FrameType,
  receiveFrame,
  setPayloadLength,
} from "../../../lib/wire/frame.ts";
import { decodeLog, encodeLog, LogStream } from "../../../lib/wire/log.ts";
import {
  decodeParameterGet,
  decodeParameterResponse,
  encodeParameterResponses,
  joinParameterResponses,
  ParameterStatus,
} from "../../../lib/wire/parameter_message.ts";
import { compareGenerations } from "../../../lib/wire/serial_number.ts";
import {
  answerLayout,
  CommandCode,
  CommandStatus,
  commandStatusName,
  decodeAnswer,
  decodeTelecommand,
  encodeAnswer,
  encodeWholeAnswer,
  joinAnswerPages,
  PAGE_MAX_BYTES,
  PAGED_COMMANDS,
  PAGED_RESULT_MAX_BYTES,
  telecommandLayout,
} from "../../../lib/wire/telecommand.ts";
import { fromHexDump, Random } from "./support.ts";

function frameWith(change: Record<number, number>): Uint8Array {
  const bytes = encodeFrame({
    type: FrameType.TC,
    apid: 0x10,
    destinationApid: 0,
    payload: new Uint8Array([1, 2, 3]),
  });
  for (const [offset, value] of Object.entries(change)) {
    bytes[Number(offset)] = value;
  }
  return bytes;
}

Deno.test("receiveFrame names the fault of each kind of bad frame", () => {
  const cases: [Record<number, number>, keyof typeof FrameErrorCode][] = [
    [{ 0: 0 }, "UNKNOWN_VERSION"],
    [{ 0: 2 }, "UNKNOWN_VERSION"],
    [{ 1: 0 }, "UNKNOWN_TYPE"],
    [{ 1: 11 }, "UNKNOWN_TYPE"],
    [{ 1: 0xFF }, "UNKNOWN_TYPE"],
    [{ 2: 8 }, "APID_NOT_ALLOCATED"],
    [{ 5: 249 }, "MESSAGE_TOO_LARGE"],
    [{ 4: 1 }, "MESSAGE_TOO_LARGE"],
    [{ 6: 8 }, "MALFORMED"],
    [{ 255: 1 }, "MALFORMED"],
  ];
  for (const [change, code] of cases) {
    const bytes = frameWith(change);
    const received = receiveFrame(bytes);
    assertFalse(received.ok);
    assertEquals(received.fault, {
      code: FrameErrorCode[code],
      offendingType: bytes[1] ?? -1,
      offendingApid: (bytes[2] ?? 0) << 8 | (bytes[3] ?? 0),
      offendingPayloadLength: (bytes[4] ?? 0) << 8 | (bytes[5] ?? 0),
    });
    assertEquals(received.answer, true);
    assert(received.reason.startsWith("frame: "), received.reason);
  }
});

Deno.test("receiveFrame asks for no answer to a bad ERROR frame", () => {
  const received = receiveFrame(frameWith({ 1: FrameType.ERROR, 255: 1 }));
  assertFalse(received.ok);
  assertEquals(received.answer, false);
});

Deno.test("receiveFrame never throws, for 50,000 random frames and for other lengths", () => {
  const random = new Random(1);
  for (let round = 0; round < 50_000; round++) {
    const bytes = random.bytes(round % 10 === 0 ? random.integer(0, 300) : 256);
    if (round % 2 === 0 && bytes.length > 16) {
      bytes.set([1, random.integer(0, 12), 0, 1, 0, 9, 0]);
    }
    if (round % 4 === 0) bytes.fill(0, 17);
    const received = receiveFrame(bytes);
    if (received.ok) assertEquals(encodeFrame(received.frame), bytes);
    else assert(received.fault.code >= 1 && received.fault.code <= 6);
  }
});

/** What a call gives, or the message of what it throws. */
function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    assert(error instanceof WireError, String(error));
    return error.message;
  }
}

Deno.test("receiveFrame takes just the frames that the table takes, near every edge of a field", () => {
  const random = new Random(5);
  const edges = [0, 1, 2, 7, 8, 10, 11, 247, 248, 249, 255];
  let taken = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = new Uint8Array(random.integer(0, 99) === 0 ? 255 : 256);
    const length = random.integer(0, 250);
    const payload = random.bytes(Math.min(length, 248));
    bytes.set([1, random.integer(0, 11), 0, 1, 0, length, 0, 0]);
    bytes.set(payload.subarray(0, bytes.length - 8), 8);
    for (let change = random.integer(0, 2); change > 0; change--) {
      const edge = edges[random.integer(0, edges.length - 1)] ?? 0;
      bytes[random.integer(0, change === 1 ? 7 : 255)] = edge;
    }
    const received = receiveFrame(bytes);
    const table = outcome(() => frameLayout.decode(bytes));
    assertEquals(received.ok ? received.frame : received.reason, table);
    if (received.ok) taken++;
  }
  assert(taken > 2_000 && taken < 18_000, `${taken}`);
});

Deno.test("decodeTelecommand takes just what the table takes", () => {
  const random = new Random(6);
  for (let round = 0; round < 5_000; round++) {
    const payload = random.bytes(random.integer(0, round % 2 === 0 ? 6 : 260));
    assertEquals(
      outcome(() => decodeTelecommand(payload)),
      outcome(() => telecommandLayout.decode(payload)),
    );
  }
});

Deno.test("encodeWholeAnswer writes what the table writes, or throws and writes nothing", () => {
  const random = new Random(7);
  const numbers = [0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, -1, 0.5, NaN];
  const any = () => numbers[random.integer(0, numbers.length - 1)] ?? 0;
  for (let round = 0; round < 5_000; round++) {
    const command = random.integer(0, 9) === 0 ? any() : 1;
    const result = random.bytes(random.integer(0, 250));
    const answer = { command, sequence: any(), status: any(), result };
    const [mine, table] = [new Uint8Array(256), new Uint8Array(256)];
    assertEquals(
      outcome(() => encodeWholeAnswer(answer, mine, 8)),
      outcome(() =>
        answerLayout.encodeInto(
          { ...answer, command: command | 0x8000 },
          table,
          8,
        )
      ),
    );
    assertEquals(mine, table);
  }
});

Deno.test("setPayloadLength leaves nothing of a longer payload, whatever came before", () => {
  const random = new Random(8);
  const head = { type: FrameType.TM, apid: 1, destinationApid: 0 };
  const bytes = encodeFrame({ ...head, payload: new Uint8Array() });
  for (let round = 0; round < 2_000; round++) {
    const payload = random.bytes(random.integer(0, 248));
    bytes.set(payload, 8);
    setPayloadLength(bytes, payload.length);
    assertEquals(bytes, encodeFrame({ ...head, payload }));
  }
});

Deno.test("encodeLog loses no byte of a long line and splits between characters", () => {
  const random = new Random(2);
  const samples = [
    "",
    "x",
    "x".repeat(243),
    "x".repeat(244),
    "é".repeat(500),
    "漢".repeat(300),
    "😀".repeat(300),
    "a😀".repeat(200),
  ].map((text) => new TextEncoder().encode(text));
  samples.push(random.bytes(5000), new Uint8Array(1000).fill(0x80));
  for (const text of samples) {
    const payloads = encodeLog({ stream: LogStream.STDERR, name: "gps", text });
    const parts = payloads.map(decodeLog);
    assert(payloads.every((payload) => payload.length <= 248));
    assertEquals(parts.flatMap((part) => [...part.text]), [...text]);
    assert(parts.every((part) => part.name === "gps" && part.stream === 2));
    // Every part but the last uses its room, up to one character's bytes.
    for (const payload of payloads.slice(0, -1)) {
      assert(payload.length > 244, `${payload.length}`);
    }
  }
  const [first] = encodeLog({
    stream: LogStream.STDOUT,
    name: "é",
    text: new TextEncoder().encode("x" + "😀".repeat(100)),
  });
  assert(first);
  new TextDecoder("utf-8", { fatal: true }).decode(decodeLog(first).text);
});

Deno.test("encodeLog carries a name of 128 bytes and refuses a longer one", () => {
  const text = new Uint8Array(1000).fill(65);
  const name = "n".repeat(128);
  const parts = encodeLog({ stream: 0, name, text }).map(decodeLog);
  assertEquals(parts.reduce((sum, part) => sum + part.text.length, 0), 1000);
  assertThrows(
    () => encodeLog({ stream: 0, name: name + "n", text }),
    WireError,
    "name",
  );
});

Deno.test("parameter responses carry values of every length whole, alone and among others", () => {
  const random = new Random(3);
  for (let length = 0; length <= 240; length++) {
    const answers = [length, 240, 0, 238, length].map((bytes, index) => ({
      parameterId: index,
      generation: random.integer(0, 65_535),
      status: ParameterStatus.OK,
      value: random.bytes(bytes),
    }));
    const payloads = encodeParameterResponses(answers);
    assert(payloads.every((payload) => payload.length <= 248));
    const responses = payloads.map(decodeParameterResponse);
    assertEquals(joinParameterResponses(responses), answers);
    assertEquals(
      responses.map(({ more }) => more),
      responses.map((_, index) => index < responses.length - 1 ? 1 : 0),
    );
  }
});

Deno.test("a parameter response of 239 bytes is one frame of 238 bytes and one of 1", () => {
  const payloads = encodeParameterResponses([{
    parameterId: 1,
    generation: 2,
    status: ParameterStatus.OK,
    value: new Uint8Array(239).fill(9),
  }]);
  assertEquals(payloads.map((payload) => payload.length), [248, 11]);
  assertEquals(
    payloads[0]?.slice(0, 10),
    fromHexDump("00000001 0002 00 01 00ee"),
  );
  assertEquals(payloads[1], fromHexDump("00000001 0002 00 00 0001 09"));
});

Deno.test("encodeParameterResponses refuses a value of 241 bytes, and has nothing to say of nothing", () => {
  const answer = {
    parameterId: 1,
    generation: 2,
    status: ParameterStatus.OK,
    value: new Uint8Array(241),
  };
  assertThrows(() => encodeParameterResponses([answer]), WireError, "0..240");
  assertEquals(encodeParameterResponses([]), []);
});

Deno.test("joinParameterResponses keeps what it has when the second part never comes", () => {
  const response = {
    parameterId: 1,
    generation: 2,
    status: ParameterStatus.OK,
    more: 1,
    value: new Uint8Array(238),
  };
  const { more: _, ...answer } = response;
  assertEquals(joinParameterResponses([response]), [answer]);
  assertEquals(
    joinParameterResponses([response, {
      ...response,
      parameterId: 3,
      more: 0,
    }]),
    [answer, { ...answer, parameterId: 3 }],
  );
});

Deno.test("decodeParameterGet takes four bytes or none", () => {
  assertEquals(decodeParameterGet(new Uint8Array()), null);
  for (const length of [1, 3, 5]) {
    assertThrows(() => decodeParameterGet(new Uint8Array(length)), WireError);
  }
});

Deno.test("encodeAnswer splits the result of a paged command and joinAnswerPages puts it together", () => {
  const random = new Random(4);
  const lengths = [0, 1, PAGE_MAX_BYTES, PAGE_MAX_BYTES + 1, 10_000];
  for (const command of PAGED_COMMANDS) {
    for (const length of lengths) {
      const result = random.bytes(length);
      const head = { command, sequence: 7, status: CommandStatus.OK };
      const pages = encodeAnswer({ ...head, result }).map(decodeAnswer);
      assertEquals(pages.length, Math.max(1, Math.ceil(length / 238)));
      for (const [index, page] of pages.entries()) {
        assertEquals(page.index, index);
        assertEquals(page.count, pages.length);
        assertEquals(page.command, command);
      }
      assertEquals(joinAnswerPages(pages), result);
      assertEquals(joinAnswerPages([...pages.toReversed(), ...pages]), result);
      if (pages.length > 1) {
        assertEquals(joinAnswerPages(pages.slice(1)), undefined);
      }
    }
  }
});

Deno.test("encodeAnswer gives one frame without page numbers for the other commands", () => {
  for (const command of Object.values(CommandCode)) {
    if (PAGED_COMMANDS.has(command)) continue;
    const answer = {
      command,
      sequence: 9,
      status: CommandStatus.ENOENT,
      result: new Uint8Array([1, 2]),
    };
    const payloads = encodeAnswer(answer);
    assertEquals(payloads.map(decodeAnswer), [answer]);
    assertEquals(payloads[0]?.[0], 0x80);
  }
});

Deno.test("encodeAnswer refuses a result that is too long for its command", () => {
  const head = { sequence: 1, status: 0 };
  const tooLong = new Uint8Array(243);
  assertThrows(
    () => encodeAnswer({ ...head, command: CommandCode.PING, result: tooLong }),
    WireError,
    "result is 243 bytes",
  );
  const huge = new Uint8Array(PAGED_RESULT_MAX_BYTES + 1);
  assertThrows(
    () => encodeAnswer({ ...head, command: CommandCode.DP_READ, result: huge }),
    WireError,
    "result is",
  );
});

Deno.test("decodeAnswer refuses a page beyond the count", () => {
  assertThrows(
    () => decodeAnswer(fromHexDump("8008 0001 0000 0003 0003")),
    WireError,
    "index is 3, expected less than count, which is 3",
  );
});

Deno.test("commandStatusName knows every status of the table and no number twice", () => {
  const numbers = Object.values(CommandStatus);
  assertEquals(new Set(numbers).size, numbers.length);
  for (const [name, status] of Object.entries(CommandStatus)) {
    assertEquals(commandStatusName(status), name);
  }
});

Deno.test("compareGenerations orders as RFC 1982 does, for all distances", () => {
  for (const base of [0, 1, 0x7FFF, 0x8000, 0xFFFF, 12_345]) {
    for (let step = 1; step < 0x10000; step++) {
      const later = (base + step) & 0xFFFF;
      const order = compareGenerations(later, base);
      if (step < 0x8000) assert(order > 0, `${base} + ${step}`);
      else if (step > 0x8000) assert(order < 0, `${base} + ${step}`);
      assertEquals(
        Math.sign(compareGenerations(base, later)),
        -Math.sign(order),
      );
    }
    assertEquals(compareGenerations(base, base), 0);
  }
});
