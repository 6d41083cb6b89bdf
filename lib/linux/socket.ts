/**
 * Unix sockets, as far as an init needs them: the datagram socket on which
 * services notify (`sd_notify`), with the sender's identity from the kernel,
 * and pairs. Imports the libc table, the error type and files.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { close } from "./file.ts";
import { status } from "./file_status.ts";
import { bytesOf, cString } from "./c_string.ts";
import { check, errno, libc } from "./libc.ts";

/** Numbers of `sys/socket.h`, equal on x86-64 and AArch64. */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_PASSCRED = 16;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
const MSG_CTRUNC = 0x08;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

const EINTR = 4;
const ENOENT = 2;
const EAGAIN = 11;
const EINVAL = 22;
const ECONNREFUSED = 111;
const AT_FDCWD = -100;

/** `sun_path` has 108 bytes with the NUL. */
const MAXIMUM_PATH_BYTES = 107;

/** `struct sockaddr_un`: u16 family, then the path. `@name` is an abstract one. */
function unixAddress(path: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(path);
  if (name.length === 0 || name.length > MAXIMUM_PATH_BYTES) {
    throw new SystemError({
      syscall: "bind",
      errno: EINVAL,
      path,
      detail: `${name.length} bytes, expected 1 to ${MAXIMUM_PATH_BYTES}`,
    });
  }
  const abstract = path.startsWith("@");
  const address = new Uint8Array(
    new ArrayBuffer(2 + name.length + (abstract ? 0 : 1)),
  );
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  if (abstract) address[2] = 0;
  return address;
}

/** Options of {@linkcode bindDatagramSocket}. */
export interface DatagramSocketOptions {
  /** Permissions of the socket's file, default 0o600: root only. */
  readonly mode?: number;
  /** Bytes that the kernel keeps until they are read; left out, its default. */
  readonly receiveBufferBytes?: number;
}

/**
 * Makes a unix datagram socket at a path, O_NONBLOCK and close-on-exec, that
 * tells who sent each datagram. A socket that was left there by an earlier run
 * is replaced; a file of another kind is not.
 *
 * @param path A file, or `@name` for the abstract name space; at most 107 bytes.
 * @param options Permissions and buffer.
 * @returns The descriptor.
 * @throws {SystemError} With the path: EADDRINUSE, EACCES, ENOENT; EINVAL for a
 * path that is too long.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { close } from "./file.ts";
 * import { status } from "./file_status.ts";
 * import { bindDatagramSocket, receiveDatagram } from "./socket.ts";
 *
 * const descriptor = bindDatagramSocket(`@example-${Deno.pid}`);
 * assertEquals(receiveDatagram(descriptor, new Uint8Array(64)), null);
 * close(descriptor);
 * ```
 */
export function bindDatagramSocket(
  path: string,
  options: DatagramSocketOptions = {},
): number {
  const address = unixAddress(path);
  const descriptor = check(
    libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
    "socket",
  );
  try {
    setOption(descriptor, SO_PASSCRED, 1);
    if (options.receiveBufferBytes !== undefined) {
      setOption(descriptor, SO_RCVBUF, options.receiveBufferBytes);
    }
    if (isSocketFile(path)) {
      check(libc().unlinkat(AT_FDCWD, cString(path), 0), "unlink", path);
    }
    // The file is made with the permissions, not given them afterwards.
    const mask = libc().umask(0o777 & ~(options.mode ?? 0o600));
    try {
      check(libc().bind(descriptor, address, address.length), "bind", path);
    } finally {
      libc().umask(mask);
    }
    return descriptor;
  } catch (error) {
    close(descriptor);
    throw error;
  }
}

/** Whether a socket is there: nothing else is ever removed. */
function isSocketFile(path: string): boolean {
  if (path.startsWith("@")) return false;
  try {
    return status(path).kind === "socket";
  } catch (error) {
    if (error instanceof SystemError && error.errno === ENOENT) return false;
    throw error;
  }
}

function setOption(descriptor: number, option: number, value: number): void {
  const argument = new Int32Array(new ArrayBuffer(4));
  argument[0] = value;
  check(
    libc().setsockopt(descriptor, SOL_SOCKET, option, argument, 4),
    "setsockopt",
  );
}

/** A datagram and who sent it. */
export interface Datagram {
  /** How many bytes of the buffer it filled. */
  readonly length: number;
  /** Whether it was longer than the buffer. */
  readonly truncated: boolean;
  /** The sender's process, as the kernel says; 0 when it is not to be seen. */
  readonly pid: number;
  /** The sender's user. */
  readonly userId: number;
  /** The sender's group. */
  readonly groupId: number;
}

/** Room for SCM_CREDENTIALS (32 bytes) and SCM_RIGHTS of a sender who attaches descriptors. */
const CONTROL_SIZE = 512;
const VECTOR_OFFSET = 56;
const CONTROL_OFFSET = 72;

/**
 * Takes one datagram. Descriptors that a sender attached are closed: they would
 * fill our table.
 *
 * @param descriptor A socket of {@linkcode bindDatagramSocket}.
 * @param buffer Where to put the bytes.
 * @returns What came, or `null` when nothing is there.
 * @throws {SystemError} ENOMEM, EBADF.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { close } from "./file.ts";
 * import { status } from "./file_status.ts";
 * import {
 *   bindDatagramSocket,
 *   receiveDatagram,
 *   sendDatagram,
 * } from "./socket.ts";
 *
 * const name = `@example-receive-${Deno.pid}`;
 * const descriptor = bindDatagramSocket(name);
 * sendDatagram(name, new TextEncoder().encode("READY=1"));
 * const datagram = receiveDatagram(descriptor, new Uint8Array(64));
 * assertEquals(datagram?.length, 7);
 * assertEquals(datagram?.pid, Deno.pid);
 * close(descriptor);
 * ```
 */
export function receiveDatagram(
  descriptor: number,
  buffer: Uint8Array,
): Datagram | null {
  const target = bytesOf(buffer);
  // One piece of memory for all that the kernel follows by address, so that it
  // lives as long as the call: struct msghdr (name, namelen, iov, iovlen,
  // control, controllen, flags; 56 bytes), struct iovec (base, length) and the
  // control messages.
  const header = new DataView(
    new ArrayBuffer(CONTROL_OFFSET + CONTROL_SIZE),
  );
  const base = addressOf(header);
  header.setBigUint64(16, base + BigInt(VECTOR_OFFSET), true);
  header.setBigUint64(24, 1n, true);
  header.setBigUint64(32, base + BigInt(CONTROL_OFFSET), true);
  header.setBigUint64(40, BigInt(CONTROL_SIZE), true);
  header.setBigUint64(VECTOR_OFFSET, addressOf(target), true);
  header.setBigUint64(VECTOR_OFFSET + 8, BigInt(target.length), true);
  let length: number;
  for (;;) {
    length = Number(
      libc().recvmsg(descriptor, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC),
    );
    if (length !== -1) break;
    const number = errno();
    if (number === EINTR) continue;
    if (number === EAGAIN) return null;
    throw new SystemError({ syscall: "recvmsg", errno: number });
  }
  const flags = header.getInt32(48, true);
  const end = CONTROL_OFFSET +
    Math.min(Number(header.getBigUint64(40, true)), CONTROL_SIZE);
  let pid = 0, userId = 0xFFFF_FFFF, groupId = 0xFFFF_FFFF;
  for (let offset = CONTROL_OFFSET; offset + 16 <= end;) {
    // struct cmsghdr: size_t length with this header, int level, int type.
    const size = Number(header.getBigUint64(offset, true));
    if (size < 16 || offset + size > end) break;
    const type = header.getInt32(offset + 12, true);
    const isSocketLevel = header.getInt32(offset + 8, true) === SOL_SOCKET;
    if (isSocketLevel && type === SCM_CREDENTIALS && size >= 28) {
      pid = header.getInt32(offset + 16, true);
      userId = header.getUint32(offset + 20, true);
      groupId = header.getUint32(offset + 24, true);
    }
    if (isSocketLevel && type === SCM_RIGHTS) {
      for (let place = offset + 16; place + 4 <= offset + size; place += 4) {
        libc().close(header.getInt32(place, true));
      }
    }
    offset += (size + 7) & ~7;
  }
  return {
    length: Math.min(length, target.length),
    truncated: (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
    pid,
    userId,
    groupId,
  };
}

/**
 * Where a view's memory is. V8 keeps short arrays in its own heap, where they
 * move; asking for the buffer settles them.
 */
function addressOf(view: Uint8Array<ArrayBuffer> | DataView): bigint {
  const start = Deno.UnsafePointer.of(view.buffer as ArrayBuffer);
  return BigInt(Deno.UnsafePointer.value(start)) + BigInt(view.byteOffset);
}

/**
 * Sends one datagram to a unix socket without waiting.
 *
 * @param path The socket's file, or `@name`.
 * @param bytes The datagram.
 * @returns Whether it was taken; false when the receiver's buffer is full.
 * @throws {SystemError} With the path: ENOENT or ECONNREFUSED when nobody
 * listens, EMSGSIZE when it is too long.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { sendDatagram } from "./socket.ts";
 *
 * assertThrows(
 *   () => sendDatagram("@nobody-listens-here", new Uint8Array(1)),
 *   SystemError,
 *   "ECONNREFUSED",
 * );
 * ```
 */
export function sendDatagram(path: string, bytes: Uint8Array): boolean {
  const address = unixAddress(path);
  const descriptor = check(
    libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
    "socket",
  );
  try {
    check(libc().connect(descriptor, address, address.length), "connect", path);
    for (;;) {
      const count = Number(
        libc().send(
          descriptor,
          bytesOf(bytes),
          BigInt(bytes.length),
          MSG_NOSIGNAL,
        ),
      );
      if (count !== -1) return true;
      const number = errno();
      if (number === EINTR) continue;
      if (number === EAGAIN) return false;
      throw new SystemError({ syscall: "send", errno: number, path });
    }
  } finally {
    close(descriptor);
  }
}

/**
 * Makes two connected unix sockets, O_NONBLOCK and close-on-exec
 * (`socketpair(2)`).
 *
 * @param kind `"stream"` keeps no boundaries; `"packet"` does, and says when
 * the other side is gone.
 * @returns Both ends.
 * @throws {SystemError} EMFILE, ENFILE.
 *
 * @example
 * ```ts
 * import { close } from "./file.ts";
 * import { status } from "./file_status.ts";
 * import { socketPair } from "./socket.ts";
 *
 * const [left, right] = socketPair("packet");
 * close(left);
 * close(right);
 * ```
 */
export function socketPair(
  kind: "stream" | "packet" = "stream",
): [number, number] {
  const ends = new Int32Array(new ArrayBuffer(8));
  const type = (kind === "stream" ? SOCK_STREAM : SOCK_SEQPACKET) |
    SOCK_NONBLOCK | SOCK_CLOEXEC;
  check(libc().socketpair(AF_UNIX, type, 0, ends), "socketpair");
  return [ends[0] ?? -1, ends[1] ?? -1];
}

/** A server's or client's stream socket at a path. */
function streamSocket(): number {
  return check(
    libc().socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
    "socket",
  );
}

/**
 * Listens on a unix stream socket at a path, O_NONBLOCK and close-on-exec. A
 * socket that nobody listens on any more is replaced; one in use is not.
 *
 * @param path A file, or `@name`.
 * @param options Permissions of the file, default 0o600.
 * @returns The descriptor.
 * @throws {SystemError} With the path: EADDRINUSE when it is in use.
 *
 * @example
 * ```ts
 * import { close } from "./file.ts";
 * import { status } from "./file_status.ts";
 * import { listenStream } from "./socket.ts";
 *
 * close(listenStream(`@example-listen-${Deno.pid}`));
 * ```
 */
export function listenStream(
  path: string,
  options: { readonly mode?: number } = {},
): number {
  const address = unixAddress(path);
  if (isSocketFile(path) && isStale(path, address)) {
    check(libc().unlinkat(AT_FDCWD, cString(path), 0), "unlink", path);
  }
  const descriptor = streamSocket();
  try {
    const mask = libc().umask(0o777 & ~(options.mode ?? 0o600));
    try {
      check(libc().bind(descriptor, address, address.length), "bind", path);
    } finally {
      libc().umask(mask);
    }
    const BACKLOG = 64;
    check(libc().listen(descriptor, BACKLOG), "listen", path);
    return descriptor;
  } catch (error) {
    close(descriptor);
    throw error;
  }
}

function isStale(path: string, address: Uint8Array<ArrayBuffer>): boolean {
  const descriptor = streamSocket();
  try {
    check(libc().connect(descriptor, address, address.length), "connect", path);
    return false;
  } catch (error) {
    return error instanceof SystemError && error.errno === ECONNREFUSED;
  } finally {
    close(descriptor);
  }
}

/**
 * Takes one connection, O_NONBLOCK and close-on-exec (`accept4(2)`).
 *
 * @param listener A socket of {@linkcode listenStream}.
 * @returns The connection's descriptor, or `null` when nobody waits.
 * @throws {SystemError} EMFILE when there are no descriptors left; the
 * connection stays in the queue.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { close } from "./file.ts";
 * import { status } from "./file_status.ts";
 * import { acceptStream, listenStream } from "./socket.ts";
 *
 * const listener = listenStream(`@example-accept-${Deno.pid}`);
 * assertEquals(acceptStream(listener), null);
 * close(listener);
 * ```
 */
export function acceptStream(listener: number): number | null {
  const ECONNABORTED = 103;
  for (;;) {
    const descriptor = libc().accept4(
      listener,
      null,
      null,
      SOCK_NONBLOCK | SOCK_CLOEXEC,
    );
    if (descriptor !== -1) return descriptor;
    const number = errno();
    if (number === EAGAIN) return null;
    if (number === EINTR || number === ECONNABORTED) continue;
    throw new SystemError({ syscall: "accept4", errno: number });
  }
}

/**
 * Connects to a unix stream socket, O_NONBLOCK and close-on-exec.
 *
 * @param path The socket's file, or `@name`.
 * @returns The descriptor.
 * @throws {SystemError} With the path: ENOENT, ECONNREFUSED; EAGAIN when too
 * many wait there already.
 *
 * @example
 * ```ts
 * import { close } from "./file.ts";
 * import { status } from "./file_status.ts";
 * import { connectStream, listenStream } from "./socket.ts";
 *
 * const listener = listenStream(`@example-connect-${Deno.pid}`);
 * close(connectStream(`@example-connect-${Deno.pid}`));
 * close(listener);
 * ```
 */
export function connectStream(path: string): number {
  const address = unixAddress(path);
  const descriptor = streamSocket();
  try {
    check(libc().connect(descriptor, address, address.length), "connect", path);
    return descriptor;
  } catch (error) {
    close(descriptor);
    throw error;
  }
}
