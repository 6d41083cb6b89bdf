/**
 * The built image in a real machine: what the console says, what comes over
 * the `ipc` port, and what is on the disk afterwards. Frames and records are
 * made and read here by the tables of the formats, without the library.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { indexOfNeedle } from "@std/bytes";
import {
  buildImage,
  INIT_ENTRY,
  sourceTimeSeconds,
} from "../../rootfs/build.ts";
import { REPOSITORY } from "../../rootfs/toolchain/environment.ts";
import { DISK_FACTS, type DiskKind, makeDisk } from "../fixtures/make_disk.ts";
import { eventCode, eventRecords } from "./event_ring.ts";
import { type IpcConnection, Machine } from "./machine.ts";

const TYPE = { TM: 1, TC: 2, EVR: 3, HEALTH: 8, LOG: 9, ERROR: 10 } as const;
const COMMAND = { PING: 1, POWEROFF: 2, REBOOT: 3, LOG_FOLLOW: 15 } as const;
const BOOT_EVENT = 0x0001;

/** A telecommand, byte by byte. */
function telecommand(
  command: number,
  sequence: number,
  argumentBytes: readonly number[] = [],
): Uint8Array {
  const frame = new Uint8Array(256);
  const view = new DataView(frame.buffer);
  view.setUint8(0x00, 1);
  view.setUint8(0x01, TYPE.TC);
  view.setUint16(0x04, 4 + argumentBytes.length);
  view.setUint16(0x08, command);
  view.setUint16(0x0a, sequence);
  frame.set(argumentBytes, 0x0c);
  return frame;
}

/** The console as the README shows it. */
function readmeExcerpt(): string {
  const readme = Deno.readTextFileSync(`${REPOSITORY}/README.md`);
  const [, excerpt = ""] = /^```\n(\[ [\s\S]*?)^```$/m.exec(readme) ?? [];
  assertMatch(excerpt, /READY after/);
  return excerpt;
}

/** The lines of a console without what differs from boot to boot: times and numbers. */
const linesOf = (text: string): string[] =>
  text.trimEnd().split(/\r?\n/).map((line) =>
    line.replace(/^\[ *[\d.]+\] /, "")
      .replaceAll(/0x[0-9A-F]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "N")
      .replaceAll(/\d+(\.\d+)?/g, "N")
  );

/** The lines of an excerpt that a console does not have, in this order. */
function missingLines(excerpt: string, console: string): string[] {
  const lines = linesOf(console);
  let from = 0;
  return linesOf(excerpt).filter((line) => {
    const at = lines.indexOf(line, from);
    if (at !== -1) from = at + 1;
    return at === -1;
  });
}

/** All of a frame's bytes as text. */
const textOf = (frame: Uint8Array): string => new TextDecoder().decode(frame);

/** Sends a command and takes its answer: status 0, the command and sequence echoed. */
async function command(
  ipc: IpcConnection,
  code: number,
  sequence: number,
  argumentBytes: readonly number[] = [],
): Promise<void> {
  await ipc.send(telecommand(code, sequence, argumentBytes));
  const answer = await ipc.receive((frame) => {
    const view = new DataView(frame.buffer, frame.byteOffset);
    return frame[1] === TYPE.TM && view.getUint16(0x0a) === sequence;
  });
  const view = new DataView(answer.buffer, answer.byteOffset);
  assertEquals(view.getUint8(0x00), 1, "version");
  assertEquals(view.getUint16(0x02), 1, "the init's APID");
  assertEquals(view.getUint16(0x08), code | 0x8000);
  assertEquals(view.getUint16(0x0c), 0, "status");
}

Deno.test("the image boots, shows the superblock, greets the host, keeps the boot event and powers off", async () => {
  await using machine = Machine.boot({ disk: makeDisk("good") });
  const ipc = await machine.connectIpc();
  const health = await ipc.receive((frame) => frame[1] === TYPE.HEALTH);
  assertEquals(
    new DataView(health.buffer).getUint16(0x04),
    44,
    "the length of a HEALTH payload",
  );
  await machine.waitForConsole(/READY.*\n/);

  const { console } = machine;
  assertEquals(missingLines(readmeExcerpt(), console), []);
  assertMatch(console, /magic\s+0x53504F53/);
  assertMatch(console, /format_version\s+1\b/);
  assertMatch(console, new RegExp(`tenant_id\\s+${DISK_FACTS.tenantId}\\b`));
  assertMatch(
    console,
    new RegExp(`total_blocks\\s+${DISK_FACTS.totalBlocks}\\b`),
  );
  assertMatch(console, new RegExp(`dp_start\\s+${DISK_FACTS.dpStart}\\b`));
  assertMatch(console, new RegExp(`dp_size\\s+${DISK_FACTS.dpSize}\\b`));
  assertMatch(console, new RegExp(`epoch\\s+${DISK_FACTS.epochSeconds}\\b`));
  assertStringIncludes(console, DISK_FACTS.uuid);
  assertMatch(console, /crc32\s+0x[0-9A-F]{8} \(valid\)/);

  await command(ipc, COMMAND.PING, 0x1234);
  await command(ipc, COMMAND.LOG_FOLLOW, 0x1236, [1]);
  const line = await ipc.receive((frame) =>
    frame[1] === TYPE.LOG && textOf(frame).includes("READY after")
  );
  assertEquals([line[8], line[9]], [0, "spaceos-init".length], "stream, name");
  await command(ipc, COMMAND.POWEROFF, 0x1235);
  assertEquals(await machine.waitForEnd(), "poweroff");

  const records = eventRecords(machine.readDisk());
  assertGreater(records.length, 0);
  assert(
    records.some((record) => eventCode(record) === BOOT_EVENT),
    "the boot event is on the disk",
  );
});

Deno.test("the boot event comes over the port as the very record that is on the disk", async () => {
  await using machine = Machine.boot({ disk: makeDisk("good") });
  const ipc = await machine.connectIpc();
  const frame = await ipc.receive((met) =>
    met[1] === TYPE.EVR && eventCode(met.subarray(8)) === BOOT_EVENT
  );
  assertEquals(
    new DataView(frame.buffer).getUint16(0x04),
    76,
    "the length of an EVR payload",
  );
  const sent = frame.slice(8, 8 + 76);
  // In its place in the ring, or in the journal block that stands for it.
  const isStored = (disk: Uint8Array): boolean =>
    indexOfNeedle(disk, sent) !== -1;
  await machine.waitForDisk(isStored);
  // No farewell: the machine is cut off from its power.
  await machine.cutPower();
  assert(isStored(machine.readDisk()));
});

Deno.test("a reboot asked for by the host resets the machine, and the second boot counts on", async () => {
  await using machine = Machine.boot({
    disk: makeDisk("good"),
    restartOnReset: true,
  });
  const ipc = await machine.connectIpc();
  await machine.waitForConsole(/READY.*\n/);
  await command(ipc, COMMAND.REBOOT, 1);
  await machine.waitForConsole(/READY[\s\S]*READY.*\n/);
  const boots = [...machine.console.matchAll(/BOOT boot (\d+)/g)].map((match) =>
    Number(match[1])
  );
  assertEquals(boots, [1, 2]);
  await command(ipc, COMMAND.POWEROFF, 2);
  assertEquals(await machine.waitForEnd(), "poweroff");
  const count =
    eventRecords(machine.readDisk()).filter((record) =>
      eventCode(record) === BOOT_EVENT
    ).length;
  assertEquals(count, 2);
});

const BROKEN: [string, DiskKind | "absent", RegExp][] = [
  ["a bad magic", "bad-magic", /\/dev\/vda\b.*magic.*0x53504F54.*0x53504F53/],
  ["a bad check sum", "bad-crc", /\/dev\/vda\b.*crc32/],
  [
    "a truncated disk",
    "truncated",
    /\/dev\/vda\b.*total_blocks.*2048.*20 blocks.*truncated/,
  ],
  ["impossible sizes", "absurd-sizes", /\/dev\/vda\b.*dp_size/],
  ["an empty disk", "blank", /\/dev\/vda\b.*magic.*0x00000000/],
  ["no disk", "absent", /\/dev\/vda\b.*not there/],
];

for (const [what, kind, pattern] of BROKEN) {
  Deno.test(`with ${what} the console names it, and the host can still power off`, async () => {
    const disk = kind === "absent" ? undefined : makeDisk(kind);
    await using machine = Machine.boot(disk === undefined ? {} : { disk });
    await machine.waitForConsole(pattern);
    await machine.waitForConsole(/READY.*\n/);
    const ipc = await machine.connectIpc();
    await command(ipc, COMMAND.PING, 7);
    await command(ipc, COMMAND.POWEROFF, 8);
    assertEquals(await machine.waitForEnd(), "poweroff");
    if (disk !== undefined) {
      assertEquals(
        machine.readDisk(),
        disk,
        "a disk that is not ours is not written to",
      );
    }
  });
}

Deno.test("spaceos.disk= names the only device that is looked at", async () => {
  await using machine = Machine.boot({
    disk: makeDisk("good"),
    append: "spaceos.disk=/dev/vdz",
  });
  await machine.waitForConsole(/\/dev\/vdz.*not there/);
  await machine.waitForConsole(/READY.*\n/);
  assertEquals(machine.console.includes(DISK_FACTS.uuid), false);
  const ipc = await machine.connectIpc();
  await command(ipc, COMMAND.POWEROFF, 1);
  assertEquals(await machine.waitForEnd(), "poweroff");
});

Deno.test("kill -TERM 1 in the machine powers it off", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-image-" });
  try {
    const definition = {
      type: "oneshot",
      command: ["/bin/sh", "-c", "kill -TERM 1"],
    };
    const image = await buildImage({
      entry: INIT_ENTRY,
      outFolder: folder,
      timeSeconds: await sourceTimeSeconds(),
      files: [
        {
          path: "/bin/sh",
          bytes: await Deno.readFile("/bin/sh"),
          executable: true,
        },
        {
          path: "/etc/spaceos/services.d/killer.json",
          bytes: new TextEncoder().encode(JSON.stringify(definition)),
          executable: false,
        },
      ],
    });
    await using machine = Machine.boot({ image, disk: makeDisk("good") });
    assertEquals(await machine.waitForEnd(), "poweroff");
    assertMatch(machine.console, /SIGTERM/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
