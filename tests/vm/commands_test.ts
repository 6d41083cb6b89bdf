/**
 * Every command of the host, in one boot: what it answers, and what it brings
 * about.
 */
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { MemoryBlockDevice } from "../../lib/storage/memory_device.ts";
import { openVolume } from "../../lib/storage/volume.ts";
import { decodeBootTimeline } from "../../lib/wire/boot_timeline.ts";
import { crc32c } from "../../lib/wire/crc32c.ts";
import { decodeDataProductList } from "../../lib/wire/data_product_list.ts";
import {
  decodeDataProductPiece,
  encodeDataProductRequest,
} from "../../lib/wire/data_product_read.ts";
import { decodeEventRecord } from "../../lib/wire/event.ts";
import { eventCodes } from "../../lib/wire/event_code.ts";
import {
  decodeEventList,
  encodeEventsRequest,
} from "../../lib/wire/event_list.ts";
import {
  decodeFrameFault,
  FrameErrorCode,
} from "../../lib/wire/error_frame.ts";
import { encodeFrame, FrameType } from "../../lib/wire/frame.ts";
import { decodeHealth } from "../../lib/wire/health.ts";
import { decodeLog } from "../../lib/wire/log.ts";
import { ParameterStatus } from "../../lib/wire/parameter_message.ts";
import {
  encodeParameterSets,
  StagingId,
} from "../../lib/wire/parameter_staging.ts";
import { encodeListRequest } from "../../lib/wire/result_list.ts";
import {
  decodeServiceList,
  ServiceFlag,
  ServiceStateCode,
} from "../../lib/wire/service_list.ts";
import { decodeServiceStatus } from "../../lib/wire/service_status.ts";
import {
  CommandCode,
  CommandStatus,
  encodeTelecommand,
} from "../../lib/wire/telecommand.ts";
import { encodeTimeSet } from "../../lib/wire/time_set.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { frameOf, Host } from "./host.ts";
import { Machine } from "./machine.ts";

const HEALTH_INTERVAL = 0xFFFF_0010;
const LOG_LEVEL = 0xFFFF_0013;

const u32 = (value: number) =>
  Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

const encoder = new TextEncoder();
const SERVICE = encoder.encode("demo");

/** A product that takes several answers to read. */
const PRODUCT = {
  name: "image-1",
  dataProductClass: 3,
  priority: 1,
  data: Uint8Array.from({ length: 70_001 }, (_, index) => index * 31 & 0xFF),
};

async function diskWithProduct(): Promise<Uint8Array> {
  const bytes = Uint8Array.from(makeDisk("good"));
  const volume = await openVolume(new MemoryBlockDevice({ bytes }));
  await volume.dataProducts.write(PRODUCT);
  await volume.close();
  return bytes;
}

/** Reads a product in pieces, as long as each answer says there is more. */
async function readProduct(host: Host, name: string): Promise<Uint8Array> {
  let data = new Uint8Array();
  for (let offset = 0;;) {
    const request = { offset, length: 29_980, name };
    const piece = decodeDataProductPiece(
      await host.done(
        CommandCode.DP_READ,
        encodeDataProductRequest(request),
      ),
    );
    assertEquals(piece.offset, offset);
    data = Uint8Array.from([...data, ...piece.data]);
    offset += piece.data.length;
    if (offset >= piece.dataLength) return data;
  }
}

/** Waits until the service is in a state. */
async function untilState(host: Host, state: number): Promise<void> {
  for (;;) {
    const { services } = decodeServiceList(
      await host.done(CommandCode.SERVICE_LIST),
    );
    if (services.find(({ name }) => name === "demo")?.state === state) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("every command of the host", async (t) => {
  await using machine = Machine.boot({ disk: await diskWithProduct() });
  await machine.waitForConsole(/READY.*\n/);
  const host = new Host(await machine.connectIpc());

  await t.step(
    "PING gives back what it was sent, as much as fits",
    async () => {
      for (const length of [0, 1, 242]) {
        const bytes = new Uint8Array(length).fill(length);
        assertEquals(await host.done(CommandCode.PING, bytes), bytes);
      }
      const { status } = await host.command(
        CommandCode.PING,
        new Uint8Array(243),
      );
      assertEquals(status, CommandStatus.EMSGSIZE);
    },
  );

  await t.step(
    "SERVICE_LIST and SERVICE_STATUS tell of the services",
    async () => {
      const list = decodeServiceList(
        await host.done(CommandCode.SERVICE_LIST),
      );
      assertEquals([list.total, list.first], [1, 0]);
      const [demo] = list.services;
      assertEquals(demo?.name, "demo");
      assertEquals(demo?.state, ServiceStateCode.RUNNING);
      assertEquals(demo?.flags, ServiceFlag.WANTED);
      assertGreater(demo?.pid ?? 0, 1);
      const rest = await host.done(
        CommandCode.SERVICE_LIST,
        encodeListRequest(1),
      );
      assertEquals(decodeServiceList(rest).services, []);
      const status = decodeServiceStatus(
        await host.done(CommandCode.SERVICE_STATUS, SERVICE),
      );
      assertEquals(status.pid, demo?.pid);
      assertEquals([status.phase, status.instance], ["main", 1]);
      const none = await host.command(
        CommandCode.SERVICE_STATUS,
        encoder.encode("none"),
      );
      assertEquals(none.status, CommandStatus.ENOENT);
    },
  );

  await t.step("SERVICE_STOP, _START and _RESTART do so", async () => {
    await host.done(CommandCode.SERVICE_STOP, SERVICE);
    await untilState(host, ServiceStateCode.PENDING);
    await host.done(CommandCode.SERVICE_START, SERVICE);
    await untilState(host, ServiceStateCode.RUNNING);
    await host.done(CommandCode.SERVICE_RESTART, SERVICE);
    await host.receive(
      FrameType.EVR,
      (payload) =>
        decodeEventRecord(payload).eventCode ===
          eventCodes.SERVICE_STARTED.code,
    );
    const none = encoder.encode("none");
    for (
      const command of [
        CommandCode.SERVICE_STOP,
        CommandCode.SERVICE_START,
        CommandCode.SERVICE_RESTART,
      ]
    ) {
      const { status } = await host.command(command, none);
      assertEquals(status, CommandStatus.ENOENT);
    }
  });

  await t.step(
    "EVENTS_READ gives the log in pieces, oldest first",
    async () => {
      const read = async (from: bigint, count: number) =>
        decodeEventList(
          await host.done(
            CommandCode.EVENTS_READ,
            encodeEventsRequest({ from, count }),
          ),
        );
      const all = await read(0n, 96);
      assertEquals(all.events[0]?.eventCode, eventCodes.BOOT.code);
      assertEquals(all.events[0]?.sequence, 1n);
      assertEquals(
        all.nextSequence,
        (all.events.at(-1)?.sequence ?? 0n) + 1n,
      );
      const some = await read(2n, 2);
      assertEquals(some.events, all.events.slice(1, 3));
      assertEquals((await read(1_000_000n, 96)).events, []);
    },
  );

  await t.step("BOOT_TIMELINE tells when phases and services ran", async () => {
    const { phases, total } = decodeBootTimeline(
      await host.done(CommandCode.BOOT_TIMELINE),
    );
    assertEquals(phases.length, total);
    const names = phases.map(({ name }) => name);
    const expected = ["kernel", "runtime", "mounts", "superblock", "services"];
    for (const name of [...expected, "service demo"]) {
      assert(names.includes(name), `${name} is not among ${names}`);
    }
    for (const { name, outcome, startMicroseconds } of phases) {
      assertEquals(outcome, 1, name);
      // The kernel's own time begins when the clock does.
      if (name === "kernel") assertEquals(Number(startMicroseconds), 0);
      else assertGreater(Number(startMicroseconds), 0, name);
    }
  });

  await t.step("DP_LIST and DP_READ give the data products", async () => {
    const list = decodeDataProductList(await host.done(CommandCode.DP_LIST));
    assertEquals([list.total, list.damagedCount], [1, 0]);
    const [product] = list.products;
    assertEquals(product?.name, PRODUCT.name);
    assertEquals(product?.dataLength, PRODUCT.data.length);
    const data = await readProduct(host, PRODUCT.name);
    assertEquals(data, PRODUCT.data);
    const padded = new Uint8Array((product?.blockCount ?? 0) * 512);
    padded.set(data);
    assertEquals(crc32c(padded), product?.dataCrc32);
    const { status } = await host.command(
      CommandCode.DP_READ,
      encodeDataProductRequest({ offset: 0, length: 1, name: "none" }),
    );
    assertEquals(status, CommandStatus.ENOENT);
  });

  await t.step("ENTER_ and LEAVE_SAFE_MODE change what runs", async () => {
    await host.done(CommandCode.ENTER_SAFE_MODE);
    await untilState(host, ServiceStateCode.PENDING);
    await host.done(CommandCode.LEAVE_SAFE_MODE);
    await untilState(host, ServiceStateCode.RUNNING);
  });

  await t.step(
    "TIME_SET sets the time of records, and nothing that is waited for",
    async () => {
      const time = { seconds: 3_000_000_000n, nanoseconds: 500_000_000 };
      await host.done(CommandCode.TIME_SET, encodeTimeSet(time));
      const payload = await host.receive(
        FrameType.EVR,
        (met) => decodeEventRecord(met).eventCode === eventCodes.CLOCK_SET.code,
      );
      const record = decodeEventRecord(payload);
      assertGreater(record.timestamp, 2_999_999_999);
      assertMatch(
        new TextDecoder().decode(record.payload),
        /^\d+\.\d{3} -> 3000000000\.500$/,
      );
      const health = decodeHealth(await host.receive(FrameType.HEALTH));
      assert(health.uptimeSeconds < 100_000, "uptime is no wall clock");
      const { status } = await host.command(
        CommandCode.TIME_SET,
        encodeTimeSet({ seconds: 0x1_0000_0000n, nanoseconds: 0 }),
      );
      assertEquals(status, CommandStatus.EINVAL);
    },
  );

  await t.step("LOG_FOLLOW begins and ends", async () => {
    await host.done(CommandCode.LOG_FOLLOW, Uint8Array.of(1));
    const line = await host.receive(
      FrameType.LOG,
      (payload) =>
        new TextDecoder().decode(decodeLog(payload).text).includes("READY"),
    );
    assertEquals(decodeLog(line).name, "spaceos-init");
    await host.done(CommandCode.LOG_FOLLOW, Uint8Array.of(0));
  });

  await t.step(
    "PRM_GET and PRM_SET read, judge, store and apply parameters",
    async () => {
      const { answers } = await host.parameters(null);
      assertEquals(answers.map(({ parameterId }) => parameterId), [
        0xFFFF_0001,
        0xFFFF_0002,
        0xFFFF_0010,
        0xFFFF_0011,
        0xFFFF_0012,
        0xFFFF_0013,
      ]);
      assertEquals(answers[0]?.value, u32(1), "the boot count");
      const status = async (id: number, value: Uint8Array) =>
        (await host.setParameter(id, value))[0]?.status;
      const { OK, INVALID, READ_ONLY, UNKNOWN } = ParameterStatus;
      assertEquals(await status(HEALTH_INTERVAL, u32(99)), INVALID);
      assertEquals(await status(0xFFFF_0001, u32(0)), READ_ONLY);
      assertEquals(await status(0xFFFF_EEEE, u32(0)), UNKNOWN);
      assertEquals((await host.parameters(5)).answers[0]?.status, UNKNOWN);
      for (const length of [0, 238, 239, 240]) {
        const value = new Uint8Array(length).fill(length);
        assertEquals(await status(5, value), OK);
        const { answers, frames } = await host.parameters(5);
        assertEquals(answers[0]?.value, value);
        assertEquals(frames, length > 238 ? 2 : 1);
      }
      // Every HEALTH frame from now on comes after half a second.
      assertEquals(await status(HEALTH_INTERVAL, u32(500)), OK);
      const first = decodeHealth(await host.receive(FrameType.HEALTH));
      for (let frame = 0; frame < 5; frame++) {
        await host.receive(FrameType.HEALTH);
      }
      const last = decodeHealth(await host.receive(FrameType.HEALTH));
      const elapsed = last.uptimeSeconds - first.uptimeSeconds;
      assert(elapsed < 40, `${elapsed} s for six intervals of half a second`);
    },
  );

  await t.step(
    "a staged set is committed as a whole, or not at all",
    async () => {
      const staged = encodeParameterSets([
        { parameterId: 6, value: new Uint8Array(200).fill(6) },
        { parameterId: LOG_LEVEL, value: Uint8Array.of(0) },
        { parameterId: 7, value: new Uint8Array(100).fill(7) },
      ]);
      for (let at = 0; at < staged.length; at += 240) {
        const piece = staged.subarray(at, at + 240);
        await host.setParameter(StagingId.STAGE, piece);
      }
      const [wrong] = await host.setParameter(StagingId.COMMIT, u32(1));
      assertEquals(wrong?.status, ParameterStatus.INVALID);
      assertEquals((await host.parameters(6)).answers[0]?.generation, 0);
      const [commit, ...answers] = await host.setParameter(
        StagingId.COMMIT,
        u32(crc32c(staged)),
      );
      assertEquals(commit?.status, ParameterStatus.OK);
      assertEquals(
        answers.map(({ parameterId, generation }) => [parameterId, generation]),
        [[6, 1], [LOG_LEVEL, 1], [7, 1]],
      );
    },
  );

  await t.step(
    "a peer's frame becomes an event, and reaches no command",
    async () => {
      const poweroff = encodeTelecommand({
        command: CommandCode.POWEROFF,
        sequence: 1,
        arguments: new Uint8Array(),
      });
      await host.send(FrameType.TC, poweroff, 0x021);
      const payload = await host.receive(
        FrameType.EVR,
        (met) =>
          decodeEventRecord(met).eventCode === eventCodes.PEER_FRAME.code,
      );
      assertEquals(
        new TextDecoder().decode(decodeEventRecord(payload).payload),
        "TC from 0x021, 4 bytes: 00020001",
      );
    },
  );

  await t.step(
    "what can't be taken is answered with an ERROR, and an ERROR with nothing",
    async () => {
      const fault = async () =>
        decodeFrameFault(await host.receive(FrameType.ERROR));
      const good = encodeFrame({
        type: FrameType.TC,
        apid: 0,
        destinationApid: 0,
        payload: Uint8Array.of(0, 1, 0, 1),
      });
      for (
        const [offset, value, code] of [
          [0, 9, FrameErrorCode.UNKNOWN_VERSION],
          [1, 99, FrameErrorCode.UNKNOWN_TYPE],
          [1, FrameType.LOG, FrameErrorCode.UNKNOWN_TYPE],
          [2, 8, FrameErrorCode.APID_NOT_ALLOCATED],
          [3, 1, FrameErrorCode.APID_NOT_ALLOCATED],
          [4, 1, FrameErrorCode.MESSAGE_TOO_LARGE],
          [5, 3, FrameErrorCode.MALFORMED],
          [255, 1, FrameErrorCode.MALFORMED],
        ] as const
      ) {
        const bytes = good.slice();
        bytes[offset] = value;
        await host.ipc.send(bytes);
        const { code: met, ...rest } = await fault();
        assertEquals(met, code, `byte ${offset} is ${value}`);
        assertEquals(rest, {
          offendingType: bytes[1] ?? 0,
          offendingApid: (bytes[2] ?? 0) << 8 | (bytes[3] ?? 0),
          offendingPayloadLength: (bytes[4] ?? 0) << 8 | (bytes[5] ?? 0),
        });
      }
      await host.send(FrameType.ERROR, new Uint8Array(8));
      // Whatever comes next is an answer, not another ERROR.
      await host.send(FrameType.TC, Uint8Array.of(0, 1, 0xFF, 0xFF));
      const next = frameOf(
        await host.ipc.receive((met) =>
          met[1] === FrameType.TM || met[1] === FrameType.ERROR
        ),
      );
      assertEquals(next.type, FrameType.TM);
    },
  );

  await t.step(
    "what is no command, or has no such arguments, is refused",
    async () => {
      assertEquals((await host.command(99)).status, CommandStatus.ENOSYS);
      const wrong = Uint8Array.of(1, 2, 3);
      for (
        const command of [
          CommandCode.POWEROFF,
          CommandCode.SERVICE_LIST,
          CommandCode.EVENTS_READ,
          CommandCode.TIME_SET,
          CommandCode.BOOT_TIMELINE,
          CommandCode.DP_LIST,
          CommandCode.DP_READ,
          CommandCode.FDIR_CHECK,
        ]
      ) {
        const { status } = await host.command(command, wrong);
        assertEquals(status, CommandStatus.EINVAL);
      }
    },
  );

  await t.step("POWEROFF answers, and powers off", async () => {
    await host.done(CommandCode.POWEROFF);
    assertEquals(await machine.waitForEnd(), "poweroff");
  });
});
