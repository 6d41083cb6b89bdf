import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { openFileDevice } from "../../../lib/storage/file_device.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import { EventSeverity } from "../../../lib/wire/event.ts";
import { makeDisk } from "../../fixtures/make_disk.ts";
import {
  diskCommand,
  makeGptDisk,
  runDisk,
  runProgram,
  withFolder,
} from "./support.ts";

/** Appends events as a running machine would. */
async function append(
  path: string,
  events: readonly (readonly [EventSeverity, string])[],
): Promise<void> {
  const volume = await openVolume(openFileDevice(path));
  for (const [severity, text] of events) {
    await volume.events.append({
      timestamp: 1000,
      severity,
      eventCode: 1,
      payload: new TextEncoder().encode(text),
    });
  }
  await volume.close();
}

Deno.test("spaceos-disk --help and each command's --help read like a manual and end with 0", async () => {
  const { code, stdout, stderr } = await runDisk(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  for (const heading of ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"]) {
    assertMatch(stdout, new RegExp(`^${heading}$`, "m"));
  }
  for (const exit of ["0", "1", "2", "3", "4", "5", "64"]) {
    assertMatch(stdout, new RegExp(`^  ${exit} +\\S`, "m"));
  }
  for (const name of ["format", "events", "param", "dp put"]) {
    const help = await runDisk([...name.split(" "), "--help"]);
    assertEquals(help.code, 0);
    assertStringIncludes(help.stdout, `spaceos-disk ${name}`);
    assertStringIncludes(help.stdout, "--partition N");
  }
});

Deno.test("spaceos-disk says in one line what it does not understand and ends with 64", async () => {
  const cases: [string[], string][] = [
    [["bogus"], 'unknown command "bogus", expected one of: format, inspect'],
    [["param"], 'param is followed by "", expected one of: get, set, list'],
    [["check"], "check: TARGET is missing"],
    [["check", "a", "b"], 'check: "b" is too much, expected TARGET'],
    [["check", "a", "--bogus"], "unknown option --bogus"],
    [["param", "get", "a", "x"], 'NAME is "x", expected a number or one of: '],
    [["param", "get", "a", "-1"], "unknown option -1"],
    [
      ["param", "get", "a", "4294967296"],
      'NAME is "4294967296", expected an integer of 0..4294967295',
    ],
    [
      ["param", "set", "a", "health-interval", "99"],
      'health-interval is "99", expected an integer of 100..3600000',
    ],
    [
      ["param", "set", "a", "0xFFFF0010", "--u32", "99"],
      "health-interval is 0x00000063, expected a u32 of 100..3600000 ms",
    ],
    [
      ["param", "set", "a", "log-level", "--text", "1"],
      "log-level is 1, expected a u8 of 0..3",
    ],
    [
      ["param", "set", "a", "failed-boots", "--hex", ""],
      "failed-boots is (empty), expected a u32 of 0..4294967295 boots",
    ],
    ...["0xFFFFFE00", "0xFFFFFE01", "0xFFFFFF00", "0xFFFF0003"].map((
      id,
    ): [string[], string] => [
      ["param", "set", "a", id, "x"],
      `parameter ${id} is reserved, expected a number below 0xFFFF0000 or one of: boot-count`,
    ]),
    [["check", ""], "TARGET is empty, expected a file or a block device"],
    [["param", "get", "a", "1", "--raw", "--json"], "expected --raw or --json"],
    [["param", "set", "a", "1"], "expected exactly one value"],
    [["param", "set", "a", "1", "x", "--u32", "1"], "expected exactly one"],
    [["format", "a", "--size", "1000"], "--size is 1000, expected a multiple"],
    [
      ["format", "a", "--size", "10K"],
      "--size is 10K, expected 18432..2199023255040 bytes (36..4294967295 blocks)",
    ],
    [
      ["format", "a", "--size", "2T"],
      "--size is 2T, expected 18432..2199023255040 bytes",
    ],
    [["format", "a", "--size", "x"], '--size is "x", expected a size'],
    [["format", "a", "--tenant", "65536", "--size", "1M"], "--tenant is"],
    [["format", "a", "--uuid", "1"], '--uuid is "1", expected a UUID'],
  ];
  await withFolder(async (folder) => {
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await runDisk(
        args.map((arg) => arg === "a" ? `${folder}/a` : arg),
      );
      assertEquals([code, stdout], [64, ""], args.join(" "));
      const [line = "", hint] = stderr.split("\n");
      assert(line.startsWith(`spaceos-disk: ${message}`), line);
      assertEquals(hint, "Try 'spaceos-disk --help' for more information.");
    }
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assertEquals(left, [], "no refused call makes a file");
  });
});

Deno.test("format makes a file of the wanted size that inspect and check find in order", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    const made = await runDisk([
      ...["format", path, "--size", "256K", "--tenant", "7"],
      ...["--uuid", "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"],
      ...["--epoch", "1750000000"],
    ]);
    assertEquals(
      [made.code, made.stdout, made.stderr],
      [
        0,
        `${path}: formatted, 512 blocks (256.0 KiB), tenant 7, UUID f81d4fae-7dec-41d0-a765-00a0c91e6bf6\n`,
        "",
      ],
    );
    const { size, mode } = await Deno.stat(path);
    assertEquals([size, (mode ?? 0) & 0o777], [262_144, 0o600]);
    const shown = await runDisk(["inspect", path]);
    assertEquals(shown.code, 0);
    assertStringIncludes(
      shown.stdout,
      "  epoch           1750000000 (2025-06-15T15:06:40Z)\n",
    );
    assertStringIncludes(shown.stdout, "0 of 32 slots in use");
    const json = JSON.parse(
      (await runDisk(["inspect", path, "--json"])).stdout,
    );
    assertEquals(json.superblock.tenantId, 7);
    assertEquals(json.superblock.dataProductSize, 512 - 34);
    assertEquals(json.superblock.crcValid, true);
    assertEquals(json.journal, {
      state: "empty",
      block: 511,
      targetBlock: null,
    });
    const check = await runDisk(["check", path]);
    assertEquals([check.code, check.stdout], [0, `${path}: clean\n`]);
  });
});

Deno.test("format refuses whatever is not zero, wherever it is, and --force destroys it", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    const blank = new Uint8Array(3 * 1024 * 1024);
    const ext4 = blank.slice();
    ext4.set([0x53, 0xEF], 1080);
    const lonely = blank.slice();
    lonely[2_000_001] = 1;
    const cases: [Uint8Array, string][] = [
      [makeDisk("good"), "a spaceos volume"],
      [makeDisk("bad-crc"), "a spaceos volume"],
      [makeGptDisk([]), "a GPT partition table"],
      [ext4, "an ext2, ext3 or ext4 file system"],
      [lonely, "data (first at byte 2000001)"],
    ];
    for (const [content, what] of cases) {
      await Deno.writeFile(path, content);
      const { code, stdout, stderr } = await runDisk(["format", path]);
      assertEquals([code, stdout], [5, ""]);
      assertEquals(
        stderr,
        `spaceos-disk: ${path} holds ${what}; expected nothing but zeros, or --force to destroy it\n`,
      );
      assertEquals(await Deno.readFile(path), new Uint8Array(content));
    }
    assertEquals((await runDisk(["format", path, "--force"])).code, 0);
    assertEquals((await runDisk(["check", path])).code, 0);
    await Deno.writeFile(path, blank);
    assertEquals((await runDisk(["format", path])).code, 0);
  });
});

Deno.test("a target that is not there, no disk, or too small is named and ends with 3", async () => {
  await withFolder(async (folder) => {
    const small = `${folder}/small`;
    await Deno.writeFile(small, new Uint8Array(35 * 512));
    const [empty, huge] = [`${folder}/empty`, `${folder}/huge`];
    await Deno.writeFile(empty, new Uint8Array());
    await Deno.writeFile(huge, new Uint8Array());
    await Deno.truncate(huge, 5 * 2 ** 40);
    const cases: [string[], string][] = [
      [["check", `${folder}/none`], `${folder}/none is not there`],
      [["format", `${folder}/none`], `${folder}/none is not there`],
      [["check", folder], `${folder} is a directory, expected a file or`],
      [["check", "/dev/null"], "/dev/null is a character device, expected"],
      [["format", small], "EINVAL: the device has 35 blocks of"],
      [["check", small, "--partition", "1"], `${small} has no usable GPT`],
      [["inspect", empty], `EINVAL: ${empty} has 0 bytes, expected at least`],
      [["format", huge], `${huge} has 10737418240 blocks, a volume at most`],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await runDisk(args);
      assertEquals(code, 3, stderr);
      assert(stderr.startsWith(`spaceos-disk: ${message}`), stderr);
      assertEquals(stderr.trimEnd().split("\n").length, 1);
    }
    // A file may have 100 KiB; without the trap the kernel ends the program.
    const made = await runProgram([
      ...["bash", "-c", `trap "" XFSZ; ulimit -f 100; exec "$@"`, "bash"],
      ...[...diskCommand(), "format", `${folder}/new`, "--size", "1M"],
    ]);
    assertEquals(made.code, 3);
    assertStringIncludes(made.stderr, "EFBIG");
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(
      left,
      ["empty", "huge", "small"],
      "a failed format leaves no file of its own",
    );
  });
});

Deno.test("check ends with 0, 1 or 2, repair mends what it can, and both say it in JSON", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "64K"]);
    await append(path, [[EventSeverity.INFO, "one"]]);
    const good = await Deno.readFile(path);
    const flipped = good.slice();
    flipped[17 * 512 + 10] = (flipped[17 * 512 + 10] ?? 0) ^ 1;
    await Deno.writeFile(path, flipped);
    const check = await runDisk(["check", path]);
    assertEquals(check.code, 1);
    assertMatch(
      check.stdout,
      /^warning: events: block 17 byte 0: slot 0: .*crc32.*\[repairable\]\n.*: repairable\n$/,
    );
    assertEquals(await Deno.readFile(path), flipped, "check writes nothing");
    const json = JSON.parse((await runDisk(["check", path, "--json"])).stdout);
    assertEquals(json.verdict, "repairable");
    assertEquals(json.findings[0].block, 17);
    const repair = await runDisk(["repair", path]);
    assertEquals(repair.code, 1);
    assertStringIncludes(repair.stdout, `${path}: clean\n`);
    assertEquals((await runDisk(["check", path])).code, 0);
    assertEquals((await runDisk(["repair", path])).code, 0);
    // A bad superblock can't be repaired without being told.
    const bad = good.slice();
    bad[0] = 0;
    await Deno.writeFile(path, bad);
    const refused = await runDisk(["check", path]);
    assertEquals(refused.code, 2);
    assertStringIncludes(
      refused.stdout,
      "superblock field magic is 0x00504F53",
    );
    assertEquals((await runDisk(["repair", path])).code, 2);
    assertEquals(await Deno.readFile(path), bad);
    const rebuilt = await runDisk(["repair", path, "--tenant", "9"]);
    assertEquals(rebuilt.code, 1, rebuilt.stderr);
    const events = await runDisk(["events", path]);
    assertStringIncludes(events.stdout, "one");
  });
});

Deno.test("broken superblocks are shown field by field by inspect, which ends with 2", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    const cases: ["bad-magic" | "bad-crc" | "absurd-sizes", string][] = [
      ["bad-magic", "(bad: expected 0x53504F53)"],
      ["bad-crc", "crc32 "],
      ["absurd-sizes", "not usable: "],
    ];
    for (const [kind, text] of cases) {
      await Deno.writeFile(path, makeDisk(kind));
      const { code, stdout } = await runDisk(["inspect", path]);
      assertEquals(code, 2, kind);
      assertStringIncludes(stdout, text);
      assertStringIncludes(stdout, "not usable: ");
      const json = await runDisk(["inspect", path, "--json"]);
      assertEquals(json.code, 2);
      assert(typeof JSON.parse(json.stdout).fault === "string");
      assertEquals((await runDisk(["events", path])).code, 2);
    }
  });
});

Deno.test("param set, get and list keep values of every kind, exactly", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "64K"]);
    const all = Uint8Array.from({ length: 240 }, (_, index) => index);
    await Deno.writeFile(`${folder}/value`, all);
    const sets: string[][] = [
      ["1", "héllo"],
      ["2", "--u32", "0x01020304"],
      ["3", "--u64", "18446744073709551615"],
      ["0xFFFFFFFF", "--hex", "00ff", "--force"],
      ["5", "--file", `${folder}/value`],
      ["6", "--", "--dashes"],
      ["7", ""],
      ["health-interval", "500"],
      ["log-level", "debug"],
      ["failed-boots", "--u32", "0"],
    ];
    for (const args of sets) {
      const { code, stderr } = await runDisk(["param", "set", path, ...args]);
      assertEquals(code, 0, stderr);
    }
    const gets: [string, string][] = [
      ["1", "héllo\n"],
      ["2", "0x01020304\n"],
      ["3", "0xffffffffffffffff\n"],
      ["4294967295", "0x00ff\n"],
      ["6", "--dashes\n"],
      ["7", "(empty)\n"],
      ["health-interval", "500 ms\n"],
      ["0xFFFF0013", "0 debug\n"],
      ["failed-boots", "0 boots\n"],
    ];
    for (const [id, text] of gets) {
      assertEquals((await runDisk(["param", "get", path, id])).stdout, text);
    }
    const raw = await runDisk(["param", "get", path, "5", "--raw"]);
    assertEquals(raw.bytes, all);
    const again = await runDisk(
      ["param", "set", path, "1", "--file", "-"],
      all,
    );
    assertStringIncludes(again.stdout, "parameter 1 stored, generation 2, 240");
    const list = JSON.parse(
      (await runDisk(["param", "list", path, "--json"])).stdout,
    );
    assertEquals(
      list.map((entry: { parameterId: number }) => entry.parameterId),
      [1, 2, 3, 5, 6, 7, 0xFFFF0002, 0xFFFF0010, 0xFFFF0013, 0xFFFFFFFF],
    );
    assertEquals(list[1], {
      name: null,
      parameterId: 2,
      generation: 1,
      value: "01020304",
      number: null,
      text: "\x01\x02\x03\x04",
    });
    assertEquals(list[7], {
      name: "health-interval",
      parameterId: 0xFFFF0010,
      generation: 1,
      value: "000001f4",
      number: 500,
      text: null,
    });
    assertMatch(
      (await runDisk(["param", "list", path])).stdout,
      /^log-level +0xFFFF0013 +1 +1 +0 debug$/m,
    );
    const missing = await runDisk(["param", "get", path, "99"]);
    assertEquals(
      [missing.code, missing.stderr],
      [4, `spaceos-disk: ${path} has no parameter 99\n`],
    );
    const long = await runDisk(["param", "set", path, "8", "x".repeat(241)]);
    assertEquals(long.code, 64);
    assertStringIncludes(long.stderr, "241 bytes, expected at most 240");
  });
});

Deno.test("the store's 33rd parameter is refused by name and ends with 3", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "64K"]);
    const volume = await openVolume(openFileDevice(path));
    for (let id = 0; id < 32; id++) {
      await volume.parameters.set(id, new Uint8Array([id]));
    }
    await volume.close();
    const { code, stderr } = await runDisk(["param", "set", path, "32", "x"]);
    assertEquals(code, 3);
    assertMatch(
      stderr,
      /^spaceos-disk: ENOSPC: .*32 parameters in 32 slots\n$/,
    );
  });
});

Deno.test("events prints the log in order, filtered by severity, as text and as JSON lines", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "64K"]);
    await append(path, [
      [EventSeverity.DEBUG, "first"],
      [EventSeverity.ERROR, "second \x1b[31m"],
      [EventSeverity.INFO, "third"],
      [EventSeverity.CRITICAL, "fourth"],
    ]);
    const all = await runDisk(["events", path]);
    assertEquals(
      all.stdout,
      `     1        1000  DEBUG     BOOT  first
     2        1000  ERROR     BOOT  0x7365636f6e64201b5b33316d
     3        1000  INFO      BOOT  third
     4        1000  CRITICAL  BOOT  fourth
`,
    );
    const severe = await runDisk(["events", path, "-s", "error", "--json"]);
    const lines = severe.stdout.trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    assertEquals(lines.map(({ sequence }) => sequence), [2, 4]);
    assertEquals(lines[1], {
      sequence: 4,
      timestamp: 1000,
      severity: "CRITICAL",
      eventCode: 1,
      name: "BOOT",
      payload: "666f75727468",
      text: "fourth",
    });
    const last = await runDisk(["events", path, "--last", "1"]);
    assertStringIncludes(last.stdout, "fourth");
    assertEquals(last.stdout.split("\n").length, 2);
    assertEquals((await runDisk(["events", path, "-n0"])).stdout, "");
    const wrong = await runDisk(["events", path, "--severity", "loud"]);
    assertEquals(wrong.code, 64);
  });
});

Deno.test("events --follow prints what another program appends, and nothing twice", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "64K"]);
    await append(path, [[EventSeverity.INFO, "n0"]]);
    const [program = "", ...args] = diskCommand();
    const child = new Deno.Command(program, {
      args: [...args, "events", path, "--follow", "--json", "-s", "info"],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const seen: string[] = [];
    const lines = child.stdout.pipeThrough(new TextDecoderStream());
    const reader = lines.getReader();
    let buffer = "";
    const readUntil = async (count: number) => {
      while (seen.length < count) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`ended after ${seen.length} events`);
        buffer += value;
        const parts = buffer.split("\n");
        buffer = parts.pop() ?? "";
        seen.push(...parts.map((part) => JSON.parse(part).text));
      }
    };
    await readUntil(1);
    await append(path, [[EventSeverity.INFO, "n1"], [
      EventSeverity.DEBUG,
      "-",
    ]]);
    await readUntil(2);
    const many = Array.from(
      { length: 20 },
      (_, index) => [EventSeverity.WARNING, `n${index + 2}`] as const,
    );
    await append(path, many);
    await readUntil(22);
    child.kill("SIGTERM");
    await child.status;
    await reader.cancel();
    assertEquals(seen, Array.from({ length: 22 }, (_, index) => `n${index}`));
  });
});

Deno.test("dp put, list and get keep products of all sizes, through files and pipes", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "1M"]);
    const large = Uint8Array.from({ length: 100_000 }, (_, index) => index * 7);
    await Deno.writeFile(`${folder}/large`, large);
    const put = await runDisk([
      ...["dp", "put", path, "bild-ä", `${folder}/large`],
      ...["--class", "3", "--priority", "1"],
    ]);
    assertEquals(put.stdout, "bild-ä stored: 100000 bytes in 196 blocks\n");
    for (const bytes of [new Uint8Array(), new Uint8Array(512).fill(1)]) {
      const name = `n${bytes.length}`;
      const stored = await runDisk(["dp", "put", path, name, "-"], bytes);
      assertEquals(stored.code, 0, stored.stderr);
      assertEquals((await runDisk(["dp", "get", path, name])).bytes, bytes);
    }
    assertEquals((await runDisk(["dp", "get", path, "bild-ä"])).bytes, large);
    await runDisk(["dp", "get", path, "bild-ä", `${folder}/back`]);
    assertEquals(await Deno.readFile(`${folder}/back`), large);
    const list = await runDisk(["dp", "list", path]);
    assertMatch(
      list.stdout,
      /^BLOCK +CLASS +PRIORITY +BYTES +CRC32 +NAME\n33 +3 +1 +100000 +0x[0-9A-F]{8} +bild-ä\n/,
    );
    const json = JSON.parse(
      (await runDisk(["dp", "list", path, "--json"])).stdout,
    );
    assertEquals(
      json.map(({ name }: { name: string }) => name),
      ["bild-ä", "n0", "n512"],
    );
    assertEquals((await runDisk(["dp", "get", path, "none"])).code, 4);
    const huge = await runDisk(
      ["dp", "put", path, "huge", "-"],
      new Uint8Array(1_000_000),
    );
    assertEquals(huge.code, 3);
    assertStringIncludes(huge.stderr, "ENOSPC: huge needs 1954 blocks");
    assertEquals((await runDisk(["dp", "put", path, "", "-"])).code, 64);
    assertEquals((await runDisk(["check", path])).code, 0);
    // Damage in the data is found by get and by check.
    const image = await Deno.readFile(path);
    image[40 * 512] = (image[40 * 512] ?? 0) ^ 1;
    await Deno.writeFile(path, image);
    const bad = await runDisk(["dp", "get", path, "bild-ä"]);
    assertEquals([bad.code, bad.bytes.length], [2, 0]);
    assertEquals((await runDisk(["check", path])).code, 2);
    assertEquals((await runDisk(["check", path, "--no-data"])).code, 0);
  });
});

Deno.test("every command works inside a GPT partition and leaves the rest of the disk alone", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/disk.img`;
    const before = makeGptDisk([
      { number: 1, name: "other", firstSector: 64, sectors: 100 },
      { number: 2, name: "volume", firstSector: 1000, sectors: 500 },
    ]);
    before.fill(0xAB, 64 * 512, 164 * 512);
    await Deno.writeFile(path, before);
    const inside = ["--partition", "2"];
    const made = await runDisk(["format", path, ...inside, "--tenant", "3"]);
    assertEquals(made.code, 0, made.stderr);
    assertStringIncludes(made.stdout, `${path} partition 2: formatted, 500 `);
    await runDisk(["param", "set", path, "1", "x", ...inside]);
    await runDisk(["dp", "put", path, "p", `${folder}/disk.img`, ...inside]);
    assertEquals(
      (await runDisk(["param", "get", path, "1", ...inside])).stdout,
      "x\n",
    );
    assertEquals((await runDisk(["check", path, ...inside])).code, 0);
    const other = await runDisk(["format", path, "--partition", "1"]);
    assertEquals(other.code, 5);
    assertStringIncludes(other.stderr, "partition 1 holds data");
    const missing = await runDisk(["check", path, "--partition", "3"]);
    assertEquals(missing.code, 3);
    assertStringIncludes(
      missing.stderr,
      "has no partition 3, expected one of: 1, 2",
    );
    const after = await Deno.readFile(path);
    const start = 1000 * 512;
    const end = 1500 * 512;
    assertEquals(after.subarray(0, start), before.subarray(0, start));
    assertEquals(after.subarray(end), before.subarray(end));
    // With a damaged primary table, the backup is used and said to be.
    after[512] = 0;
    await Deno.writeFile(path, after);
    const backup = await runDisk(["check", path, ...inside]);
    assertEquals(backup.code, 0);
    assertStringIncludes(backup.stderr, "the backup GPT is used");
  });
});

Deno.test("a second writer is refused while the first holds the file, a reader is not", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "64K"]);
    const [program = "", ...args] = diskCommand();
    // `flock` stands in for a writer at work.
    const holder = new Deno.Command("flock", {
      args: [path, "sh", "-c", "echo held; read line"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = holder.stdout.getReader();
    await reader.read();
    const refused = await runProgram([
      program,
      ...args,
      ...["param", "set", path, "1", "x"],
    ]);
    assertEquals(refused.code, 5);
    assertStringIncludes(
      refused.stderr,
      `${path} is in use: another program holds a lock on it`,
    );
    assertEquals((await runDisk(["inspect", path])).code, 0);
    await holder.stdin.close();
    await holder.status;
    await reader.cancel();
    assertEquals((await runDisk(["param", "set", path, "1", "x"])).code, 0);
  });
});

Deno.test("a file that a virtual machine has locked is refused to writers and open to readers", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "64K"]);
    // QEMU takes read locks of this kind (F_OFD_SETLK, 37) on single bytes of an
    // image. Perl is on every Debian, and its fcntl takes the struct as bytes.
    const script = `open(my $file, "+<", $ARGV[0]) or die $!;
      my $lock = pack("ssx4qqlx4", 0, 0, 100, 1, 0);
      fcntl($file, 37, $lock) or die $!;
      $| = 1; print "held\n"; <STDIN>;`;
    const holder = new Deno.Command("perl", {
      args: ["-e", script, path],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = holder.stdout.getReader();
    assertEquals(
      new TextDecoder().decode((await reader.read()).value),
      "held\n",
    );
    for (const command of ["repair", "format"]) {
      const refused = await runDisk([command, path]);
      assertEquals(refused.code, 5);
      assertStringIncludes(
        refused.stderr,
        `${path} is in use: another program has it locked`,
      );
    }
    assertEquals((await runDisk(["check", path])).code, 0);
    await holder.stdin.close();
    await holder.status;
    await reader.cancel();
    assertEquals((await runDisk(["repair", path])).code, 0);
  });
});

Deno.test("colours come on a terminal only, and NO_COLOR keeps them off there", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "64K"]);
    const line = [...diskCommand(), "check", path].join(" ");
    const onTerminal = (variables: string) =>
      runProgram(["script", "-qec", `env ${variables} ${line}`, "/dev/null"]);
    const coloured = await onTerminal("-u NO_COLOR TERM=xterm");
    assertStringIncludes(coloured.stdout, "\x1b[32mclean\x1b[0m");
    for (
      const variables of ["NO_COLOR=1 TERM=xterm", "-u NO_COLOR TERM=dumb"]
    ) {
      const plain = await onTerminal(variables);
      assertEquals(plain.stdout, `${path}: clean\r\n`);
    }
    const piped = await runProgram(["sh", "-c", `TERM=xterm ${line} | cat`]);
    assertEquals(piped.stdout, `${path}: clean\n`);
  });
});

Deno.test("a reader of the pipe that goes away is no error", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "1M"]);
    await runDisk(["dp", "put", path, "p", "-"], new Uint8Array(500_000));
    const line = [...diskCommand(), "dp", "get", path, "p"].join(" ");
    const { stdout, stderr } = await runProgram([
      "bash",
      "-c",
      `${line} | head -c 10 >/dev/null; echo "\${PIPESTATUS[0]}"`,
    ]);
    assertEquals([stdout, stderr], ["0\n", ""]);
  });
});

Deno.test("format looks for data where the volume is to be, and not behind it", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/disk`;
    await Deno.writeFile(path, new Uint8Array());
    // Looking at all of it would take for ever.
    await Deno.truncate(path, 2 ** 40);
    using file = await Deno.open(path, { write: true });
    const mark = async (offset: number): Promise<void> => {
      await file.seek(offset, Deno.SeekMode.Start);
      await file.write(Uint8Array.of(1));
    };
    await mark(3 * 2 ** 20);
    const format = (...more: string[]) =>
      runDisk(["format", path, "--size", "2M", ...more]);
    assertEquals((await format()).code, 0);
    await mark(2 ** 21 - 1);
    await mark(0);
    const refused = await format();
    assertEquals(refused.code, 5);
    assertStringIncludes(refused.stderr, "holds data (first at byte 0)");
    assertEquals((await format("--force")).code, 0);
    const whole = await runDisk(["format", path]);
    assertEquals(whole.code, 5);
    assertStringIncludes(whole.stderr, "holds a spaceos volume");
  });
});

Deno.test("dp get leaves the old file, or none, when the new one has no room", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "1M"]);
    await runDisk(["dp", "put", path, "p", "-"], new Uint8Array(500_000));
    await Deno.mkdir(`${folder}/out`);
    await Deno.writeTextFile(`${folder}/out/old`, "as it was", { mode: 0o640 });
    await Deno.symlink("old", `${folder}/out/link`);
    const files = () =>
      [...Deno.readDirSync(`${folder}/out`)].map(({ name }) => name).sort();
    // A file may have 100 KiB; without the trap the kernel ends the program.
    const get = (file: string) =>
      runProgram([
        ...["bash", "-c", `trap "" XFSZ; ulimit -f 100; exec "$@"`, "bash"],
        ...[...diskCommand(), "dp", "get", path, "p", `${folder}/out/${file}`],
      ]);
    for (const file of ["old", "link", "new"]) {
      const { code, stderr } = await get(file);
      assertEquals(code, 3, stderr);
      assertStringIncludes(stderr, `/out/${file} can't be written: `);
      assertEquals(files(), ["link", "old"]);
    }
    assertEquals(await Deno.readTextFile(`${folder}/out/old`), "as it was");
    const whole = ["dp", "get", path, "p", `${folder}/out/link`];
    assertEquals((await runDisk(whole)).code, 0);
    assertEquals(files(), ["link", "old"]);
    const { size, mode } = await Deno.lstat(`${folder}/out/old`);
    assertEquals([size, (mode ?? 0) & 0o777], [500_000, 0o640]);
    if (Deno.uid() === 0) {
      await Deno.chown(`${folder}/out/old`, 1234, 1234);
      assertEquals((await runDisk(whole)).code, 0);
      assertEquals((await Deno.stat(`${folder}/out/old`)).uid, 1234);
      await Deno.chmod(`${folder}/out/old`, 0o444);
      const kept = await runProgram([
        ...["setpriv", "--bounding-set=-dac_override,-fowner"],
        ...[...diskCommand(), ...whole],
      ]);
      assertEquals(kept.code, 3);
      assertStringIncludes(
        kept.stderr,
        "/out/link can't be written: Permission",
      );
    }
    const before = await Deno.readFile(path);
    await Deno.link(path, `${folder}/other-name`);
    for (const file of [path, `${folder}/other-name`]) {
      const itself = await runDisk(["dp", "get", path, "p", file]);
      assertEquals(itself.code, 5);
      assertStringIncludes(itself.stderr, `${file} is the volume itself`);
    }
    assertEquals(await Deno.readFile(path), before);
    const refused = await runDisk(["dp", "get", path, "p", `${folder}/out`]);
    assertEquals(refused.code, 3);
    assertStringIncludes(refused.stderr, "/out can't be written: ");
    assertEquals(
      (await runDisk(["dp", "get", path, "p", "/dev/null"])).code,
      0,
    );
  });
});

Deno.test("what has no room to be written, and what has no end to be read, is one clear error", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v.img`;
    await runDisk(["format", path, "--size", "64K"]);
    await runDisk(["dp", "put", path, "p", "-"], new Uint8Array(5000));
    const full = await runDisk(["dp", "get", path, "p", "/dev/full"]);
    assertEquals([full.code, full.stdout], [3, ""]);
    assertMatch(
      full.stderr,
      /^spaceos-disk: \/dev\/full can't be written: .*\n$/,
    );
    // Its exit code 1 would say that all can be repaired.
    const line = [...diskCommand(), "check", path].join(" ");
    const unheard = await runProgram(["sh", "-c", `${line} >/dev/full`]);
    assertEquals(unheard.code, 3);
    assertMatch(
      unheard.stderr,
      /^spaceos-disk: standard output can't be written: .*\n$/,
    );
    for (
      const [args, room] of [
        [["dp", "put", path, "q", "/dev/zero"], 48128],
        [["param", "set", path, "1", "--file", "/dev/zero"], 240],
      ] as const
    ) {
      const endless = await runDisk(args);
      assertEquals(endless.code, 3);
      assertEquals(
        endless.stderr,
        `spaceos-disk: /dev/zero has more than ${room} bytes, expected at most that many\n`,
      );
    }
    assertEquals((await runDisk(["check", path])).code, 0);
  });
});
