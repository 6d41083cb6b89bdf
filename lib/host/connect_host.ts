/**
 * How a host's program comes to a VM: over the socket of its port, or over a
 * connection that is open already. Imports the client and its channel.
 *
 * @module
 */
import { HostClient } from "./client.ts";
import { HostClientError } from "./client_error.ts";
import {
  HostChannel,
  type HostChannelOptions,
  type HostConnection,
} from "./host_channel.ts";

/** Where a VM is met: the socket of its port, or a connection that is open. */
export type ConnectHostOptions =
  & HostChannelOptions
  & (
    | {
      /** The unix socket that QEMU serves for the port `ipc`. */
      readonly path: string;
    }
    | {
      /** An open connection, the client's own from now on. */
      readonly connection: HostConnection;
    }
  );

/** How long a place in the queue of a socket is waited for, unless told otherwise. */
const CONNECT_TIMEOUT_MS = 10_000;

/** How often it is tried. */
const CONNECT_RETRY_MS = 50;

/**
 * Connects to a VM.
 *
 * QEMU serves one connection at a time: while another program holds the
 * socket, connecting succeeds and nothing answers until that program has left.
 *
 * @param options Where, how long an answer may take, and how much may wait.
 * @returns The client; end it with `close`, or by `await using`.
 * @throws {HostClientError} Kind `unreachable` if there is no such socket, or
 * nobody serves it; kind `timeout` if it can't be entered in time.
 *
 * @example
 * ```ts
 * import { connectHost } from "./connect_host.ts";
 * import { readRequest, writeAnswer } from "./requests.ts";
 * import { decodeFrame } from "../wire/frame.ts";
 * import { assert } from "@std/assert";
 *
 * // In place of a VM: somebody who says yes to everything.
 * const folder = await Deno.makeTempDir();
 * const path = `${folder}/ipc.sock`;
 * const listener = Deno.listen({ transport: "unix", path });
 * const machine = listener.accept().then(async (connection) => {
 *   const bytes = new Uint8Array(256);
 *   while (await connection.read(bytes) !== null) {
 *     const request = readRequest(decodeFrame(bytes).payload);
 *     const frames: Uint8Array[] = [];
 *     writeAnswer(request, 0, new Uint8Array(), (frame) => frames.push(frame.slice()));
 *     for (const frame of frames) await connection.write(frame);
 *   }
 *   connection.close();
 * });
 *
 * {
 *   await using vm = await connectHost({ path });
 *   assert(await vm.ping() >= 0);
 *   await vm.restartService("camera");
 * }
 *
 * await machine;
 * listener.close();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function connectHost(
  options: ConnectHostOptions,
): Promise<HostClient> {
  if ("connection" in options) {
    return new HostClient(new HostChannel(options.connection, options));
  }
  const { path, timeoutMs = CONNECT_TIMEOUT_MS } = options;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    try {
      const connection = await Deno.connect({ transport: "unix", path });
      return new HostClient(new HostChannel(connection, options));
    } catch (cause) {
      if (!(cause instanceof Deno.errors.WouldBlock)) {
        const text = unreachableText(path, cause);
        throw new HostClientError("unreachable", text, { cause });
      }
      if (performance.now() > deadlineMs) {
        throw new HostClientError(
          "timeout",
          `${path}: other programs wait for this VM already, or it hangs`,
          { cause },
        );
      }
    }
    // The socket's queue is full: connect(2), EAGAIN.
    await new Promise((resolve) => setTimeout(resolve, CONNECT_RETRY_MS));
  }
}

function unreachableText(path: string, cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) {
    return `${path} is not there; expected the socket of a running VM`;
  }
  if (cause instanceof Deno.errors.ConnectionRefused) {
    if (!isSocket(path)) {
      return `${path} is no socket; expected the socket of a running VM`;
    }
    return `${path}: nobody serves this socket; expected a running VM`;
  }
  const text = cause instanceof Error ? cause.message : String(cause);
  return `${path} can't be connected to: ${text}`;
}

function isSocket(path: string): boolean {
  try {
    return Deno.statSync(path).isSocket === true;
  } catch {
    // It may not be looked at, or has gone: what connecting said is all there is.
    return true;
  }
}
