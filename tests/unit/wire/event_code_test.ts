import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type EventCodeName,
  eventCodeName,
  eventCodes,
} from "../../../lib/wire/event_code.ts";

Deno.test("eventCodes gives every name a number of its own that fits a record", () => {
  const codes = Object.values(eventCodes).map((event) => event.code);
  assertEquals(new Set(codes).size, codes.length);
  for (const [name, event] of Object.entries(eventCodes)) {
    assert(event.code >= 1 && event.code <= 0xFFFF, name);
    assertMatch(event.description, /^[A-Z].*\.$/);
  }
});

Deno.test("eventCodeName finds every name of the table by its number", () => {
  for (const name of Object.keys(eventCodes) as EventCodeName[]) {
    assertEquals(eventCodeName(eventCodes[name].code), name);
  }
  assertEquals(eventCodeName(0), "0x0000");
});
