/**
 * The host at the other end of the port, at virtual time: it opens its end and
 * closes it, also in the middle of a frame, reads fast, slowly or not at all,
 * sends commands, nonsense and the same twice, and books which answer it has
 * to expect. The init's end is the real link over this port. Imports `host` and
 * `wire`.
 *
 * @module
 */
import { Framer } from "../../../lib/host/framer.ts";
import { HOST_COMMANDS } from "../../../lib/host/commands.ts";
import { LANE_CAPACITY_FRAMES } from "../../../lib/host/frame_queue.ts";
import type { LinkPort } from "../../../lib/host/link.ts";
import type { PollEvents } from "../../../lib/linux/poller.ts";
import {
  decodeFrameFault,
  FrameErrorCode,
} from "../../../lib/wire/error_frame.ts";
import { EVENT_RECORD_SIZE_BYTES } from "../../../lib/wire/event.ts";
import {
  Apid,
  decodeFrame,
  encodeFrame,
  type Frame,
  FRAME_SIZE_BYTES,
  FrameType,
  receiveFrame,
} from "../../../lib/wire/frame.ts";
import { decodeHealth, type Health } from "../../../lib/wire/health.ts";
import {
  decodeParameterGet,
  decodeParameterResponse,
  decodeParameterSet,
} from "../../../lib/wire/parameter_message.ts";
import {
  CommandStatus,
  decodeAnswer,
  decodeTelecommand,
  encodeTelecommand,
} from "../../../lib/wire/telecommand.ts";
import type { Agenda } from "../agenda.ts";
import type { Random } from "../random.ts";
import { check } from "../supervisor/invariants.ts";

/** Bytes that wait in the port for the host at most. */
const PORT_CAPACITY_BYTES = 8 * FRAME_SIZE_BYTES;

/** What all queues of the link hold. */
const QUEUES_FRAMES = Object.values(LANE_CAPACITY_FRAMES)
  .reduce((sum, frames) => sum + frames);

/** What the port holds, and what may happen while a queue is read. */
const BURST_MARGIN_FRAMES = 8 + 32;

/** What the host is told besides answers. */
export interface HostEvents {
  /** An event record came: 76 bytes. */
  readonly onEvent: (record: Uint8Array) => void;
  /** A HEALTH frame came. */
  readonly onHealth: (health: Health) => void;
}

/** An answer that is due. */
interface Expected {
  /** Frames that are still to come, or null while the first has not said. */
  pagesLeft: number | null;
  /** For PING: the bytes that must come back. */
  readonly echo: Uint8Array | null;
  /** Whether it may have been dropped, since the host did not read. */
  mayBeMissed: boolean;
}

/** A host that comes so long after the last one has gone is another's heir in nothing. */
const LEAVE_LIMIT_MS = 1_000;

/** How many ERROR frames a host may be owed that does not read, and miss none. */
const UNREAD_ERRORS = LANE_CAPACITY_FRAMES.error / 2;

/** The port, and the host behind it. */
export class VirtualHost implements LinkPort {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #events: HostEvents;
  readonly #framer = new Framer();
  #listener: ((polled: PollEvents) => void) | null = null;
  #isOpen = false;
  #toGuest: Uint8Array[] = [];
  #toHost: Uint8Array[] = [];
  #toHostBytes = 0;
  #isFull = false;
  #isRoomWatched = true;
  #isReading = false;
  #isHangupUnheard = false;
  #hangUps = 0;
  #isReportDue = false;
  #readsAgainMs = 0;
  #sequence = 0;
  readonly #expected = new Map<string, Expected[]>();
  /** Answers that may come although they are not due any more. */
  readonly #stale = new Map<string, number>();
  /** Requests that were refused because the link was busy, by the kind of their answer. */
  readonly #busy = new Map<string, number>();
  /** Frames of a queue that filled while the host did not read; null when it asked for more. */
  #burstFrames: number | null = null;
  /** Frames that came. */
  framesIn = 0;
  /** Answers that came. */
  answersIn = 0;
  /** Requests that were refused because too many answers were owed. */
  refusals = 0;

  /**
   * A host that is away.
   *
   * @param agenda The time.
   * @param random The chances.
   * @param events What it is told.
   */
  constructor(agenda: Agenda, random: Random, events: HostEvents) {
    this.#agenda = agenda;
    this.#random = random;
    this.#events = events;
  }

  /** Whether every answer that was due has come. */
  get isAnswered(): boolean {
    const refusals = new Map(this.#busy);
    for (const [key, list] of this.#expected) {
      const due = list.filter(({ mayBeMissed }) => !mayBeMissed).length;
      addTo(refusals, kindOf(key), -due);
    }
    // Each that was refused is one of those that have no answer; what was asked
    // before a hang-up may have been refused to whoever came next.
    const unexplained = new Map(refusals);
    for (const [key, list] of this.#expected) {
      const missed = list.filter(({ mayBeMissed }) => mayBeMissed).length;
      addTo(unexplained, kindOf(key), -missed);
    }
    for (const [key, count] of this.#stale) {
      addTo(unexplained, kindOf(key), -count);
    }
    return [...refusals.values()].every((count) => count >= 0) &&
      [...unexplained.values()].every((count) => count <= 0);
  }

  /** The answers that are due, for a message. */
  get outstanding(): string {
    const due = [...this.#expected].map(([key, { length }]) =>
      length === 1 ? key : `${length} ${key}`
    );
    const busy = [...this.#busy].map(([kind, count]) => `${count} ${kind}`);
    return `${due.join(", ")}; busy: ${busy}`;
  }

  // --- The init's end -------------------------------------------------------

  /** See {@linkcode LinkPort.listen}. */
  listen(onPolled: (polled: PollEvents) => void): void {
    this.#listener = onPolled;
    this.#isRoomWatched = true;
    this.#report();
  }

  /** See {@linkcode LinkPort.watchRoom}. */
  watchRoom(isWatched: boolean): void {
    this.#isRoomWatched = isWatched;
    this.#report();
  }

  /** See {@linkcode LinkPort.rearm}. */
  rearm(): void {
    this.#report();
  }

  /** See {@linkcode LinkPort.read}. */
  read(buffer: Uint8Array): number | null {
    const [first] = this.#toGuest;
    if (first === undefined) {
      if (this.#isOpen) return null;
      if (this.#isHangupUnheard) this.#leaveBehind();
      return 0;
    }
    // A read may end anywhere, also in the middle of a frame.
    let room = this.#random.chance(0.3)
      ? 1 + this.#random.below(300)
      : buffer.length;
    let count = 0;
    for (
      let next: Uint8Array | undefined = first;
      next !== undefined && room > 0;
      next = this.#toGuest[0]
    ) {
      const part = next.subarray(0, room);
      buffer.set(part, count);
      count += part.length;
      room -= part.length;
      if (part.length === next.length) this.#toGuest.shift();
      else this.#toGuest[0] = next.subarray(part.length);
    }
    return count;
  }

  /** See {@linkcode LinkPort.write}. */
  write(bytes: Uint8Array): number | null {
    const room = PORT_CAPACITY_BYTES - this.#toHostBytes;
    if (!this.#isOpen || room === 0) {
      this.#isFull = true;
      return null;
    }
    const limit = this.#random.chance(0.1) ? 1 + this.#random.below(255) : room;
    const count = Math.min(bytes.length, room, limit);
    this.#toHost.push(bytes.slice(0, count));
    this.#toHostBytes += count;
    this.#readSoon();
    return count;
  }

  /** See {@linkcode LinkPort.close}. */
  close(): void {
    this.#listener = null;
    this.#isHangupUnheard = false;
  }

  /** Room alone is news only for whoever watches it. */
  #reportRoom(): void {
    if (this.#isRoomWatched) this.#report();
  }

  /** However much happens until it is heard, it is one report, as of epoll's edges. */
  #report(): void {
    const listener = this.#listener;
    if (this.#isReportDue || listener === null) return;
    this.#isReportDue = true;
    this.#agenda.at(this.#agenda.nowMs, () => {
      this.#isReportDue = false;
      if (listener !== this.#listener) return;
      listener({
        readable: this.#toGuest.length > 0 || !this.#isOpen,
        writable: this.#isOpen && this.#toHostBytes < PORT_CAPACITY_BYTES,
        hangup: !this.#isOpen,
        error: false,
        priority: false,
      });
    });
  }

  // --- The host's end -------------------------------------------------------

  /** The machine starts anew: nothing of its earlier life comes any more. */
  forget(): void {
    this.#listener = null;
    this.#isReportDue = false;
    this.#toGuest = [];
    this.#toHost = [];
    this.#toHostBytes = 0;
    this.#expected.clear();
    this.#stale.clear();
    this.#busy.clear();
    this.#framer.reset();
    this.#isReading = false;
    this.#isHangupUnheard = false;
    this.#readsAgainMs = 0;
  }

  /**
   * Opens the host's end, once the other end has read that it was closed: of a
   * shorter absence a kernel tells nothing, and what is read then may end
   * anywhere, while `isWholeFrames` needs whole ones.
   */
  open(): void {
    this.#agenda.at(this.#agenda.nowMs, () => {
      if (this.#isOpen) return;
      if (this.#isHangupUnheard) {
        this.#agenda.at(this.#agenda.nowMs + 1, () => this.open());
        return;
      }
      this.#isOpen = true;
      this.#isFull = false;
      this.#reportRoom();
    });
  }

  /**
   * Closes the host's end; what it has not read is lost.
   *
   * @param unfinishedBytes So many bytes of a frame that never ends come last.
   */
  hangUp(unfinishedBytes: number): void {
    if (!this.#isOpen) return;
    // A port that nobody has open takes nothing.
    if (this.#listener !== null) {
      this.#send(new Uint8Array(unfinishedBytes).fill(1));
    }
    this.#isOpen = false;
    this.#hangUps++;
    this.#isHangupUnheard = this.#listener !== null;
    // What was asked need not be answered to whoever comes next; what the init
    // had not read by then may be.
    for (const [key, list] of this.#expected) {
      addTo(this.#stale, key, list.length);
    }
    this.#expected.clear();
    this.#busy.clear();
    this.#toHost = [];
    this.#toHostBytes = 0;
    this.#framer.reset();
    this.#report();
  }

  /** The other end has read that this one is closed: whoever comes much later is given nothing of what was asked. */
  #leaveBehind(): void {
    this.#isHangupUnheard = false;
    const hangUps = this.#hangUps;
    this.#agenda.at(this.#agenda.nowMs + LEAVE_LIMIT_MS, () => {
      // If the machine stood still, so did its clock: it looks once more.
      this.#agenda.at(this.#agenda.nowMs + 1, () => {
        if (!this.#isOpen && hangUps === this.#hangUps) this.#stale.clear();
      });
    });
  }

  /** The host reads nothing before a time. */
  pause(untilMs: number): void {
    this.#readsAgainMs = Math.max(this.#readsAgainMs, untilMs);
    this.#burstFrames = 0;
    this.#noteUnread();
  }

  /** The host reads again at once. */
  resume(): void {
    this.#readsAgainMs = 0;
    this.#readSoon();
  }

  /**
   * Sends a command.
   *
   * @param command Its number; any.
   * @param bytes Its arguments; any.
   */
  command(command: number, bytes: Uint8Array): void {
    const sequence = this.#sequence++ & 0xFFFF;
    this.frame({
      type: FrameType.TC,
      apid: Apid.HOST,
      destinationApid: Apid.INIT,
      payload: encodeTelecommand({ command, sequence, arguments: bytes }),
    });
  }

  /** Sends a frame of the host's own. */
  hostFrame(type: FrameType, payload: Uint8Array): void {
    this.frame({
      type,
      apid: Apid.HOST,
      destinationApid: Apid.INIT,
      payload,
    });
  }

  /** Sends a frame. */
  frame(frame: Frame): void {
    this.bytes(encodeFrame(frame));
  }

  /** Sends 256 bytes, whatever they are. */
  bytes(frame: Uint8Array): void {
    // Without a listener at the other end there is nobody to answer.
    if (!this.#isOpen || this.#listener === null) return;
    this.#burstFrames = null;
    this.#expect(frame);
    this.#send(frame);
  }

  #send(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#toGuest.push(bytes);
    this.#report();
  }

  /** Books the one answer that a frame must have, as formats.md says. */
  #expect(bytes: Uint8Array): void {
    const received = receiveFrame(bytes);
    if (!received.ok) {
      if (!received.answer) return;
      const { code, offendingType, offendingApid } = received.fault;
      return this.#due(`ERROR ${code} ${offendingType} ${offendingApid}`);
    }
    const { frame } = received;
    if (frame.type === FrameType.ERROR) return;
    const error = (code: FrameErrorCode) =>
      this.#due(`ERROR ${code} ${frame.type} ${frame.apid}`);
    if (frame.apid === Apid.INIT) {
      return error(FrameErrorCode.APID_NOT_ALLOCATED);
    }
    // What somebody behind the host sends is recorded, not answered.
    if (frame.apid !== Apid.HOST) return;
    try {
      this.#expectTaken(frame);
    } catch {
      error(FrameErrorCode.MALFORMED);
    }
  }

  /** Throws when the payload is not what its type says. */
  #expectTaken({ type, apid, payload }: Frame): void {
    switch (type) {
      case FrameType.TC: {
        const { command, sequence, arguments: echo } = decodeTelecommand(
          payload,
        );
        return this.#due(`TM ${command} ${sequence}`, echo);
      }
      case FrameType.PRM_GET:
        decodeParameterGet(payload);
        return this.#due("PRM");
      case FrameType.PRM_SET:
        decodeParameterSet(payload);
        return this.#due("PRM");
      default:
        return this.#due(
          `ERROR ${FrameErrorCode.UNKNOWN_TYPE} ${type} ${apid}`,
        );
    }
  }

  #due(key: string, echo: Uint8Array | null = null): void {
    const list = this.#expected.get(key) ?? [];
    list.push({ pagesLeft: null, echo, mayBeMissed: false });
    this.#expected.set(key, list);
    this.#noteUnread();
  }

  /** Who asks without end and does not read misses ERROR frames, refusals among them. */
  #noteUnread(): void {
    if (this.#agenda.nowMs >= this.#readsAgainMs) return;
    const owed = [...this.#expected.values()].flat();
    if (owed.length <= UNREAD_ERRORS) return;
    for (const expected of owed) expected.mayBeMissed = true;
  }

  #readSoon(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    // A queue that filled meanwhile is read in one go.
    const delayMs = this.#burstFrames === null ? this.#random.below(3) : 0;
    this.#agenda.at(this.#agenda.nowMs + delayMs, () => this.#readAll());
  }

  #readAll(): void {
    if (this.#agenda.nowMs < this.#readsAgainMs) {
      this.#agenda.at(this.#readsAgainMs, () => this.#readAll());
      return;
    }
    this.#isReading = false;
    const chunks = this.#toHost;
    this.#toHost = [];
    this.#toHostBytes = 0;
    for (const chunk of chunks) {
      this.#framer.push(chunk, (frame) => this.#received(frame));
    }
    if (this.#isFull) {
      this.#isFull = false;
      this.#reportRoom();
    } else this.#burstFrames = null;
  }

  #received(bytes: Uint8Array): void {
    this.framesIn++;
    if (this.#burstFrames !== null) this.#burstFrames++;
    check(
      (this.#burstFrames ?? 0) <= QUEUES_FRAMES + BURST_MARGIN_FRAMES,
      "no more frames wait than the queue has room for",
    );
    const frame = decodeFrame(bytes);
    check(frame.apid === Apid.INIT, "the init sends under its own id");
    const { payload } = frame;
    switch (frame.type) {
      case FrameType.TM:
        return this.#answered(payload);
      case FrameType.ERROR: {
        const { code, offendingType, offendingApid } = decodeFrameFault(
          payload,
        );
        if (code === FrameErrorCode.HOST_BUSY) {
          const kind = offendingType === FrameType.TC ? "TM" : "PRM";
          this.refusals++;
          return addTo(this.#busy, kind, 1);
        }
        return this.#take(`ERROR ${code} ${offendingType} ${offendingApid}`);
      }
      case FrameType.EVR:
        check(payload.length === EVENT_RECORD_SIZE_BYTES, "an EVR is a record");
        return this.#events.onEvent(payload);
      case FrameType.HEALTH:
        return this.#events.onHealth(decodeHealth(payload));
      case FrameType.PRM_RSP:
        // The last frame of an answer; to which question it is does not say.
        if (decodeParameterResponse(payload).more) return;
        return this.#take("PRM");
      case FrameType.LOG:
      case FrameType.DP:
        return;
      default:
        check(false, `the init sends no frame of type ${frame.type}`);
    }
  }

  #answered(payload: Uint8Array): void {
    const answer = decodeAnswer(payload);
    const { command, sequence, status, result } = answer;
    const key = `TM ${command} ${sequence}`;
    const expected = this.#expected.get(key)?.[0];
    if (expected === undefined) {
      // As many pages as it has, for a host that is gone.
      check(this.#stale.has(key), `nobody asked for the answer ${key}`);
      return;
    }
    this.answersIn++;
    const known = HOST_COMMANDS.find(({ code }) => code === command);
    check(
      known !== undefined || status === CommandStatus.ENOSYS,
      `an unknown command is refused as such, not with ${status}`,
    );
    check(
      known?.name !== "PING" || status !== CommandStatus.OK ||
        (expected.echo?.length === result.length &&
          expected.echo.every((byte, index) => byte === result[index])),
      "a PING brings back its bytes",
    );
    expected.pagesLeft ??= answer.count ?? 1;
    if (--expected.pagesLeft === 0) this.#take(key);
  }

  /** An expected answer came; there is none without a question. */
  #take(key: string): void {
    const list = this.#expected.get(key);
    const stale = this.#stale.get(key) ?? 0;
    if (list === undefined && stale > 0) {
      this.#stale.set(key, stale - 1);
      return;
    }
    check(list !== undefined, `nobody asked for the answer ${key}`);
    // Of several alike one that can't be missing is taken for it.
    const at = list.findIndex(({ mayBeMissed }) => !mayBeMissed);
    list.splice(Math.max(0, at), 1);
    if (list.length === 0) this.#expected.delete(key);
  }
}

/** What an answer's key says of its kind: TM, PRM or ERROR. */
function kindOf(key: string): string {
  return key.split(" ", 1)[0] ?? "";
}

function addTo(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}
