import { assert, assertEquals } from "@std/assert";
import {
  HOST_COMMANDS,
  hostCommand,
  readAction,
} from "../../../lib/host/commands.ts";
import { encodeDataProductRequest } from "../../../lib/wire/data_product_read.ts";
import { encodeEventsRequest } from "../../../lib/wire/event_list.ts";
import { encodeListRequest } from "../../../lib/wire/result_list.ts";
import { CommandCode, CommandStatus } from "../../../lib/wire/telecommand.ts";
import { encodeTimeSet } from "../../../lib/wire/time_set.ts";

const invalid = { kind: "refused", status: CommandStatus.EINVAL } as const;

Deno.test("HOST_COMMANDS has each command of the wire once, by its number and name", () => {
  assertEquals(
    HOST_COMMANDS.map(({ name, code }) => `${code} ${name}`),
    Object.entries(CommandCode).map(([name, code]) => `${code} ${name}`),
  );
  for (const { name, refusals } of HOST_COMMANDS) {
    assertEquals(new Set(refusals).size, refusals.length, name);
  }
  assertEquals(
    HOST_COMMANDS.filter(({ isUrgent }) => isUrgent).map(({ name }) => name),
    ["POWEROFF", "REBOOT", "HALT"],
  );
});

Deno.test("readAction reads the arguments of what is asked of the volume and the clock", () => {
  assertEquals(readAction(CommandCode.DP_LIST, encodeListRequest(7)), {
    kind: "list-products",
    first: 7,
  });
  const events = { from: 9n, count: 96 };
  assertEquals(
    readAction(CommandCode.EVENTS_READ, encodeEventsRequest(events)),
    { kind: "read-events", wanted: events },
  );
  const piece = { offset: 1, length: 2, name: "größe" };
  assertEquals(
    readAction(CommandCode.DP_READ, encodeDataProductRequest(piece)),
    { kind: "read-product", wanted: piece },
  );
  const time = { seconds: 0xFFFF_FFFFn, nanoseconds: 5 };
  assertEquals(readAction(CommandCode.TIME_SET, encodeTimeSet(time)), {
    kind: "set-time",
    time,
  });
  const late = { seconds: 0x1_0000_0000n, nanoseconds: 0 };
  assertEquals(readAction(CommandCode.TIME_SET, encodeTimeSet(late)), invalid);
});

Deno.test("readAction takes any arguments of any command, and never throws", () => {
  for (let round = 0; round < 5_000; round++) {
    const code = round % 24;
    const bytes = crypto.getRandomValues(new Uint8Array(round % 245));
    const action = readAction(code, bytes);
    if (hostCommand(code) === undefined) {
      assertEquals(action, { kind: "refused", status: CommandStatus.ENOSYS });
    } else if (action.kind === "refused") {
      assert([CommandStatus.EINVAL, CommandStatus.EMSGSIZE].includes(
        action.status as 22,
      ));
    }
  }
  const name = new TextEncoder().encode("x".repeat(65));
  assertEquals(readAction(CommandCode.SERVICE_STOP, name), invalid);
});
