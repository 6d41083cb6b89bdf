/**
 * The conversation with the host: frames in become requests for the core,
 * questions for the parameter desk, or ERROR frames for the sender; frames out
 * wait in the link's queue. Imports `host`, `wire`, the log and the desk's type.
 *
 * Room for an answer is kept from the moment that a request is taken, so an
 * answer is never lost for want of it; a request for whose answer there is no
 * room is refused with HOST_BUSY. Whoever hangs up is owed nothing any more. But
 * the news of a hang-up may come late: what was asked in the last
 * {@linkcode LATE_NEWS_MS} may be the question of the host that came next, and
 * is answered to whoever is there; so is what was staged then, and a log that
 * was to be followed.
 *
 * While the log is followed, an answer comes after some of its lines, as long as
 * there are any: who has got two answers in a row has got all lines.
 *
 * @module
 */
import { hostCommand } from "../host/commands.ts";
import type { FrameLane } from "../host/frame_queue.ts";
import {
  type HostLink,
  LATE_NEWS_MS,
  type LinkCounters,
  type LinkEvents,
} from "../host/link.ts";
import { HOST_PORT_NAME } from "../host/ports.ts";
import {
  answerLimitFrames,
  errorFrame,
  frameToHost,
  type HostRequest,
  readRequest,
  writeAnswer,
} from "../host/requests.ts";
import { FrameErrorCode } from "../wire/error_frame.ts";
import { Apid, type Frame, FrameType, receiveFrame } from "../wire/frame.ts";
import {
  decodeParameterGet,
  decodeParameterSet,
  encodeParameterResponses,
  type ParameterAnswer,
} from "../wire/parameter_message.ts";
import { StagingId } from "../wire/parameter_staging.ts";
import { CommandCode } from "../wire/telecommand.ts";
import type { Log } from "./log.ts";
import { LogFollower } from "./log_follower.ts";
import type { OpenedLink } from "./machine.ts";
import type { ParameterDesk } from "./parameter_desk.ts";

/** How long to wait before trying to open the host's port again. */
const PORT_RETRY_MS = 1_000;

/** The frames of one parameter: a long value takes two. */
const PARAMETER_FRAMES = 2;

/** The frames of all parameters: 32 stored ones, and the init's own. */
const ALL_PARAMETERS_FRAMES = 128;

/**
 * The most frames that may be kept for answers that wait for the disk or a
 * look at the system, so that what is answered at once is answered also while
 * many of those are owed.
 */
const DEFERRED_FRAMES = 512;

/** The commands whose answers wait so; of parameters, PRM_SET does. */
const DEFERRED_COMMANDS: ReadonlySet<number> = new Set([
  CommandCode.LEAVE_SAFE_MODE,
  CommandCode.FDIR_CHECK,
  CommandCode.DP_LIST,
  CommandCode.DP_READ,
]);

const NO_BYTES = new Uint8Array();

/** What a session works with. */
export interface HostSessionParts {
  /** Opens the machine's port for the host; null when it has none. */
  readonly openLink: (events: LinkEvents) => OpenedLink | null;
  /** Says what happens to the link, and is what the host can follow. */
  readonly log: Log;
  /** Takes what the host asks for; each request is answered once. */
  readonly onRequest: (request: HostRequest) => void;
  /** Answers what the host asks of parameters. */
  readonly parameters: Pick<ParameterDesk, "get" | "set" | "dropStaged">;
  /** Takes a frame of somebody behind the host. */
  readonly onPeerFrame: (frame: Frame) => void;
  /** The time since boot, milliseconds. */
  readonly nowMs: () => number;
  /** The host came, or went. */
  readonly onConnected: (isConnected: boolean) => void;
}

/** Room that is kept for an answer. */
interface Ticket {
  /** How many frames it may have. */
  readonly frames: number;
  /** Whether somebody still waits for it. */
  isOwed: boolean;
}

/** The host, whether it is there or not. */
export class HostSession {
  readonly #parts: HostSessionParts;
  /** The request that is being asked at the moment: most are answered at once. */
  #asking: HostRequest | null = null;
  #askingTicket: Ticket | null = null;
  /** Those that are answered later. */
  readonly #tickets = new Map<HostRequest, Ticket>();
  #link: HostLink | null = null;
  readonly #follower: LogFollower;
  /** When something was last staged. */
  #stagedMs = -Infinity;
  /** The room for answers that take their time, and since when each does. */
  readonly #waiting = new Map<Ticket, number>();
  /** Frames for which room is kept, for these answers and the one at hand. */
  #keptFrames = 0;

  /**
   * Begins without a port.
   *
   * @param parts What it works with.
   */
  constructor(parts: HostSessionParts) {
    this.#parts = parts;
    this.#follower = new LogFollower(parts.log, parts.nowMs);
  }

  /** The link's counters; zeros while there is none. */
  get counters(): LinkCounters {
    return this.#link?.counters ??
      { framesIn: 0, framesOut: 0, framesDropped: 0 };
  }

  /** Whether the host has its end open, as far as the port tells. */
  get isConnected(): boolean {
    return this.#link?.isConnected ?? false;
  }

  /** Opens the port, now or as soon as another program lets it go. */
  open(): void {
    const { log, openLink } = this.#parts;
    try {
      const opened = openLink({
        onFrame: (frame) => this.#received(frame),
        onConnected: (isConnected) => this.#connected(isConnected),
        onForgotten: () => this.#forget(Infinity),
        onRoom: () => this.#follower.goOn(),
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
   * Sends a frame that nobody asked for, or queues it; without a port it is
   * lost.
   *
   * @param frame 256 bytes.
   * @param lane Whether it waits for a host, or is for the one that is there.
   */
  send(frame: Uint8Array, lane: "event" | "telemetry"): void {
    this.#link?.send(frame, lane);
  }

  /**
   * Answers a request, once.
   *
   * @param request The request.
   * @param status From `CommandStatus`.
   * @param result What the command gives back.
   */
  answer(request: HostRequest, status: number, result?: Uint8Array): void {
    const ticket = this.#takeTicket(request);
    if (ticket === null || !this.#give(ticket)) return;
    this.#follower.sendSome();
    writeAnswer(
      request,
      status,
      result ?? NO_BYTES,
      (frame) => this.#sendTo("answer", frame),
    );
  }

  /** The room that is kept for a request's answer, once; null if it has been given. */
  #takeTicket(request: HostRequest): Ticket | null {
    if (request === this.#asking) {
      const ticket = this.#askingTicket;
      this.#askingTicket = null;
      return ticket;
    }
    const ticket = this.#tickets.get(request) ?? null;
    this.#tickets.delete(request);
    return ticket;
  }

  /** Has a request carried out, for whose answer room is kept. */
  #ask(request: HostRequest, ticket: Ticket): void {
    this.#asking = request;
    this.#askingTicket = ticket;
    try {
      this.#parts.onRequest(request);
    } finally {
      const left = this.#askingTicket;
      this.#asking = null;
      this.#askingTicket = null;
      if (left !== null) {
        this.#tickets.set(request, left);
        this.#waits(left);
      }
    }
  }

  /**
   * Sends the lines that the log holds, and from then on each new one, as fast
   * as the host takes them. What the log forgets meanwhile is counted for it.
   *
   * @param wanted Whether to begin or to end, and whose lines; null for all.
   */
  followLog(
    wanted: { readonly isOn: boolean; readonly name: string | null },
  ): void {
    if (!wanted.isOn) return this.#follower.end();
    if (this.#link !== null) this.#follower.begin(this.#link, wanted.name);
  }

  #connected(isConnected: boolean): void {
    this.#parts.log.debug(`host ${isConnected ? "connected" : "away"}`);
    if (!isConnected) this.#forget(this.#parts.nowMs() - LATE_NEWS_MS);
    this.#parts.onConnected(isConnected);
  }

  /** Whoever asked for something until a moment has gone. */
  #forget(untilMs: number): void {
    for (const [ticket, sinceMs] of this.#waiting) {
      if (sinceMs <= untilMs) this.#give(ticket);
    }
    for (const [request, ticket] of this.#tickets) {
      if (!ticket.isOwed) this.#tickets.delete(request);
    }
    if (this.#stagedMs <= untilMs) this.#parts.parameters.dropStaged();
    // Who comes next asks for the log anew, if it wants it.
    if (this.#follower.sinceMs <= untilMs) this.#follower.end();
  }

  #received(bytes: Uint8Array): void {
    const received = receiveFrame(bytes);
    if (!received.ok) {
      this.#parts.log.debug(`frame refused: ${received.reason}`);
      if (received.answer) this.#sendTo("error", errorFrame(received.fault));
      return;
    }
    const { frame } = received;
    if (frame.type === FrameType.ERROR) return;
    // Nobody else is this init.
    if (frame.apid === Apid.INIT) {
      return this.#refuse(frame, FrameErrorCode.APID_NOT_ALLOCATED);
    }
    // Only the host commands.
    if (frame.apid !== Apid.HOST) return this.#parts.onPeerFrame(frame);
    try {
      this.#take(frame);
    } catch (error) {
      this.#parts.log.debug(`frame refused: ${String(error)}`);
      this.#refuse(frame, FrameErrorCode.MALFORMED);
    }
  }

  /** Takes a frame of the host; throws when its payload is not what its type says. */
  #take(frame: Frame): void {
    const { parameters } = this.#parts;
    switch (frame.type) {
      case FrameType.TC: {
        const request = readRequest(frame.payload);
        const { command } = request;
        const ticket = this.#keep(
          frame,
          answerLimitFrames(command),
          hostCommand(command)?.isUrgent ?? false,
          DEFERRED_COMMANDS.has(command),
        );
        if (ticket === null) return;
        return this.#ask(request, ticket);
      }
      case FrameType.PRM_GET: {
        const id = decodeParameterGet(frame.payload);
        const ticket = this.#keep(
          frame,
          id === null ? ALL_PARAMETERS_FRAMES : PARAMETER_FRAMES,
        );
        if (ticket === null) return;
        return this.#answerParameters(ticket, parameters.get(id));
      }
      case FrameType.PRM_SET: {
        const set = decodeParameterSet(frame.payload);
        const ticket = this.#keep(
          frame,
          set.parameterId === StagingId.COMMIT
            ? ALL_PARAMETERS_FRAMES
            : PARAMETER_FRAMES,
          false,
          true,
        );
        if (ticket === null) return;
        if (set.parameterId === StagingId.STAGE) {
          this.#stagedMs = this.#parts.nowMs();
        }
        this.#waits(ticket);
        return void parameters.set(set).then((answers) =>
          this.#answerParameters(ticket, answers)
        );
      }
      default:
        return this.#refuse(frame, FrameErrorCode.UNKNOWN_TYPE);
    }
  }

  #answerParameters(ticket: Ticket, answers: readonly ParameterAnswer[]): void {
    const frames = encodeParameterResponses(answers).map((payload) =>
      frameToHost(FrameType.PRM_RSP, payload)
    );
    if (!this.#give(ticket)) return;
    for (const frame of frames) this.#sendTo("answer", frame);
  }

  /** Keeps room for an answer, or says HOST_BUSY. */
  #keep(
    frame: Frame,
    frames: number,
    isUrgent = false,
    isDeferred = false,
  ): Ticket | null {
    const room = (this.#link?.room("answer") ?? 0) - this.#keptFrames;
    // What is not deferred gives its room back before the next frame is read.
    const isTooMuch = isDeferred && this.#keptFrames + frames > DEFERRED_FRAMES;
    if ((frames > room || isTooMuch) && !isUrgent) {
      this.#refuse(frame, FrameErrorCode.HOST_BUSY);
      return null;
    }
    this.#keptFrames += frames;
    return { frames, isOwed: true };
  }

  /** The answer takes its time. */
  #waits(ticket: Ticket): void {
    if (ticket.isOwed) this.#waiting.set(ticket, this.#parts.nowMs());
  }

  /** Gives the room for an answer back, to be filled; false when it is owed to nobody any more. */
  #give(ticket: Ticket): boolean {
    if (!ticket.isOwed) return false;
    ticket.isOwed = false;
    if (this.#waiting.size > 0) this.#waiting.delete(ticket);
    this.#keptFrames -= ticket.frames;
    return true;
  }

  #refuse(frame: Frame, code: FrameErrorCode): void {
    const fault = {
      code,
      offendingType: frame.type,
      offendingApid: frame.apid,
      offendingPayloadLength: frame.payload.length,
    };
    this.#sendTo("error", errorFrame(fault));
  }

  #sendTo(lane: FrameLane, frame: Uint8Array): void {
    this.#link?.send(frame, lane);
  }
}
