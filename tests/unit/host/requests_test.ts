import { assertEquals, assertThrows } from "@std/assert";
import { readRequest, writeAnswer } from "../../../lib/host/requests.ts";
import { WireError } from "../../../lib/wire/error.ts";
import {
  CommandCode,
  CommandStatus,
  encodeTelecommand,
} from "../../../lib/wire/telecommand.ts";

const text = (value: string) => new TextEncoder().encode(value);

function action(command: number, bytes: Uint8Array = new Uint8Array()) {
  const telecommand = { command, sequence: 9, arguments: bytes };
  return readRequest(encodeTelecommand(telecommand)).action;
}

const invalid = { kind: "refused", status: CommandStatus.EINVAL } as const;

Deno.test("readRequest reads each command's arguments", () => {
  assertEquals(action(CommandCode.PING, text("x")), {
    kind: "ping",
    payload: text("x"),
  });
  assertEquals(action(CommandCode.REBOOT), { kind: "power", action: "reboot" });
  assertEquals(action(CommandCode.HALT), { kind: "power", action: "halt" });
  assertEquals(action(CommandCode.SERVICE_STOP, text("web")), {
    kind: "service",
    command: "stop",
    service: "web",
  });
  assertEquals(action(CommandCode.LEAVE_SAFE_MODE), {
    kind: "safe-mode",
    isOn: false,
  });
});

Deno.test("readRequest reads whose log is to be followed", () => {
  const follow = { kind: "follow-log", isOn: true } as const;
  assertEquals(action(CommandCode.LOG_FOLLOW, Uint8Array.of(1)), {
    ...follow,
    name: null,
  });
  assertEquals(action(CommandCode.LOG_FOLLOW, text("\u0001web")), {
    ...follow,
    name: "web",
  });
  assertEquals(action(CommandCode.LOG_FOLLOW, Uint8Array.of(0)), {
    ...follow,
    isOn: false,
    name: null,
  });
  assertEquals(action(CommandCode.LOG_FOLLOW), invalid);
  assertEquals(action(CommandCode.LOG_FOLLOW, Uint8Array.of(2)), invalid);
  assertEquals(action(CommandCode.LOG_FOLLOW, Uint8Array.of(1, 0xff)), invalid);
});

Deno.test("readRequest refuses arguments that a command does not take", () => {
  assertEquals(action(CommandCode.POWEROFF, text("now")), invalid);
  assertEquals(action(CommandCode.SERVICE_START), invalid);
  assertEquals(action(CommandCode.SERVICE_START, Uint8Array.of(0xff)), invalid);
});

Deno.test("readRequest refuses commands that are not there, by name", () => {
  const unknown = { kind: "refused", status: CommandStatus.ENOSYS } as const;
  assertEquals(action(0), unknown);
  assertEquals(action(0x7fff), unknown);
});

Deno.test("readRequest throws nothing but WireError, whatever the payload", () => {
  for (const length of [0, 1, 2, 3]) {
    assertThrows(() => readRequest(new Uint8Array(length)), WireError);
  }
  for (let round = 0; round < 2000; round++) {
    const bytes = crypto.getRandomValues(new Uint8Array(round % 249));
    try {
      readRequest(bytes);
    } catch (error) {
      assertEquals(error instanceof WireError, true, String(error));
    }
  }
});

Deno.test("writeAnswer repeats command and sequence in one frame", () => {
  const request = readRequest(Uint8Array.of(0, 2, 0xab, 0xcd));
  const frames: Uint8Array[] = [];
  writeAnswer(
    request,
    CommandStatus.EBUSY,
    new Uint8Array(),
    (frame) => frames.push(frame.slice()),
  );
  assertEquals(frames.length, 1);
  assertEquals([...frames[0]?.subarray(0, 14) ?? []], [
    1,
    1,
    0,
    1,
    0,
    6,
    0,
    0,
    0x80,
    2,
    0xab,
    0xcd,
    0,
    16,
  ]);
});
