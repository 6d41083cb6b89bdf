import { assertEquals } from "@std/assert";
import { LANE_CAPACITY_FRAMES } from "../../../lib/host/frame_queue.ts";
import { HostLink, LATE_NEWS_MS } from "../../../lib/host/link.ts";
import type { HostRequest } from "../../../lib/host/requests.ts";
import { HostSession } from "../../../lib/init/host_session.ts";
import { Log } from "../../../lib/init/log.ts";
import {
  decodeFrameFault,
  FrameErrorCode,
} from "../../../lib/wire/error_frame.ts";
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameType,
} from "../../../lib/wire/frame.ts";
import { decodeLog } from "../../../lib/wire/log.ts";
import {
  decodeParameterResponse,
  encodeParameterGet,
  encodeParameterSet,
  type ParameterAnswer,
  type ParameterSet,
} from "../../../lib/wire/parameter_message.ts";
import {
  CommandCode,
  decodeAnswer,
  encodeTelecommand,
} from "../../../lib/wire/telecommand.ts";
import { FakePort } from "../host/fake_port.ts";

/** A session whose host, core and parameters are the test. */
class Bench {
  readonly port = new FakePort();
  readonly log = new Log({ nowMs: () => 0, ringBytes: 64 * 1024 });
  readonly requests: HostRequest[] = [];
  readonly peers: Frame[] = [];
  readonly connections: boolean[] = [];
  /** Answers of PRM_SET that are not given yet. */
  readonly sets: ((answers: ParameterAnswer[]) => void)[] = [];
  staged = 1;
  nowMs = 1_000;
  readonly session: HostSession;

  constructor() {
    const answer = { generation: 1, status: 0, value: new Uint8Array(240) };
    this.session = new HostSession({
      openLink: (events) => ({
        link: new HostLink(this.port, events),
        path: "/dev/test",
      }),
      log: this.log,
      onRequest: (request) => void this.requests.push(request),
      parameters: {
        get: (id) =>
          (id === null ? [1, 2] : [id]).map((parameterId) => ({
            ...answer,
            status: 0,
            parameterId,
          })),
        set: (_set: ParameterSet) =>
          new Promise((resolve) => void this.sets.push(resolve)),
        dropStaged: () => void (this.staged = 0),
      },
      onPeerFrame: (frame) => void this.peers.push(frame),
      nowMs: () => this.nowMs,
      onConnected: (isConnected) => void this.connections.push(isConnected),
    });
    this.session.open();
  }

  send(type: Frame["type"], payload: Uint8Array, apid = 0): void {
    this.sendBytes(encodeFrame({ type, apid, destinationApid: 0, payload }));
  }

  sendBytes(bytes: Uint8Array): void {
    this.port.pieces.push(bytes);
    this.port.poll();
  }

  command(command: number, sequence = 1): void {
    const telecommand = { command, sequence, arguments: new Uint8Array() };
    this.send(FrameType.TC, encodeTelecommand(telecommand));
  }

  /** The frames that the host has got since the last time. */
  frames(): Frame[] {
    const bytes = this.port.written.splice(0);
    return bytes.flatMap((piece) =>
      Array.from(
        { length: piece.length / 256 },
        (_, index) =>
          decodeFrame(piece.subarray(index * 256, index * 256 + 256)),
      )
    );
  }

  faults(): number[] {
    return this.frames().map((frame) => {
      assertEquals(frame.type, FrameType.ERROR);
      return decodeFrameFault(frame.payload).code;
    });
  }
}

const raw = (change: (view: DataView) => void): Uint8Array => {
  const bytes = encodeFrame({
    type: FrameType.TC,
    apid: 0,
    destinationApid: 0,
    payload: encodeTelecommand({
      command: 1,
      sequence: 1,
      arguments: new Uint8Array(),
    }),
  });
  change(new DataView(bytes.buffer));
  return bytes;
};

Deno.test("HostSession answers each frame that it can't take with its ERROR, and an ERROR with nothing", () => {
  const bench = new Bench();
  const {
    UNKNOWN_TYPE,
    UNKNOWN_VERSION,
    MESSAGE_TOO_LARGE,
    APID_NOT_ALLOCATED,
    MALFORMED,
  } = FrameErrorCode;
  for (
    const [change, code] of [
      [(view: DataView) => view.setUint8(0, 2), UNKNOWN_VERSION],
      [(view: DataView) => view.setUint8(1, 0), UNKNOWN_TYPE],
      [(view: DataView) => view.setUint8(1, 11), UNKNOWN_TYPE],
      [(view: DataView) => view.setUint8(1, 0xFF), UNKNOWN_TYPE],
      // A type that there is, but not from the host.
      [(view: DataView) => view.setUint8(1, FrameType.HEALTH), UNKNOWN_TYPE],
      [(view: DataView) => view.setUint16(2, 0x800), APID_NOT_ALLOCATED],
      [(view: DataView) => view.setUint16(2, 0xFFFF), APID_NOT_ALLOCATED],
      // Nobody else is this init.
      [(view: DataView) => view.setUint16(2, 1), APID_NOT_ALLOCATED],
      [(view: DataView) => view.setUint16(4, 249), MESSAGE_TOO_LARGE],
      [(view: DataView) => view.setUint16(4, 0xFFFF), MESSAGE_TOO_LARGE],
      [(view: DataView) => view.setUint16(6, 0x800), MALFORMED],
      [(view: DataView) => view.setUint8(255, 1), MALFORMED],
      // A telecommand without a sequence, and one that is an answer.
      [(view: DataView) => view.setUint32(4, 2 << 16), MALFORMED],
      [(view: DataView) => view.setUint8(8, 0x80), MALFORMED],
    ] as const
  ) {
    bench.sendBytes(raw(change));
    assertEquals(bench.faults(), [code], String(change));
  }
  bench.send(FrameType.PRM_GET, new Uint8Array(3));
  bench.send(FrameType.PRM_SET, new Uint8Array(7));
  assertEquals(bench.faults(), [MALFORMED, MALFORMED]);
  bench.send(FrameType.ERROR, new Uint8Array(8));
  bench.sendBytes(raw((view) => {
    view.setUint8(0, 9);
    view.setUint8(1, FrameType.ERROR);
  }));
  assertEquals(bench.frames(), []);
  assertEquals(bench.requests, []);
});

Deno.test("HostSession hands frames of peers on, whatever they are, and lets none command", () => {
  const bench = new Bench();
  for (const type of Object.values(FrameType)) {
    bench.send(type, new Uint8Array([0, 2, 0, 1]), 0x21);
  }
  assertEquals(bench.requests, []);
  assertEquals(bench.sets.length, 0);
  // All but the ERROR frame.
  assertEquals(bench.peers.length, Object.values(FrameType).length - 1);
  assertEquals(bench.frames(), []);
});

Deno.test("HostSession addresses an ERROR to whoever sent the frame", () => {
  const bench = new Bench();
  bench.sendBytes(raw((view) => {
    view.setUint16(2, 0x21);
    view.setUint8(0, 7);
  }));
  assertEquals(bench.frames().map((frame) => frame.destinationApid), [0x21]);
});

Deno.test("HostSession answers each request once, in the order of the answers", () => {
  const bench = new Bench();
  bench.command(CommandCode.PING, 1);
  bench.command(CommandCode.SERVICE_LIST, 2);
  const [ping, list] = bench.requests;
  if (ping === undefined || list === undefined) throw new Error("no request");
  bench.session.answer(list, 0, new Uint8Array(500));
  bench.session.answer(ping, 0);
  bench.session.answer(ping, 0);
  const answers = bench.frames().map(({ payload }) => decodeAnswer(payload));
  assertEquals(answers.map(({ sequence, index }) => [sequence, index]), [
    [2, 0],
    [2, 1],
    [2, 2],
    [1, undefined],
  ]);
});

Deno.test("HostSession refuses with HOST_BUSY what it could not answer, but neither what is answered at once nor a power-off", () => {
  const bench = new Bench();
  const busy = FrameErrorCode.HOST_BUSY;
  // Four long answers are owed by the disk: there is no room for a fifth.
  for (let sequence = 0; sequence < 4; sequence++) {
    bench.command(CommandCode.DP_READ, sequence);
  }
  assertEquals(bench.frames(), []);
  bench.command(CommandCode.DP_READ, 8);
  assertEquals(bench.faults(), [busy]);
  // An answer in pages that needs no disk is given.
  bench.command(CommandCode.SERVICE_LIST, 9);
  const list = bench.requests.pop();
  if (list !== undefined) bench.session.answer(list, 0);
  assertEquals(bench.frames().length, 1);
  const set = encodeParameterSet({ parameterId: 1, value: new Uint8Array() });
  for (let index = 0; index < 5; index++) bench.send(FrameType.PRM_SET, set);
  assertEquals(bench.sets.length, 4);
  assertEquals(bench.faults(), [busy]);
  const left = LANE_CAPACITY_FRAMES.answer - 4 * 126 - 4 * 2;
  for (let index = 0; index < left; index++) bench.command(CommandCode.PING);
  assertEquals(bench.requests.length, 4 + left);
  bench.command(CommandCode.PING);
  assertEquals(bench.faults(), [busy]);
  bench.command(CommandCode.POWEROFF);
  assertEquals(bench.requests.length, 4 + left + 1);
  // An answer makes room for another request.
  const [first] = bench.requests;
  if (first !== undefined) bench.session.answer(first, 5);
  assertEquals(bench.frames().length, 1);
  bench.command(CommandCode.PING);
  assertEquals(bench.requests.length, 4 + left + 2);
});

Deno.test("HostSession gives the next host nothing that the last one asked for", async () => {
  const bench = new Bench();
  bench.command(CommandCode.DP_LIST);
  bench.send(
    FrameType.PRM_SET,
    encodeParameterSet({ parameterId: 1, value: new Uint8Array() }),
  );
  bench.session.followLog({ isOn: true, name: null });
  bench.frames();
  bench.nowMs += LATE_NEWS_MS + 1;
  bench.port.poll(true);
  bench.port.poll();
  assertEquals(bench.connections, [true, false, true]);
  assertEquals(bench.staged, 0);
  const [request] = bench.requests;
  if (request !== undefined) bench.session.answer(request, 0);
  bench.sets[0]?.([{
    parameterId: 1,
    generation: 1,
    status: 0,
    value: new Uint8Array(),
  }]);
  await Promise.resolve();
  await Promise.resolve();
  bench.log.info("nobody asked for this line");
  assertEquals(bench.frames(), []);
  // And what the new one asks for has all the room there is.
  for (let index = 0; index < 4; index++) bench.command(CommandCode.DP_READ);
  assertEquals(bench.requests.length, 5);
});

Deno.test("HostSession answers what was asked just before the news of a hang-up: it may be the next host's", async () => {
  const bench = new Bench();
  bench.command(CommandCode.DP_LIST, 1);
  bench.nowMs += LATE_NEWS_MS - 1;
  bench.command(CommandCode.DP_LIST, 2);
  bench.send(
    FrameType.PRM_SET,
    encodeParameterSet({ parameterId: 7, value: new Uint8Array() }),
  );
  bench.frames();
  bench.nowMs += 1;
  bench.port.poll(true);
  bench.port.poll();
  assertEquals(bench.connections, [true, false, true]);
  for (const request of bench.requests) bench.session.answer(request, 0);
  const value = new Uint8Array();
  bench.sets[0]?.([{ parameterId: 7, generation: 1, status: 0, value }]);
  await Promise.resolve();
  await Promise.resolve();
  const [late, set, ...others] = bench.frames();
  assertEquals(others, []);
  assertEquals(late?.type, FrameType.TM);
  assertEquals(late && decodeAnswer(late.payload).sequence, 2);
  assertEquals(set?.type, FrameType.PRM_RSP);
});

Deno.test("HostSession sends the parameters of one answer one behind the other", () => {
  const bench = new Bench();
  bench.send(FrameType.PRM_GET, encodeParameterGet(null));
  const responses = bench.frames().map((frame) => {
    assertEquals(frame.type, FrameType.PRM_RSP);
    return decodeParameterResponse(frame.payload);
  });
  assertEquals(
    responses.map(({ parameterId, more, value }) => [
      parameterId,
      more,
      value.length,
    ]),
    [[1, 1, 238], [1, 1, 2], [2, 1, 238], [2, 0, 2]],
  );
});

Deno.test("HostSession sends the log as fast as the host reads, and counts what it has missed", async () => {
  const bench = new Bench();
  const say = (first: number, last: number) => {
    for (let line = first; line <= last; line++) {
      const text = `line ${line}`;
      bench.log.line("web", "stdout", new TextEncoder().encode(text));
    }
  };
  const came = () =>
    bench.frames().flatMap((frame) => {
      if (frame.type !== FrameType.LOG) return [];
      return [new TextDecoder().decode(decodeLog(frame.payload).text)];
    });
  /** Those that come until nothing more does: some at a time, and others have their turn between. */
  const lines = async (last: string) => {
    const all = came();
    while (all.at(-1) !== last) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      all.push(...came());
    }
    return all;
  };
  say(1, 300);
  bench.session.followLog({ isOn: true, name: "web" });
  say(301, 350);
  const first = came();
  assertEquals(first.length < 100, true, "not all of them in one go");
  assertEquals(
    [...first, ...await lines("line 350")],
    Array.from({ length: 350 }, (_, index) => `line ${index + 1}`),
  );
  // The host stops reading: events still find room.
  bench.port.room = 0;
  say(351, 400);
  const event = encodeFrame({
    type: FrameType.EVR,
    apid: 1,
    destinationApid: 0,
    payload: new Uint8Array(76),
  });
  for (let index = 0; index < 100; index++) bench.session.send(event, "event");
  say(401, 2_000);
  assertEquals(bench.session.counters.framesDropped, 0);
  bench.port.room = Infinity;
  bench.port.poll();
  const rest = await lines("line 2000");
  const at = rest.findIndex((text) => text.includes("too fast"));
  const missed = Number(/^(\d+) lines/.exec(rest[at] ?? "")?.[1]);
  assertEquals(rest[at - 1], `line ${350 + at}`);
  assertEquals(rest[at + 1], `line ${350 + at + missed + 1}`);
  assertEquals(rest.at(-1), "line 2000");
  assertEquals(rest.length - 1 + missed, 1_650);
  bench.session.followLog({ isOn: false, name: null });
  say(1, 3);
  assertEquals(came(), []);
});

Deno.test("HostSession takes any bytes, and answers each of them that is no frame", () => {
  const bench = new Bench();
  let errors = 0;
  for (let round = 0; round < 500; round++) {
    bench.sendBytes(crypto.getRandomValues(new Uint8Array(4096)));
    errors += bench.frames().filter(({ type }) => type === FrameType.ERROR)
      .length;
  }
  // A random type of 10 is an ERROR, which is not answered.
  const { framesIn } = bench.session.counters;
  assertEquals(framesIn, 500 * 16);
  assertEquals(errors > framesIn * 0.98 && errors <= framesIn, true);
  bench.command(CommandCode.PING);
  assertEquals(bench.requests.length, 1);
});
