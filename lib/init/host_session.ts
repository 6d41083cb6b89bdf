/**
 * The conversation with the host: frames in become requests for the core or
 * ERROR frames for the sender, frames out wait in the link's queue, and the
 * log is followed while the host wants it. Imports `host`, `wire` and the log.
 *
 * @module
 */
import type {
  FramePriority,
  HostLink,
  LinkCounters,
  LinkEvents,
} from "../host/link.ts";
import { HOST_PORT_NAME } from "../host/ports.ts";
import { errorFrame, type HostRequest, readRequest } from "../host/requests.ts";
import { FrameErrorCode } from "../wire/error_frame.ts";
import { Apid, type Frame, FrameType, receiveFrame } from "../wire/frame.ts";
import type { Log, LogLine } from "./log.ts";
import { logFrames } from "./log_frames.ts";
import type { OpenedLink } from "./machine.ts";

/** How long to wait before trying to open the host's port again. */
const PORT_RETRY_MS = 1_000;

/** What a session works with. */
export interface HostSessionParts {
  /** Opens the machine's port for the host; null when it has none. */
  readonly openLink: (events: LinkEvents) => OpenedLink | null;
  /** Says what happens to the link, and is what the host can follow. */
  readonly log: Log;
  /** Takes what the host asks for. */
  readonly onRequest: (request: HostRequest) => void;
}

/** The host, whether it is there or not. */
export class HostSession {
  readonly #parts: HostSessionParts;
  #link: HostLink | null = null;
  #unfollow: (() => void) | null = null;

  /**
   * Begins without a port.
   *
   * @param parts What it works with.
   */
  constructor(parts: HostSessionParts) {
    this.#parts = parts;
  }

  /** The link's counters; zeros while there is none. */
  get counters(): LinkCounters {
    return this.#link?.counters ??
      { framesIn: 0, framesOut: 0, framesDropped: 0 };
  }

  /** Opens the port, now or as soon as another program lets it go. */
  open(): void {
    const { log, openLink } = this.#parts;
    try {
      const opened = openLink({
        onFrame: (frame) => this.#received(frame),
        onConnected: (isConnected) => {
          // Who comes next asks for the log anew, if it wants it.
          if (!isConnected) this.#endFollowing();
          log.debug(`host ${isConnected ? "connected" : "away"}`);
        },
      });
      if (opened === null) {
        log.info(`host link: no virtio-serial port ${HOST_PORT_NAME}`);
        return;
      }
      this.#link = opened.link;
      log.info(`host link: ${opened.path}`);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log.warning(`host link: ${text}`);
      setTimeout(() => this.open(), PORT_RETRY_MS);
    }
  }

  /**
   * Sends a frame, or queues it; without a port it is lost.
   *
   * @param frame 256 bytes.
   * @param priority Whether it may make room for others.
   */
  send(frame: Uint8Array, priority: FramePriority): void {
    this.#link?.send(frame, priority);
  }

  /**
   * Sends the lines that the log holds, and from then on each new one.
   *
   * @param wanted Whether to begin or to end, and whose lines; null for all.
   */
  followLog(
    wanted: { readonly isOn: boolean; readonly name: string | null },
  ): void {
    this.#endFollowing();
    if (!wanted.isOn) return;
    const { log } = this.#parts;
    const { name } = wanted;
    const send = (line: LogLine) => {
      if (name !== null && line.name !== name) return;
      for (const frame of logFrames(line)) this.send(frame, "telemetry");
    };
    for (const line of log.recent()) send(line);
    this.#unfollow = log.follow(send);
  }

  #endFollowing(): void {
    this.#unfollow?.();
    this.#unfollow = null;
  }

  #received(bytes: Uint8Array): void {
    const received = receiveFrame(bytes);
    if (!received.ok) {
      this.#parts.log.debug(`frame refused: ${received.reason}`);
      if (received.answer) this.send(errorFrame(received.fault), "answer");
      return;
    }
    const { frame } = received;
    if (frame.type === FrameType.ERROR) return;
    // Only the host commands: what a peer behind it sends is not for the init.
    if (frame.apid !== Apid.HOST) {
      return this.#refuse(frame, FrameErrorCode.APID_NOT_ALLOCATED);
    }
    if (frame.type !== FrameType.TC) {
      return this.#refuse(frame, FrameErrorCode.UNKNOWN_TYPE);
    }
    let request: HostRequest;
    try {
      request = readRequest(frame.payload);
    } catch {
      return this.#refuse(frame, FrameErrorCode.MALFORMED);
    }
    this.#parts.onRequest(request);
  }

  #refuse(frame: Frame, code: FrameErrorCode): void {
    const fault = {
      code,
      offendingType: frame.type,
      offendingApid: frame.apid,
      offendingPayloadLength: frame.payload.length,
    };
    this.send(errorFrame(fault), "answer");
  }
}
