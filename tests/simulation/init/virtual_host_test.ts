/**
 * The host's books, kept against an init that is the test: which answers it
 * insists on, and which it does without.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { errorFrame, frameToHost } from "../../../lib/host/requests.ts";
import { FrameErrorCode } from "../../../lib/wire/error_frame.ts";
import { FrameType } from "../../../lib/wire/frame.ts";
import {
  encodeParameterGet,
  encodeParameterResponses,
  ParameterStatus,
} from "../../../lib/wire/parameter_message.ts";
import { Agenda } from "../agenda.ts";
import { Random } from "../random.ts";
import { Violation } from "../supervisor/invariants.ts";
import { VirtualHost } from "./virtual_host.ts";

class Bench {
  readonly agenda = new Agenda();
  readonly host = new VirtualHost(this.agenda, new Random(1), {
    onEvent: () => {},
    onHealth: () => {},
  });

  constructor() {
    this.host.listen(() => {});
    this.host.open();
    this.pass(10);
  }

  /** Lets time pass, with an init that reads all there is. */
  pass(ms: number): void {
    const { agenda, host } = this;
    const untilMs = agenda.nowMs + ms;
    const buffer = new Uint8Array(4096);
    do {
      while ((host.read(buffer) ?? 0) > 0);
      if (agenda.nextMs <= untilMs) agenda.runNext();
    } while (agenda.nextMs <= untilMs);
    agenda.pass(untilMs);
  }

  ask(times = 1): void {
    for (let time = 0; time < times; time++) {
      this.host.hostFrame(FrameType.PRM_GET, encodeParameterGet(7));
    }
    this.pass(10);
  }

  /** Bytes that are no frame. */
  sendGarbage(times: number): void {
    for (let time = 0; time < times; time++) {
      this.host.bytes(new Uint8Array(256).fill(9));
    }
    this.pass(10);
  }

  write(frame: Uint8Array): void {
    for (let sent = 0; sent < frame.length;) {
      sent += this.host.write(frame.subarray(sent)) ?? 0;
      this.pass(10);
    }
  }

  answer(): void {
    const answer = {
      parameterId: 7,
      generation: 0,
      status: ParameterStatus.OK,
      value: new Uint8Array(),
    };
    for (const payload of encodeParameterResponses([answer])) {
      this.write(frameToHost(FrameType.PRM_RSP, payload));
    }
  }

  refuse(code: FrameErrorCode = FrameErrorCode.HOST_BUSY): void {
    const fault = code === FrameErrorCode.UNKNOWN_VERSION
      ? { offendingType: 9, offendingApid: 0x0909 }
      : { offendingType: FrameType.PRM_GET, offendingApid: 0 };
    this.write(errorFrame({ code, ...fault, offendingPayloadLength: 4 }));
  }
}

Deno.test("VirtualHost insists on an answer or a refusal for each question", () => {
  const bench = new Bench();
  bench.ask(3);
  assertEquals(bench.host.isAnswered, false);
  bench.answer();
  bench.answer();
  assertEquals(bench.host.isAnswered, false);
  bench.refuse();
  assertEquals(bench.host.isAnswered, true);
  bench.refuse();
  assertEquals(bench.host.isAnswered, false, "nobody was refused twice");
  assertEquals(bench.host.outstanding, "PRM; busy: 2 PRM");
});

Deno.test("VirtualHost takes no answer that nobody asked for", () => {
  const bench = new Bench();
  assertThrows(() => bench.answer(), Violation, "nobody asked");
});

Deno.test("VirtualHost takes as many refusals of what an earlier host asked as that asked", () => {
  const bench = new Bench();
  bench.ask(2);
  bench.host.hangUp(0);
  bench.pass(10);
  bench.host.open();
  bench.pass(10);
  bench.refuse();
  bench.refuse();
  assertEquals(bench.host.isAnswered, true);
  bench.ask();
  assertEquals(bench.host.isAnswered, true, "one of those may be for this");
  bench.answer();
  bench.refuse();
  assertEquals(bench.host.isAnswered, false);
});

Deno.test("VirtualHost takes nothing of what an earlier host asked when it comes much later", () => {
  for (const [awayMs, isHeir] of [[100, true], [2_000, false]] as const) {
    const bench = new Bench();
    bench.ask();
    bench.host.hangUp(0);
    bench.pass(awayMs);
    bench.host.open();
    bench.pass(10);
    if (isHeir) bench.answer();
    else assertThrows(() => bench.answer(), Violation, "nobody asked");
  }
});

Deno.test("VirtualHost misses ERROR frames only of what it was owed while it did not read", () => {
  const bench = new Bench();
  bench.sendGarbage(20);
  bench.host.pause(bench.agenda.nowMs + 1_000);
  assertEquals(bench.host.isAnswered, false, "few of them find room");
  for (let time = 0; time < 20; time++) {
    bench.refuse(FrameErrorCode.UNKNOWN_VERSION);
  }
  bench.pass(1_000);
  assertEquals(bench.host.isAnswered, true);
  bench.sendGarbage(60);
  assertEquals(bench.host.isAnswered, false);
  bench.host.pause(bench.agenda.nowMs + 1_000);
  assertEquals(bench.host.isAnswered, true);
  bench.pass(1_000);
  // Whoever reads again has an answer for what it asks then.
  bench.sendGarbage(1);
  assertEquals(bench.host.isAnswered, false);
  bench.refuse(FrameErrorCode.UNKNOWN_VERSION);
  assertEquals(bench.host.isAnswered, true);
});
