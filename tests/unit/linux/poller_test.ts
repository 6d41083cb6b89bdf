import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { pipe } from "../../../lib/linux/descriptor.ts";
import { close, open, read, write } from "../../../lib/linux/file.ts";
import { libc, overrideLibc, setErrno } from "../../../lib/linux/libc.ts";
import { Poller, type PollEvents } from "../../../lib/linux/poller.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function readText(descriptor: number): string | null {
  const buffer = new Uint8Array(4096);
  const count = read(descriptor, buffer);
  return count === null ? null : decoder.decode(buffer.subarray(0, count));
}

/** Resolves with the next events of a descriptor. */
function next(
  poller: Poller,
  descriptor: number,
  edge = false,
): Promise<PollEvents> {
  return new Promise((resolve) => {
    poller.add(descriptor, { read: true, edge }, (events) => {
      poller.remove(descriptor);
      resolve(events);
    });
  });
}

Deno.test("Poller delivers every message of 300 pipes to its own callback", async () => {
  const pipes = Array.from({ length: 300 }, () => pipe());
  const poller = new Poller();
  const received = new Map<number, string>();
  const messages = 5;
  let left = pipes.length * messages;
  const done = Promise.withResolvers<void>();
  pipes.forEach(([reader], index) => {
    poller.add(reader, { read: true }, () => {
      const text = readText(reader) ?? "";
      received.set(index, (received.get(index) ?? "") + text);
      left -= text.length / 5; // "0042\n"
      if (left === 0) done.resolve();
    });
  });
  for (let round = 0; round < messages; round++) {
    pipes.forEach(([, writer], index) => {
      write(writer, encoder.encode(`${index}`.padStart(4, "0") + "\n"));
    });
    // The reader and the writer take turns.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await done.promise;
  assertEquals(received.size, pipes.length);
  for (const [index, text] of received) {
    assertEquals(text, (`${index}`.padStart(4, "0") + "\n").repeat(messages));
  }
  await poller.close();
  for (const descriptor of pipes.flat()) close(descriptor);
});

Deno.test("Poller reports a hang-up, and data left before it", async () => {
  const poller = new Poller();
  const [reader, writer] = pipe();
  write(writer, encoder.encode("last words"));
  close(writer);
  const events = await next(poller, reader);
  assertEquals([events.readable, events.hangup], [true, true]);
  assertEquals(readText(reader), "last words");
  assertEquals(readText(reader), "");
  await poller.close();
  close(reader);
});

Deno.test("Poller reports room to write once the reader has made it", async () => {
  const poller = new Poller();
  const [reader, writer] = pipe();
  while (write(writer, new Uint8Array(65_536)) !== null);
  const events: PollEvents[] = [];
  const writable = Promise.withResolvers<void>();
  poller.add(writer, { read: false, write: true }, (event) => {
    events.push(event);
    poller.modify(writer, { read: false, write: false });
    writable.resolve();
  });
  // A turn of the loop in which nothing may be reported: the pipe is full.
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(events, []);
  while (readText(reader) !== null);
  await writable.promise;
  assertEquals(events.length, 1);
  assertEquals(events[0]?.writable, true);
  await poller.close();
  close(reader);
  close(writer);
});

Deno.test("Poller with edge reports a lasting hang-up once, and again after rearm", async () => {
  const poller = new Poller();
  const [reader, writer] = pipe();
  close(writer);
  let calls = 0;
  let called = Promise.withResolvers<void>();
  poller.add(reader, { read: true, edge: true }, () => {
    calls++;
    called.resolve();
  });
  await called.promise;
  // Another descriptor's events prove that the poller has gone round.
  for (let round = 0; round < 20; round++) {
    const [otherReader, otherWriter] = pipe();
    write(otherWriter, Uint8Array.of(1));
    await next(poller, otherReader);
    close(otherReader);
    close(otherWriter);
  }
  assertEquals(calls, 1);
  called = Promise.withResolvers<void>();
  poller.rearm(reader);
  await called.promise;
  assertEquals(calls, 2);
  await poller.close();
  close(reader);
});

Deno.test("Poller goes on after a callback that throws, and tells the hook, even one that throws", async () => {
  const told: string[] = [];
  const poller = new Poller({
    onError(error, descriptor) {
      told.push(`${descriptor}: ${error}`);
      throw new Error("from the hook");
    },
  });
  const [reader, writer] = pipe();
  let calls = 0;
  const twice = Promise.withResolvers<void>();
  poller.add(reader, { read: true }, () => {
    if (++calls === 2) twice.resolve();
    read(reader, new Uint8Array(1));
    throw new Error("from the callback");
  });
  write(writer, Uint8Array.of(1, 2));
  await twice.promise;
  await poller.close();
  assertEquals(told, Array(2).fill(`${reader}: Error: from the callback`));
  close(reader);
  close(writer);
});

Deno.test("Poller calls no callback that was removed by another of the same batch, nor one of the descriptor's next owner", async () => {
  const poller = new Poller();
  const pipes = Array.from({ length: 8 }, () => pipe());
  const called: number[] = [];
  const replacements: number[] = [];
  pipes.forEach(([reader], index) => {
    poller.add(reader, { read: true }, () => {
      called.push(index);
      // Everything else goes, and its numbers are used anew at once.
      for (const [other, writer] of pipes.splice(0)) {
        poller.remove(other);
        close(other);
        close(writer);
      }
      for (let count = 0; count < 4; count++) {
        const [fresh, freshWriter] = pipe();
        replacements.push(fresh, freshWriter);
        poller.add(fresh, { read: true }, () => called.push(-1));
      }
    });
  });
  for (const [, writer] of pipes) write(writer, Uint8Array.of(1));
  while (called.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const [reader, writer] = pipe();
  write(writer, Uint8Array.of(1));
  await next(poller, reader);
  assertEquals(called.length, 1);
  await poller.close();
  for (const descriptor of [...replacements, reader, writer]) close(descriptor);
});

Deno.test("Poller keeps no thread waiting when it has no descriptor", async () => {
  const code = `
    import { Poller } from "${new URL(
    "../../../lib/linux/poller.ts",
    import.meta.url,
  )}";
    import { pipe } from "${new URL(
    "../../../lib/linux/descriptor.ts",
    import.meta.url,
  )}";
    const poller = new Poller();
    const [reader] = pipe();
    poller.add(reader, {}, () => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
    poller.remove(reader);
    console.log("end of the program");
  `;
  // It would never end if the wait went on.
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-config",
      "--no-check",
      "-A",
      "data:application/typescript," + encodeURIComponent(code),
    ],
    stderr: "inherit",
  }).output();
  assert(success);
  assertStringIncludes(decoder.decode(stdout), "end of the program");
});

Deno.test("Poller starts waiting again after it had no descriptor", async () => {
  const poller = new Poller();
  for (let round = 0; round < 50; round++) {
    const [reader, writer] = pipe();
    write(writer, Uint8Array.of(1));
    const events = await next(poller, reader);
    assertEquals(events.readable, true);
    assertEquals(poller.size, 0);
    close(reader);
    close(writer);
  }
  await poller.close();
});

Deno.test("Poller refuses a descriptor twice, one that is unknown, and a regular file", async () => {
  const poller = new Poller();
  const [reader, writer] = pipe();
  poller.add(reader, {}, () => {});
  assertThrows(() => poller.add(reader, {}, () => {}), SystemError, "EEXIST");
  assertThrows(() => poller.modify(writer, {}), SystemError, "EBADF");
  assertThrows(() => poller.rearm(writer), SystemError, "EBADF");
  poller.remove(writer);
  const file = open("/proc/self/exe");
  assertThrows(() => poller.add(file, {}, () => {}), SystemError, "EPERM");
  assertEquals(poller.size, 1);
  await poller.close();
  await poller.close();
  assertThrows(() => poller.add(writer, {}, () => {}), SystemError, "closed");
  for (const descriptor of [reader, writer, file]) close(descriptor);
});

Deno.test("Poller asks again when a wait was interrupted, and says when waiting fails for good", async () => {
  let failures = 0;
  const told: unknown[] = [];
  const { epoll_waitAsync } = libc();
  const [reader, writer] = pipe();
  {
    using _ = overrideLibc({
      epoll_waitAsync: (epoll, events, count, timeout) =>
        failures++ < 3
          ? Promise.resolve(-1)
          : epoll_waitAsync(epoll, events, count, timeout),
    });
    const poller = new Poller({ onError: (error) => told.push(error) });
    write(writer, Uint8Array.of(1));
    await next(poller, reader);
    assertEquals(told, []);
    await poller.close();
  }
  {
    using _ = overrideLibc({
      epoll_waitAsync: () => Promise.resolve(-1),
      epoll_wait: () => setErrno(9),
    });
    const failed = Promise.withResolvers<void>();
    const poller = new Poller({ onError: (error) => failed.reject(error) });
    poller.add(reader, {}, () => {});
    await assertRejects(() => failed.promise, SystemError, "EBADF");
    await poller.close();
  }
  close(reader);
  close(writer);
});

Deno.test("Poller that lingers on a descriptor without rest still lets timers and promises have their turn", async () => {
  const poller = new Poller();
  const [reader, writer] = pipe();
  const byte = Uint8Array.of(1);
  let calls = 0;
  let promised = 0;
  // Each call makes the next: the descriptor is never without data.
  poller.add(reader, { read: true, edge: true, linger: true }, () => {
    calls++;
    void Promise.resolve().then(() => promised++);
    read(reader, new Uint8Array(8));
    write(writer, byte);
  });
  write(writer, byte);
  for (let turn = 0; turn < 20; turn++) {
    const before = calls;
    await new Promise((resolve) => setTimeout(resolve, 1));
    while (calls === before) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  assert(promised >= calls - 1, `${promised} of ${calls}`);
  poller.remove(reader);
  await poller.close();
  close(reader);
  close(writer);
});
