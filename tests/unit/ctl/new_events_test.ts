import { assertEquals } from "@std/assert";
import { NewEvents } from "../../../cmd/spaceosctl/new_events.ts";
import { EventSeverity } from "../../../lib/wire/event.ts";
import { eventCodes } from "../../../lib/wire/event_code.ts";

const event = (timestamp: number, eventCode = 2) => ({
  timestamp,
  severity: EventSeverity.INFO,
  eventCode,
  payload: new Uint8Array(),
});

/** Which of the events that come are new, beside a log. */
const judge = (
  log: ReturnType<typeof event>[],
  come: ReturnType<typeof event>[],
) => {
  const events = new NewEvents(log);
  return come.map((one) => events.isNew(one));
};

Deno.test("NewEvents passes over what the log has, once each, and what it has forgotten", () => {
  const log = [event(10), event(10), event(11), event(12)];
  assertEquals(
    judge(log, [
      event(8),
      event(9),
      event(10),
      event(10),
      event(12),
      event(12),
      event(13),
    ]),
    [false, false, false, false, false, true, true],
  );
});

Deno.test("NewEvents takes what comes behind the log's for new, whatever time it says", () => {
  const { code } = eventCodes.CLOCK_SET;
  // The clock is set back, before anything of the log has come, and behind it.
  assertEquals(judge([event(10)], [event(5, code), event(5)]), [true, true]);
  assertEquals(judge([event(10)], [event(10), event(5)]), [false, true]);
  assertEquals(judge([event(10)], [event(11), event(5)]), [true, true]);
  assertEquals(judge([], [event(1), event(0)]), [true, true]);
});
