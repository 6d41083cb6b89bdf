/**
 * A flood of hostile frames through the real link, session, parameter desk and
 * questions, with a disk that is slower than the flood: whoever asks in the
 * middle of it what needs no disk is answered.
 */
import { assertEquals, assertGreater } from "@std/assert";
import { HostLink } from "../../../lib/host/link.ts";
import type { HostRequest } from "../../../lib/host/requests.ts";
import { HostSession } from "../../../lib/init/host_session.ts";
import { Log } from "../../../lib/init/log.ts";
import { ParameterDesk } from "../../../lib/init/parameter_desk.ts";
import { Queries } from "../../../lib/init/queries.ts";
import { Timeline } from "../../../lib/init/timeline.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import {
  decodeFrameFault,
  FrameErrorCode,
} from "../../../lib/wire/error_frame.ts";
import {
  decodeFrame,
  encodeFrame,
  FrameType,
} from "../../../lib/wire/frame.ts";
import { encodeParameterSet } from "../../../lib/wire/parameter_message.ts";
import {
  CommandCode,
  CommandStatus,
  decodeAnswer,
  encodeTelecommand,
} from "../../../lib/wire/telecommand.ts";
import { hostileFrame } from "../../fixtures/hostile_frame.ts";
import { Random } from "../../simulation/random.ts";
import { FakePort } from "../host/fake_port.ts";
import { makeDisk } from "../storage/support.ts";

const FRAMES = 20_000;
/** Frames of one read. */
const BURST_FRAMES = 16;
/** After so many somebody asks. */
const ASK_FRAMES = 496;
/** Reads of the port that go by while the disk does one thing. */
const DISK_TURNS = 40;

const ofHost = (type: FrameType, payload: Uint8Array): Uint8Array =>
  encodeFrame({ type, apid: 0, destinationApid: 0, payload });

/** A disk whose every operation takes many turns of the loop. */
async function slowVolume() {
  const disk = await makeDisk({ blockCount: 256 });
  const volume = await openVolume(disk);
  await volume.dataProducts.write({
    name: "image",
    dataProductClass: 1,
    priority: 0,
    data: new Uint8Array(5_000),
  });
  const waiting: (() => void)[] = [];
  const turn = () => new Promise<void>((resolve) => void waiting.push(resolve));
  const { read, write, flush } = disk;
  disk.read = async (block, count) => {
    await turn();
    return await read.call(disk, block, count);
  };
  disk.write = async (block, bytes) => {
    await turn();
    return await write.call(disk, block, bytes);
  };
  disk.flush = async () => {
    await turn();
    return await flush.call(disk);
  };
  return { volume, goOn: () => waiting.shift()?.() };
}

Deno.test("HostSession answers what needs no disk in the middle of a flood, however slow the disk is", async () => {
  const { volume, goOn } = await slowVolume();
  const port = new FakePort();
  const log = new Log({ nowMs: () => 0, ringBytes: 64 * 1024 });
  const queries = new Queries({
    volume,
    timeline: new Timeline(),
    answer: (request, status, result) =>
      session.answer(request, status, result),
  });
  const take = (request: HostRequest): void => {
    const { action } = request;
    switch (action.kind) {
      case "ping":
        return session.answer(request, CommandStatus.OK, action.payload);
      case "read-events":
      case "read-timeline":
      case "list-products":
      case "read-product":
        return void queries.ask(request, action);
      case "service-status":
        return session.answer(
          request,
          CommandStatus.OK,
          new TextEncoder().encode(action.service),
        );
      default:
        return session.answer(request, CommandStatus.ENOSYS);
    }
  };
  const session: HostSession = new HostSession({
    openLink: (events) => ({
      link: new HostLink(port, events),
      path: "/dev/test",
    }),
    log,
    onRequest: take,
    parameters: new ParameterDesk({
      store: volume.parameters,
      config: {
        healthIntervalMs: 10_000,
        fdirIntervalMs: 10_000,
        watchdogTimeoutSeconds: 30,
        logLevel: "info",
      },
      apply: () => null,
      onRefused: () => {},
      onChange: () => {},
    }),
    onPeerFrame: () => {},
    nowMs: () => performance.now(),
    onConnected: () => {},
  });
  session.open();
  const random = new Random(0x5EED);
  const errors = new Map<number, number>();
  let answered = 0;
  let asked = 0;
  const look = (): void => {
    for (const bytes of port.written.splice(0)) {
      for (let at = 0; at < bytes.length; at += 256) {
        const { type, payload } = decodeFrame(bytes.subarray(at, at + 256));
        if (type === FrameType.ERROR) {
          const { code } = decodeFrameFault(payload);
          errors.set(code, (errors.get(code) ?? 0) + 1);
        }
        if (type !== FrameType.TM) continue;
        const { command, result } = decodeAnswer(payload);
        const isEcho = command === CommandCode.PING ||
          command === CommandCode.SERVICE_STATUS;
        if (!isEcho) continue;
        if (new TextDecoder().decode(result) === `ask-${asked}`) answered++;
      }
    }
  };
  for (let sent = 0, turns = 0; sent < FRAMES; sent += BURST_FRAMES, turns++) {
    const burst = new Uint8Array(BURST_FRAMES * 256);
    for (let at = 0; at < burst.length; at += 256) {
      burst.set(hostileFrame(random), at);
    }
    // The disk is asked for more than it can do.
    burst.set(
      ofHost(
        FrameType.PRM_SET,
        encodeParameterSet({ parameterId: 1, value: random.bytes(8) }),
      ),
    );
    port.pieces.push(burst);
    if (sent % ASK_FRAMES === 0) {
      asked++;
      // One frame, and what may take many.
      const command = asked % 2 === 0
        ? CommandCode.PING
        : CommandCode.SERVICE_STATUS;
      port.pieces.push(ofHost(
        FrameType.TC,
        encodeTelecommand({
          command,
          sequence: asked,
          arguments: new TextEncoder().encode(`ask-${asked}`),
        }),
      ));
    }
    while (port.pieces.length > 0) port.poll();
    if (turns % DISK_TURNS === 0) goOn();
    await new Promise((resolve) => setTimeout(resolve, 0));
    look();
    assertEquals(answered, asked, `errors by code: ${[...errors]}`);
  }
  assertEquals(session.counters.framesIn, FRAMES + asked);
  // There was a flood of what needs the disk, and it was told so.
  assertGreater(errors.get(FrameErrorCode.HOST_BUSY) ?? 0, 0);
});
