/**
 * How fast appends become durable: one at a time and sixteen together, against
 * one raw sector (pwrite + fdatasync) and against SQLite (WAL, synchronous=FULL)
 * on the same file system. An init works with the device that never blocks its
 * thread; tools may use the one that does. Both are measured.
 *
 * What an append can't be faster than is measured beside it, in the same run: one
 * durable write on another thread; an append to a disk in memory, which is all
 * but the disk; and, for sixteen together, the very writes of a group without
 * our code. A target that is missed is explained with these.
 *
 * The files lie in `rootfs/out`, or where `SPACEOS_BENCH_DIR` says: it must not
 * be a file system in memory.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { close, open } from "../../lib/linux/file.ts";
import {
  fdatasync,
  pwrite,
  pwriteAsync,
} from "../../lib/linux/positioned_file.ts";
import type { BlockDevice } from "../../lib/storage/device.ts";
import { openFileDevice } from "../../lib/storage/file_device.ts";
import { formatVolume } from "../../lib/storage/format.ts";
import { MemoryBlockDevice } from "../../lib/storage/memory_device.ts";
import { openVolume } from "../../lib/storage/volume.ts";
import type { Volume } from "../../lib/storage/volume.ts";
import type { EventRecord } from "../../lib/wire/event.ts";
import type { Comparison } from "./harness.ts";

const GROUP = 16;
const BLOCKS = 4096;
const SECTOR = crypto.getRandomValues(new Uint8Array(512));
const SECTORS = crypto.getRandomValues(new Uint8Array(4 * 512));
const PAYLOAD = crypto.getRandomValues(new Uint8Array(48));
let recordCount = 0;

/** The next record: no two are the same, as in a log. */
function record(): EventRecord {
  const timestamp = recordCount++;
  return { timestamp, severity: 1, eventCode: 2, payload: PAYLOAD };
}

/** Makes the files, which are removed when the process ends. */
export async function comparisons(): Promise<Comparison[]> {
  const parent = Deno.env.get("SPACEOS_BENCH_DIR") ??
    new URL("../../rootfs/out", import.meta.url).pathname;
  Deno.mkdirSync(parent, { recursive: true });
  const directory = Deno.makeTempDirSync({ dir: parent, prefix: "bench_" });
  globalThis.addEventListener("unload", () => {
    Deno.removeSync(directory, { recursive: true });
  });
  const file = (name: string): string => makeFile(`${directory}/${name}`);
  const rawPath = file("raw.img");
  const rawFile = open(rawPath, ["readWrite"]);
  const durableFile = open(rawPath, ["readWrite", "dataSync"]);
  const memory = await formatAndOpen(
    new MemoryBlockDevice({ blockCount: BLOCKS }),
  );
  const waiting = await makeVolume(file("waiting.img"), false);
  const blocking = await makeVolume(file("blocking.img"), true);
  const database = new DatabaseSync(`${directory}/events.sqlite`);
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
  database.exec(
    "CREATE TABLE event (sequence INTEGER PRIMARY KEY, timestamp INTEGER, severity INTEGER, code INTEGER, payload BLOB)",
  );
  const statement = database.prepare(
    "INSERT INTO event (timestamp, severity, code, payload) VALUES (?, ?, ?, ?)",
  );
  const insert = () => {
    const { timestamp, severity, eventCode, payload } = record();
    statement.run(timestamp, severity, eventCode, payload);
  };
  let position = 0;
  // The sectors of the event ring, one after another, as an append writes them.
  const offset = () => (17 + Math.floor(position++ / 6) % 16) * 512;
  const shared = { turns: 25, turnMs: 40 };
  const raw = {
    name: "raw pwrite + fdatasync",
    run: (times: number) => {
      for (let time = 0; time < times; time++) {
        pwrite(rawFile, SECTOR, offset());
        fdatasync(rawFile);
      }
    },
  };
  const rawElsewhere = {
    name: "raw write with O_DSYNC, on another thread",
    run: async (times: number) => {
      for (let time = 0; time < times; time++) {
        await pwriteAsync(durableFile, SECTOR, offset());
      }
    },
  };
  // After the ring's first lap a group of 16 clears two or three blocks and
  // writes the journal, flushes, and writes three or four blocks, and flushes.
  const rawGroup = {
    name: "raw, the writes of a group",
    run: (times: number) => {
      for (let time = 0; time < times; time += GROUP) {
        const first = 17 + time / GROUP % 12;
        pwrite(rawFile, SECTORS.subarray(0, 3 * 512), (first + 1) * 512);
        pwrite(rawFile, SECTOR, (BLOCKS - 1) * 512);
        fdatasync(rawFile);
        pwrite(rawFile, SECTORS, first * 512);
        fdatasync(rawFile);
      }
    },
  };
  const us = (value: number) => `${value.toFixed(1)} us`;
  const inMemory = "append, disk in memory";
  const groupReason = (medianUs: (name: string) => number) =>
    `a group overwrites blocks that hold older records: they are cleared and flushed first, lest a torn write number them anew. Its two flushes take ${
      us(medianUs(rawGroup.name))
    } a record without our code, which is ${
      (medianUs(raw.name) / medianUs(rawGroup.name)).toFixed(1)
    } x; all but the disk takes ${
      us(medianUs(inMemory))
    } a record. Clearing ahead would save a flush and cost the ring a fifth of its records`;
  const result: Comparison[] = [
    {
      ...shared,
      title: "durable appends, one at a time",
      baseline: raw.name,
      contenders: [
        raw,
        rawElsewhere,
        { name: "append, blocking", run: (n) => oneByOne(blocking, n) },
        { name: "append, not blocking", run: (n) => oneByOne(waiting, n) },
        { name: inMemory, run: (n) => oneByOne(memory, n) },
        {
          name: "SQLite",
          run: (times) => {
            for (let time = 0; time < times; time++) insert();
          },
        },
      ],
      targets: [
        {
          contender: "append, blocking",
          atLeast: 0.9,
          otherwise: (medianUs) =>
            `all but the disk takes ${us(medianUs(inMemory))} of ${
              us(medianUs("append, blocking"))
            }`,
        },
        {
          contender: "append, not blocking",
          atLeast: 0.9,
          otherwise: (medianUs) =>
            `PID 1 may not wait for a disk, so each write is made on another thread: that alone takes ${
              us(medianUs(rawElsewhere.name))
            }, which is ${
              (medianUs(raw.name) / medianUs(rawElsewhere.name)).toFixed(2)
            } x; all but the disk takes ${us(medianUs(inMemory))}`,
        },
      ],
    },
    {
      ...shared,
      title: "durable appends, 16 together",
      baseline: raw.name,
      contenders: [
        raw,
        rawGroup,
        { name: "append, blocking", run: (n) => together(blocking, n) },
        { name: "append, not blocking", run: (n) => together(waiting, n) },
        { name: inMemory, run: (n) => together(memory, n) },
        {
          name: "SQLite, 16 to a transaction",
          run: (times) => {
            for (let time = 0; time < times; time += GROUP) {
              database.exec("BEGIN");
              for (let at = 0; at < Math.min(GROUP, times - time); at++) {
                insert();
              }
              database.exec("COMMIT");
            }
          },
        },
      ],
      targets: [
        { contender: "append, blocking", atLeast: 8, otherwise: groupReason },
        {
          contender: "append, not blocking",
          atLeast: 8,
          otherwise: groupReason,
        },
      ],
    },
  ];
  return result;
}

function makeFile(path: string): string {
  // Written twice, so that the blocks are allocated and hold data.
  Deno.writeFileSync(path, new Uint8Array(BLOCKS * 512).fill(1));
  const descriptor = open(path, ["readWrite"]);
  pwrite(descriptor, new Uint8Array(BLOCKS * 512), 0);
  fdatasync(descriptor);
  close(descriptor);
  return path;
}

function makeVolume(path: string, blocking: boolean): Promise<Volume> {
  return formatAndOpen(openFileDevice(path, { blocking }));
}

async function formatAndOpen(device: BlockDevice): Promise<Volume> {
  await formatVolume(device, { tenantId: 1 });
  return await openVolume(device);
}

async function oneByOne(volume: Volume, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await volume.events.append(record());
}

async function together(volume: Volume, times: number): Promise<void> {
  for (let time = 0; time < times; time += GROUP) {
    const count = Math.min(GROUP, times - time);
    await Promise.all(
      Array.from({ length: count }, () => volume.events.append(record())),
    );
  }
}
