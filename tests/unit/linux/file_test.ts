import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import {
  lastingPipe,
  openWriter,
  pipe,
  tryLock,
} from "../../../lib/linux/descriptor.ts";
import { close, open, read, write } from "../../../lib/linux/file.ts";
import { sizeBytes, status } from "../../../lib/linux/file_status.ts";
import {
  fdatasync,
  fdatasyncAsync,
  pread,
  preadAsync,
  pwrite,
  pwriteAsync,
  truncate,
} from "../../../lib/linux/positioned_file.ts";
import { overrideLibc, setErrno } from "../../../lib/linux/libc.ts";

function withFile(
  action: (path: string) => void | Promise<void>,
): void | Promise<void> {
  const path = Deno.makeTempFileSync();
  const result = action(path);
  if (result instanceof Promise) {
    return result.finally(() => Deno.removeSync(path));
  }
  Deno.removeSync(path);
}

Deno.test("open makes files with the mode given, exclusively if asked, and close-on-exec", () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/new`;
  const mask = Deno.umask(0);
  const descriptor = open(path, ["writeOnly", "create", "exclusive"], 0o640);
  Deno.umask(mask);
  assertEquals(status(path).mode, 0o640);
  assertEquals(status(path).kind, "file");
  assertThrows(
    () => open(path, ["writeOnly", "create", "exclusive"]),
    SystemError,
    "EEXIST",
  );
  const information = Deno.readTextFileSync(`/proc/self/fdinfo/${descriptor}`);
  const flags = parseInt(/flags:\s+([0-7]+)/.exec(information)?.[1] ?? "", 8);
  assertEquals(flags & 0o2000000, 0o2000000, "close-on-exec");
  close(descriptor);
  const link = `${directory}/link`;
  Deno.symlinkSync(path, link);
  assertThrows(() => open(link, ["noFollow"]), SystemError, "ELOOP");
  assertThrows(() => open(path, ["directory"]), SystemError, "ENOTDIR");
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("pread and pwrite go on after short transfers, up to the end of the file", () =>
  withFile((path) => {
    const descriptor = open(path, ["readWrite"]);
    const data = crypto.getRandomValues(new Uint8Array(5000));
    pwrite(descriptor, data, 3);
    assertEquals(sizeBytes(descriptor), 5003);
    const buffer = new Uint8Array(6000);
    assertEquals(pread(descriptor, buffer, 3), 5000);
    assertEquals(buffer.subarray(0, 5000), data);
    assertEquals(pread(descriptor, buffer, 9000), 0);
    truncate(descriptor, 4096);
    assertEquals(sizeBytes(descriptor), 4096);
    fdatasync(descriptor);
    close(descriptor);
  }));

Deno.test("pread and pwrite ask for the rest after a short transfer and after a signal", () => {
  const calls: [number, number][] = [];
  const answers = [3, -1, 4, 1];
  const answer = (
    _: number,
    __: unknown,
    count: number | bigint,
    offset: number | bigint,
  ): number => {
    calls.push([Number(count), Number(offset)]);
    const result = answers[calls.length - 1] ?? 0;
    if (result === -1) setErrno(4);
    return result;
  };
  {
    using _ = overrideLibc({ pread: answer });
    assertEquals(pread(9, new Uint8Array(8), 100), 8);
  }
  const expected: [number, number][] = [[8, 100], [5, 103], [5, 103], [1, 107]];
  assertEquals(calls, expected);
  calls.length = 0;
  using _ = overrideLibc({ pwrite: answer });
  pwrite(9, new Uint8Array(8), 100);
  assertEquals(calls, expected);
});

Deno.test("pwrite does not spin when a device takes nothing", () => {
  using _ = overrideLibc({ pwrite: () => 0 });
  assertThrows(() => pwrite(9, new Uint8Array(8), 0), SystemError, "EIO");
});

Deno.test("preadAsync, pwriteAsync and fdatasyncAsync do the same on another thread", async () => {
  await withFile(async (path) => {
    const descriptor = open(path, ["readWrite"]);
    const pieces = Array.from(
      { length: 20 },
      () => crypto.getRandomValues(new Uint8Array(512)),
    );
    await Promise.all(
      pieces.map((piece, index) => pwriteAsync(descriptor, piece, index * 512)),
    );
    await fdatasyncAsync(descriptor);
    const buffers = pieces.map(() => new Uint8Array(512));
    const counts = await Promise.all(
      buffers.map((buffer, index) =>
        preadAsync(descriptor, buffer, index * 512)
      ),
    );
    assertEquals(counts, pieces.map(() => 512));
    assertEquals(buffers, pieces);
    assertEquals(
      await preadAsync(descriptor, new Uint8Array(512), 20 * 512),
      0,
    );
    close(descriptor);
    await assertRejects(
      () => preadAsync(descriptor, new Uint8Array(1), 0),
      SystemError,
      "EIO",
    );
    await assertRejects(
      () => pwriteAsync(descriptor, new Uint8Array(1), 0),
      SystemError,
      "EIO",
    );
  });
});

Deno.test("preadAsync fills a short buffer that garbage collection moves about", async () => {
  const descriptor = open("/dev/zero");
  for (let round = 0; round < 200; round++) {
    const buffers = Array.from({ length: 8 }, () => new Uint8Array(16).fill(1));
    const reads = buffers.map((buffer) => preadAsync(descriptor, buffer, 0));
    // Garbage, so that young objects are moved while the other thread writes.
    const garbage = Array.from(
      { length: 500 },
      () => new Uint8Array(40).fill(7),
    );
    await Promise.all(reads);
    for (const buffer of buffers) assertEquals(buffer, new Uint8Array(16));
    assert(garbage.every((bytes) => bytes.every((byte) => byte === 7)));
  }
  close(descriptor);
});

Deno.test("read and write answer null where they would block, and throw what fails", () => {
  const [reader, writer] = pipe();
  assertEquals(read(reader, new Uint8Array(1)), null);
  let total = 0;
  for (;;) {
    const count = write(writer, new Uint8Array(1000));
    if (count === null) break;
    total += count;
  }
  assert(total >= 4096);
  close(reader);
  assertThrows(() => write(writer, Uint8Array.of(1)), SystemError, "EPIPE");
  close(writer);
  assertThrows(() => read(writer, new Uint8Array(1)), SystemError, "EBADF");
});

Deno.test("read and write never take another failure for would-block", () => {
  const directory = open("/tmp", ["directory"]);
  const reader = open("/dev/null");
  const buffer = new Uint8Array(8);
  for (let round = 0; round < 50_000; round++) {
    // Garbage, so that the runtime has calls of its own to make.
    const garbage = Array.from({ length: 20 }, () => ({ round }));
    const codes = [() => read(directory, buffer), () => write(reader, buffer)]
      .map((call) => {
        try {
          return `${call()}`;
        } catch (error) {
          return error instanceof SystemError ? error.code : `${error}`;
        }
      });
    if (codes.join() !== "EISDIR,EBADF" || garbage.length !== 20) {
      assertEquals(codes, ["EISDIR", "EBADF"], `round ${round}`);
    }
  }
  close(directory);
  close(reader);
});

Deno.test("read and write repeat after a signal", () => {
  let calls = 0;
  const interruptedOnce = (): number => ++calls % 2 === 1 ? setErrno(4) : 5;
  using _ = overrideLibc({ read: interruptedOnce, write: interruptedOnce });
  assertEquals(read(9, new Uint8Array(5)), 5);
  assertEquals(write(9, new Uint8Array(5)), 5);
  assertEquals(calls, 4);
});

Deno.test("close does not close twice after EINTR, when the number may be another's", () => {
  let calls = 0;
  using _ = overrideLibc({
    close: () => {
      calls++;
      return setErrno(4);
    },
  });
  close(9);
  assertEquals(calls, 1);
});

Deno.test("tryLock keeps a second open file out until the first is closed", () =>
  withFile((path) => {
    const first = open(path);
    const second = open(path);
    assert(tryLock(first));
    assertFalse(tryLock(second));
    assertFalse(tryLock(second, "shared"));
    close(first);
    assert(tryLock(second));
    close(second);
  }));

Deno.test("status tells every kind of file, by path and by descriptor", () => {
  const kinds = {
    "/": "directory",
    "/dev/null": "character device",
    "/proc/self/status": "file",
  } as const;
  for (const [path, kind] of Object.entries(kinds)) {
    assertEquals(status(path).kind, kind, path);
  }
  const [reader, writer] = pipe();
  assertEquals(status(reader).kind, "pipe");
  close(reader);
  close(writer);
  const real = Deno.statSync("/etc/passwd");
  const ours = status("/etc/passwd");
  assertEquals(
    [
      ours.lengthBytes,
      ours.mode,
      ours.userId,
      ours.groupId,
      Number(ours.inode),
    ],
    [real.size, (real.mode ?? 0) & 0o7777, real.uid, real.gid, real.ino],
  );
  assertEquals(Math.floor(ours.modifiedMs), real.mtime?.getTime());
  const error = assertThrows(() => status("/no/such/file"), SystemError);
  assertEquals([error.code, error.path], ["ENOENT", "/no/such/file"]);
});

Deno.test("lastingPipe is never at its end, holds what was written, and its writers wait", () => {
  const [reader, first] = lastingPipe();
  const buffer = new Uint8Array(16);
  for (const writer of [first, openWriter(reader), openWriter(reader)]) {
    assertEquals(read(reader, buffer), null);
    write(writer, Uint8Array.of(1, 2, 3));
    close(writer);
    assertEquals(read(reader, buffer), 3);
    const O_NONBLOCK = 0o4000;
    const again = openWriter(reader);
    const flags = Deno.readTextFileSync(`/proc/self/fdinfo/${again}`);
    const bits = parseInt(/^flags:\s+(\d+)/m.exec(flags)?.[1] ?? "", 8);
    assertEquals(bits & (O_NONBLOCK | 3), 1);
    close(again);
  }
  close(reader);
});
