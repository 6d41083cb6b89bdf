/**
 * The power cut at its most real: QEMU is killed while the init appends event
 * after event, and `spaceos-disk` says what the disk holds. An EVR frame goes
 * out when its record is durable; so what the host has seen must be there.
 */
import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import { decodeEventRecord } from "../../lib/wire/event.ts";
import { eventCodes } from "../../lib/wire/event_code.ts";
import { FrameType } from "../../lib/wire/frame.ts";
import { toHex } from "../../lib/wire/hex.ts";
import { CommandCode, encodeTelecommand } from "../../lib/wire/telecommand.ts";
import { encodeTimeSet } from "../../lib/wire/time_set.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { runDisk } from "../unit/disk/support.ts";
import { frameOf, Host } from "./host.ts";
import { Machine } from "./machine.ts";

/** Rounds; two machines share them, one for each processor of a small machine. */
const ROUNDS = 20;
const CHAINS = 2;

/**
 * Commands that are under way at most. Each makes one record, so no more
 * records can be on the disk than frames were seen, and the init's queue of 256
 * frames never has to drop one.
 */
const WINDOW = 32;

/** Mission time of the first command: a number that no clock shows by itself. */
const FIRST_SECONDS = 3_000_000_000;

/** The ring keeps 91 at least, but what is under way may have cleared its blocks. */
const LEAST_KEPT = 91 - 6 * Math.ceil(WINDOW / 6);

/** A record, as the frame and the command show it alike. */
function describe(
  record: { timestamp: number; eventCode: number; payload: string },
): string {
  return `${record.timestamp} ${record.eventCode} ${record.payload}`;
}

interface StoredRecord {
  readonly sequence: number | null;
  readonly timestamp: number;
  readonly eventCode: number;
  readonly payload: string;
}

/** What a round showed. */
interface Round {
  /** The records whose EVR frames the host has seen, in that order. */
  readonly seen: readonly string[];
  /** Commands whose record the host has not seen, by mission time. */
  readonly underWay: readonly number[];
  /** The disk as the cut left it. */
  readonly disk: Uint8Array;
}

/** Boots, lets the init append, and cuts when the host has seen `cutAfter` records. */
async function appendUntilCut(
  disk: Uint8Array,
  firstSeconds: number,
  cutAfter: number,
): Promise<Round> {
  await using machine = Machine.boot({ disk });
  const ipc = await machine.connectIpc();
  const host = new Host(ipc);
  const seen: string[] = [];
  const underWay: number[] = [];
  let next = firstSeconds;
  let shown = 0;
  const take = (bytes: Uint8Array): boolean => {
    const { type, payload } = frameOf(bytes);
    if (type !== FrameType.EVR) return false;
    const record = decodeEventRecord(payload);
    seen.push(describe({ ...record, payload: toHex(record.payload) }));
    if (record.eventCode !== eventCodes.CLOCK_SET.code) return false;
    assertEquals(record.timestamp, underWay.shift(), "records in their order");
    shown++;
    return true;
  };
  const command = async () => {
    const time = { seconds: BigInt(next), nanoseconds: 0 };
    underWay.push(next);
    await host.send(
      FrameType.TC,
      encodeTelecommand({
        command: CommandCode.TIME_SET,
        sequence: next++ & 0xFFFF,
        arguments: encodeTimeSet(time),
      }),
    );
  };
  // The first frame shows that the init listens.
  take(await ipc.receive());
  for (let count = 0; count < WINDOW; count++) await command();
  while (shown < cutAfter) {
    if (take(await ipc.receive())) await command();
  }
  await machine.cutPower();
  // What had left the machine by then was seen, too.
  for (const bytes of await ipc.rest()) take(bytes);
  return { seen, underWay, disk: machine.readDisk() };
}

/** Lets `spaceos-disk` judge the disk of a round. */
async function judge(
  path: string,
  round: Round,
  lastNumber: number,
): Promise<number> {
  await Deno.writeFile(path, round.disk);
  const [check, events] = await Promise.all([
    runDisk(["check", path]),
    runDisk(["events", path, "--json"]),
  ]);
  assertLessOrEqual(check.code, 1, check.stdout + check.stderr);
  assertEquals(events.code, 0, events.stderr);
  const stored = events.stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line) as StoredRecord
  );
  const numbers = stored.map(({ sequence }) => sequence);
  const [first] = numbers;
  assert(typeof first === "number", "each record has a number");
  for (const [index, number] of numbers.entries()) {
    if (index > 0) assertLess(numbers[index - 1] ?? 0, number, "their order");
  }
  const found = stored.map(describe);
  const lastSeen = round.seen.at(-1);
  assert(lastSeen !== undefined);
  const at = found.lastIndexOf(lastSeen);
  assertGreaterOrEqual(at, 0, `${lastSeen} is lost`);
  // Records of earlier rounds come before those of this one.
  const kept = Math.min(at + 1, round.seen.length);
  assertEquals(
    found.slice(at + 1 - kept, at + 1),
    round.seen.slice(round.seen.length - kept),
    "what was seen is there, in order",
  );
  assertGreaterOrEqual(kept, Math.min(round.seen.length, LEAST_KEPT));
  const lastSeenNumber = numbers[at] ?? 0;
  assertEquals(
    numbers.slice(at + 1 - kept, at + 1),
    Array.from(
      { length: kept },
      (_, index) => lastSeenNumber - kept + 1 + index,
    ),
    "what was seen has numbers without gaps",
  );
  const unseen = stored.slice(at + 1).filter(({ eventCode }) =>
    eventCode === eventCodes.CLOCK_SET.code
  );
  // A group that the cut has met may be there in part, whole blocks of it: each
  // record that was not seen is there or not, and none is made up or moved.
  let mayFollow = 0;
  for (const { timestamp } of unseen) {
    const place = round.underWay.indexOf(timestamp, mayFollow);
    assertGreaterOrEqual(place, 0, `${timestamp} was not under way`);
    mayFollow = place + 1;
  }
  const newest = numbers.at(-1) ?? 0;
  assertLess(lastNumber, newest, "numbers go on after a cut");
  return newest;
}

/** Rounds on one disk: each begins with what the cut before it has left. */
async function runChain(chain: number): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-cut-" });
  try {
    let disk: Uint8Array = makeDisk("good");
    let lastNumber = 0;
    for (let index = chain; index < ROUNDS; index += CHAINS) {
      const firstSeconds = FIRST_SECONDS + index * 10_000;
      // Every place in a block and, in the end, around the ring.
      const cutAfter = 40 + 23 * index;
      const round = await appendUntilCut(disk, firstSeconds, cutAfter);
      lastNumber = await judge(`${folder}/disk.img`, round, lastNumber);
      disk = round.disk;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test(`what the host saw acknowledged is on the disk after each of ${ROUNDS} power cuts`, async () => {
  await Promise.all(
    Array.from({ length: CHAINS }, (_, chain) => runChain(chain)),
  );
});
