import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { pipe } from "../../../lib/linux/descriptor.ts";
import { close, open, read, write } from "../../../lib/linux/file.ts";
import { status } from "../../../lib/linux/file_status.ts";
import {
  acceptStream,
  bindDatagramSocket,
  connectStream,
  listenStream,
  receiveDatagram,
  sendDatagram,
  socketPair,
} from "../../../lib/linux/socket.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A connected socket can attach descriptors; only the tests send any. */
const sender = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
});

/** Sends a datagram with descriptors attached to an abstract socket. */
function sendWithDescriptors(
  name: string,
  bytes: Uint8Array,
  descriptors: number[],
): void {
  const socket = sender.symbols.socket(1, 2, 0);
  const address = new Uint8Array(2 + name.length);
  address[0] = 1;
  address.set(encoder.encode(name), 2);
  address[2] = 0;
  assertEquals(sender.symbols.connect(socket, address, address.length), 0);
  const memory = new ArrayBuffer(4096);
  const header = new DataView(memory);
  const base = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
  const at = (offset: number): bigint => base + BigInt(offset);
  const control = 16 + descriptors.length * 4;
  new Uint8Array(memory).set(bytes, 2048);
  header.setBigUint64(16, at(64), true);
  header.setBigUint64(24, 1n, true);
  header.setBigUint64(32, at(128), true);
  header.setBigUint64(40, BigInt((control + 7) & ~7), true);
  header.setBigUint64(64, at(2048), true);
  header.setBigUint64(72, BigInt(bytes.length), true);
  header.setBigUint64(128, BigInt(control), true);
  header.setInt32(136, 1, true); // SOL_SOCKET
  header.setInt32(140, 1, true); // SCM_RIGHTS
  descriptors.forEach((descriptor, index) =>
    header.setInt32(144 + index * 4, descriptor, true)
  );
  assertEquals(Number(sender.symbols.sendmsg(socket, header, 0)), bytes.length);
  close(socket);
}

Deno.test("receiveDatagram takes each datagram whole, with its sender, until there is none", () => {
  const name = `@spaceos-test-${crypto.randomUUID()}`;
  const socket = bindDatagramSocket(name);
  for (const text of ["READY=1", "", "WATCHDOG=1\nSTATUS=well"]) {
    assert(sendDatagram(name, encoder.encode(text)));
  }
  const buffer = new Uint8Array(64);
  for (const text of ["READY=1", "", "WATCHDOG=1\nSTATUS=well"]) {
    const datagram = receiveDatagram(socket, buffer);
    assert(datagram !== null);
    assertEquals(decoder.decode(buffer.subarray(0, datagram.length)), text);
    assertEquals(
      [datagram.truncated, datagram.pid, datagram.userId, datagram.groupId],
      [false, Deno.pid, Deno.uid(), Deno.gid()],
    );
  }
  assertEquals(receiveDatagram(socket, buffer), null);
  close(socket);
});

Deno.test("receiveDatagram says that a datagram was cut", () => {
  const name = `@spaceos-test-${crypto.randomUUID()}`;
  const socket = bindDatagramSocket(name);
  sendDatagram(name, encoder.encode("0123456789"));
  const datagram = receiveDatagram(socket, new Uint8Array(4));
  assertEquals([datagram?.length, datagram?.truncated], [4, true]);
  close(socket);
});

Deno.test("receiveDatagram closes descriptors that a sender attached", () => {
  const name = `@spaceos-test-${crypto.randomUUID()}`;
  const socket = bindDatagramSocket(name);
  const descriptor = open("/dev/null");
  const count = (): number => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = count();
  for (const attached of [1, 2, 50, 253]) {
    sendWithDescriptors(
      name,
      encoder.encode("FDSTORE=1"),
      Array(attached).fill(descriptor),
    );
    const datagram = receiveDatagram(socket, new Uint8Array(64));
    assertEquals(datagram?.length, 9);
    assertEquals(datagram?.pid, Deno.pid);
    assertEquals(count(), before, `${attached} descriptors attached`);
  }
  close(descriptor);
  close(socket);
});

Deno.test("sendDatagram answers false when the receiver is full, and never waits", () => {
  const name = `@spaceos-test-${crypto.randomUUID()}`;
  const socket = bindDatagramSocket(name);
  let sent = 0;
  while (sendDatagram(name, new Uint8Array(100))) {
    assert(++sent < 100_000);
  }
  assert(sent > 0);
  close(socket);
});

Deno.test("bindDatagramSocket makes its file with the mode given, and replaces an old one", () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/notify`;
  close(bindDatagramSocket(path));
  assertEquals(status(path).kind, "socket");
  assertEquals(status(path).mode, 0o600);
  const mask = Deno.umask();
  const socket = bindDatagramSocket(path, { mode: 0o622 });
  assertEquals(status(path).mode, 0o622);
  assertEquals(Deno.umask(), mask);
  sendDatagram(path, encoder.encode("x"));
  assertEquals(receiveDatagram(socket, new Uint8Array(8))?.length, 1);
  close(socket);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("bindDatagramSocket refuses a path that does not fit, or that has no folder", () => {
  assertThrows(
    () => bindDatagramSocket("/tmp/" + "x".repeat(103)),
    SystemError,
    "108 bytes, expected 1 to 107",
  );
  assertThrows(() => bindDatagramSocket(""), SystemError, "EINVAL");
  assertThrows(
    () => bindDatagramSocket("/no/such/folder/socket"),
    SystemError,
    "ENOENT",
  );
});

Deno.test("listenStream replaces a socket nobody listens on, and leaves one in use", () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/control`;
  const first = listenStream(path);
  assertThrows(() => listenStream(path), SystemError, "EADDRINUSE");
  close(first);
  const second = listenStream(path);
  assertEquals(acceptStream(second), null);
  const client = connectStream(path);
  const server = acceptStream(second);
  assert(server !== null);
  write(client, encoder.encode("ping"));
  const buffer = new Uint8Array(8);
  assertEquals(read(server, buffer), 4);
  assertEquals(read(server, buffer), null);
  for (const descriptor of [client, server, second]) close(descriptor);
  assertThrows(() => connectStream(path), SystemError, "ECONNREFUSED");
  Deno.writeTextFileSync(`${directory}/file`, "precious");
  assertThrows(
    () => bindDatagramSocket(`${directory}/file`),
    SystemError,
    "EADDRINUSE",
  );
  assertThrows(
    () => listenStream(`${directory}/file`),
    SystemError,
    "EADDRINUSE",
  );
  assertEquals(Deno.readTextFileSync(`${directory}/file`), "precious");
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("socketPair keeps boundaries for packets, and answers null instead of waiting", () => {
  const [left, right] = socketPair("packet");
  write(left, encoder.encode("one"));
  write(left, encoder.encode("two"));
  const buffer = new Uint8Array(64);
  assertEquals(
    [read(right, buffer), read(right, buffer), read(right, buffer)],
    [3, 3, null],
  );
  close(left);
  assertEquals(read(right, buffer), 0);
  close(right);
});

Deno.test("pipe blocks only where it was asked to", () => {
  const flags = (descriptor: number): boolean => {
    const text = Deno.readTextFileSync(`/proc/self/fdinfo/${descriptor}`);
    return (parseInt(/flags:\s+([0-7]+)/.exec(text)?.[1] ?? "", 8) & 0o4000) !==
      0;
  };
  const [reader, writer] = pipe({ nonblockWriter: false });
  assert(flags(reader));
  assertFalse(flags(writer));
  close(reader);
  close(writer);
});
