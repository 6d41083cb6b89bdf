/**
 * How fast appends become durable: one at a time and sixteen together, against
 * one raw sector (pwrite + fdatasync) and against SQLite (WAL, synchronous=FULL)
 * on the same file system. An init works with the device that never blocks its
 * thread; tools may use the one that does. Both are measured, because the two
 * changes of threads cost more than the rest of an append.
 *
 * The files lie in `rootfs/out`, or where `SPACEOS_BENCH_DIR` says: it must not
 * be a file system in memory.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import {
  close,
  fdatasync,
  fdatasyncAsync,
  open,
  pwrite,
  pwriteAsync,
} from "../../lib/linux/file.ts";
import { openFileDevice } from "../../lib/storage/file_device.ts";
import { formatVolume } from "../../lib/storage/format.ts";
import { openVolume } from "../../lib/storage/volume.ts";
import type { Volume } from "../../lib/storage/volume.ts";
import type { EventRecord } from "../../lib/wire/event.ts";
import type { Comparison } from "./harness.ts";

const GROUP = 16;
const BLOCKS = 4096;
const SECTOR = crypto.getRandomValues(new Uint8Array(512));
const RECORD: EventRecord = {
  timestamp: 1,
  severity: 1,
  eventCode: 2,
  payload: crypto.getRandomValues(new Uint8Array(48)),
};

/** Measured: device time and calls of a group, 500 groups. */
const GROUP_REASON =
  "16 records are three or four blocks in two or three places: their flush took twice that of one sector, and every third group needs a second one, because the journal holds one block";

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
  const rawFile = open(file("raw.img"), ["readWrite"]);
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
    statement.run(1, 1, 2, RECORD.payload);
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
    name: "raw, on another thread",
    run: async (times: number) => {
      for (let time = 0; time < times; time++) {
        await pwriteAsync(rawFile, SECTOR, offset());
        await fdatasyncAsync(rawFile);
      }
    },
  };
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
          otherwise:
            "planning and encoding took 18 us before a 122 us write and 12 us after it, measured alone; between other programs' turns it is more",
        },
        {
          contender: "append, not blocking",
          atLeast: 0.9,
          otherwise:
            "PID 1 may not wait for a disk, so each flush is made on another thread; compare with raw, on another thread",
        },
      ],
    },
    {
      ...shared,
      title: "durable appends, 16 together",
      baseline: raw.name,
      contenders: [
        raw,
        { name: "append, blocking", run: (n) => together(blocking, n) },
        { name: "append, not blocking", run: (n) => together(waiting, n) },
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
        { contender: "append, blocking", atLeast: 8, otherwise: GROUP_REASON },
        {
          contender: "append, not blocking",
          atLeast: 8,
          otherwise: GROUP_REASON,
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

async function makeVolume(path: string, blocking: boolean): Promise<Volume> {
  const device = openFileDevice(path, { blocking });
  await formatVolume(device, { tenantId: 1 });
  return await openVolume(device);
}

async function oneByOne(volume: Volume, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await volume.events.append(RECORD);
}

async function together(volume: Volume, times: number): Promise<void> {
  for (let time = 0; time < times; time += GROUP) {
    const count = Math.min(GROUP, times - time);
    await Promise.all(
      Array.from({ length: count }, () => volume.events.append(RECORD)),
    );
  }
}
