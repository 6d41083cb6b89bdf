/**
 * How services say that they are ready and alive: a descriptor as s6 has it, a
 * datagram socket as systemd has it, and a path that appears. Every channel
 * belongs to one instance, so that a word of an earlier process can't be taken
 * for one of the present process. Imports `linux`, the supervisor's types and
 * this room.
 *
 * @module
 */
import { pipe } from "../linux/descriptor.ts";
import { close, read } from "../linux/file.ts";
import {
  changeOwner,
  makeDirectories,
  removeFile,
} from "../linux/file_tree.ts";
import type { Poller } from "../linux/poller.ts";
import { bindDatagramSocket, receiveDatagram } from "../linux/socket.ts";
import type { SupervisorEvent } from "../supervisor/supervisor_types.ts";
import { PathWatch } from "./path_watch.ts";

/** Where the sockets are. */
const SOCKET_DIRECTORY = "/run/spaceos/notify";

/** Datagrams taken in one go; then the other descriptors have their turn. */
const DATAGRAM_BATCH = 64;

const NEWLINE = 0x0a;

/** Which process a channel belongs to. */
export interface NotifyOwner {
  /** The service. */
  readonly service: string;
  /** The instance's number. */
  readonly instance: number;
}

/** An open descriptor of an instance. */
interface Channel {
  /** Takes what is there. */
  readonly take: () => void;
  /** Closes it for good. */
  readonly close: () => void;
}

/** The notification channels of all services. */
export class ServiceNotify {
  readonly #poller: Poller;
  readonly #dispatch: (event: SupervisorEvent) => void;
  readonly #buffer = new Uint8Array(4096);
  readonly #channels = new Map<number, Channel[]>();
  readonly #paths: PathWatch;

  /**
   * Begins without channels.
   *
   * @param poller Says when there is something to read.
   * @param dispatch Where the news goes.
   */
  constructor(poller: Poller, dispatch: (event: SupervisorEvent) => void) {
    this.#poller = poller;
    this.#paths = new PathWatch(poller);
    this.#dispatch = dispatch;
  }

  /**
   * A pipe on which the instance writes a line feed when it is ready.
   *
   * @param owner Whose it is.
   * @returns The end that the child gets; close it after the spawn.
   * @throws {SystemError} EMFILE when there are no descriptors left.
   */
  openPipe(owner: NotifyOwner): number {
    const [reader, writer] = pipe({ nonblockWriter: false });
    const take = () => {
      const count = read(reader, this.#buffer);
      if (count === null) return;
      const isLine = this.#buffer.subarray(0, count).includes(NEWLINE);
      // At its end (0) the pipe would be reported without end.
      if (isLine || count === 0) this.#poller.remove(reader);
      if (isLine) this.#dispatch({ kind: "notify-line", ...owner });
    };
    this.#open(owner, reader, { take, close: () => close(reader) });
    return writer;
  }

  /**
   * A datagram socket for `NOTIFY_SOCKET` (sd_notify(3)).
   *
   * @param owner Whose it is.
   * @param userId Who may write to it besides root.
   * @param groupId That user's group.
   * @returns The socket's path.
   * @throws {SystemError} If it can't be made.
   */
  openSocket(owner: NotifyOwner, userId: number, groupId: number): string {
    makeDirectories(SOCKET_DIRECTORY, 0o755);
    // The number keeps paths apart; the name would not fit 107 bytes always.
    const path = `${SOCKET_DIRECTORY}/${owner.instance}`;
    const socket = bindDatagramSocket(path);
    changeOwner(path, userId, groupId);
    const take = () => {
      for (let taken = 0; taken < DATAGRAM_BATCH; taken++) {
        const datagram = receiveDatagram(socket, this.#buffer);
        if (datagram === null) return;
        const text = new TextDecoder().decode(
          this.#buffer.subarray(0, datagram.length),
        );
        this.#dispatch({ kind: "sd-notify", ...owner, text });
      }
    };
    const end = () => {
      close(socket);
      removeFile(path);
    };
    this.#open(owner, socket, { take, close: end });
    return path;
  }

  /**
   * Removes what an earlier process left at a readiness path: a socket or a
   * plain file that is still there would say "ready" for one that is not.
   *
   * @param path An absolute path.
   */
  clearPath(path: string): void {
    try {
      const { isFile, isSocket } = Deno.lstatSync(path);
      if (isFile || isSocket) removeFile(path);
    } catch {
      // It is not there, which is what was wanted.
    }
  }

  /**
   * Tells as soon as a path exists, now or later; the start time-out bounds it.
   *
   * @param owner Whose readiness it is.
   * @param path An absolute path.
   */
  watchPath(owner: NotifyOwner, path: string): void {
    this.#paths.add(
      owner.instance,
      path,
      () => this.#dispatch({ kind: "path-exists", ...owner }),
    );
  }

  /**
   * Stops looking for a path.
   *
   * @param owner Whose readiness it was.
   */
  unwatchPath(owner: NotifyOwner): void {
    this.#paths.remove(owner.instance);
  }

  /**
   * Takes the last words of an instance, and closes everything of it.
   *
   * @param owner The instance whose process has ended.
   */
  end(owner: NotifyOwner): void {
    this.unwatchPath(owner);
    const channels = this.#channels.get(owner.instance) ?? [];
    this.#channels.delete(owner.instance);
    for (const channel of channels) {
      try {
        channel.take();
      } finally {
        try {
          channel.close();
        } catch {
          // A socket whose file somebody removed is closed all the same.
        }
      }
    }
  }

  #open(owner: NotifyOwner, descriptor: number, channel: Channel): void {
    const { take } = channel;
    this.#poller.add(descriptor, { read: true }, take);
    const channels = this.#channels.get(owner.instance) ?? [];
    channels.push({
      take,
      close: () => {
        this.#poller.remove(descriptor);
        channel.close();
      },
    });
    this.#channels.set(owner.instance, channels);
  }
}
