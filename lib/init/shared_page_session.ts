/**
 * The init's use of the page that it shares with the host: once a second it
 * says that it lives and how it is, and looks whether the host has set the time
 * or asks for something there. So the host needs no port to see a machine that
 * has stopped, and none to end one. Imports `wire` and the host's requests.
 *
 * The words' meanings [O]: `guest_heartbeat` grows while the watchdog would be
 * petted; `guest_status` is the mode as in HEALTH, in its lowest byte;
 * `host_command` is 0 or a command of a TC frame that needs no arguments, which
 * is carried out once: the init copies it to `guest_command_ack` first. To ask
 * for the same again, the host writes 0 and waits for the 0 to be copied. A
 * command it does not know, it does not copy.
 *
 * @module
 */
import { type HostRequest, readRequest } from "../host/requests.ts";
import type { MissionTime, SharedPage } from "../wire/shared_page.ts";
import { CommandCode } from "../wire/telecommand.ts";

/** How often the page is written and read, in milliseconds. */
export const PAGE_INTERVAL_MS = 1_000;

/**
 * How far mission time may be from the host's before it is set: the page is
 * looked at once an interval, so that a good clock seems late by that much.
 */
const CLOCK_TOLERANCE_MS = 2 * PAGE_INTERVAL_MS;

/** What may be asked for through the page. */
const PAGE_COMMANDS: ReadonlySet<number> = new Set([
  CommandCode.POWEROFF,
  CommandCode.REBOOT,
  CommandCode.HALT,
  CommandCode.ENTER_SAFE_MODE,
  CommandCode.LEAVE_SAFE_MODE,
]);

/** What the page is told of the machine. */
export interface PageFacts {
  /** Whether the init lives, as the watchdog's rule has it. */
  readonly isAlive: boolean;
  /** The mode, as in HEALTH. */
  readonly mode: number;
  /** How it is, in words; at most 255 bytes of it are shown. */
  readonly text: string;
}

/** What a session works with. */
export interface SharedPageParts {
  /** Mission time as it is now, milliseconds. */
  readonly missionMs: () => number;
  /** Takes the host's time when it differs. */
  readonly onTime: (time: MissionTime) => void;
  /** Takes what the host asks for; there is nobody to answer. */
  readonly onRequest: (request: HostRequest) => void;
  /** Takes a sentence about what can't be taken. */
  readonly onProblem: (text: string) => void;
}

/** The init at the page. */
export class SharedPageSession {
  readonly #page: SharedPage;
  readonly #parts: SharedPageParts;
  readonly #requests = new WeakSet<HostRequest>();
  #heartbeat: bigint;
  #timeVersion: number;
  #refusedCommand = 0;
  #isTimeBad = false;

  /**
   * Begins where the page stands: a time that was written before is old, and a
   * command that was taken before a reboot is done.
   *
   * @param page The page.
   * @param parts What it works with.
   *
   * @example
   * ```ts
   * import { SharedPage } from "../wire/shared_page.ts";
   * import { SharedPageSession } from "./shared_page_session.ts";
   * import { assertEquals } from "@std/assert/equals";
   *
   * const page = new SharedPage(new Uint8Array(4096));
   * const commands: number[] = [];
   * const session = new SharedPageSession(page, {
   *   missionMs: () => 0,
   *   onTime: () => {},
   *   onRequest: ({ command }) => void commands.push(command),
   *   onProblem: () => {},
   * });
   * page.setWord32("hostCommand", 3);
   * session.beat({ isAlive: true, mode: 1, text: "nominal" });
   * assertEquals(commands, [3]);
   * assertEquals(page.snapshot().guestHealth, "nominal");
   * assertEquals(page.word64("guestHeartbeat"), 1n);
   * ```
   */
  constructor(page: SharedPage, parts: SharedPageParts) {
    this.#page = page;
    this.#parts = parts;
    this.#heartbeat = page.word64("guestHeartbeat");
    this.#timeVersion = page.timeVersion;
  }

  /**
   * Writes what the host is to see, and takes what it wrote.
   *
   * @param facts How the machine is.
   */
  beat(facts: PageFacts): void {
    const page = this.#page;
    page.setWord32("guestStatus", facts.mode);
    page.setHealth(facts.text);
    // Last: whoever sees a new beat sees the state that belongs to it.
    if (facts.isAlive) page.setWord64("guestHeartbeat", ++this.#heartbeat);
    this.#takeTime();
    this.#takeCommand();
  }

  /**
   * Whether a request came from the page, so that nobody waits for an answer.
   *
   * @param request The request.
   * @returns Whether it did.
   */
  hasAsked(request: HostRequest): boolean {
    return this.#requests.has(request);
  }

  #takeTime(): void {
    const version = this.#page.timeVersion;
    if (version === this.#timeVersion) return;
    let time: MissionTime;
    try {
      time = this.#page.readMissionTime();
    } catch (error) {
      // The host writes without end, died while it wrote, or wrote nonsense.
      if (!this.#isTimeBad) this.#parts.onProblem(`shared page: ${error}`);
      this.#isTimeBad = true;
      return;
    }
    this.#isTimeBad = false;
    this.#timeVersion = version;
    const hostMs = Number(time.seconds) * 1000 + time.nanos / 1e6;
    if (Math.abs(hostMs - this.#parts.missionMs()) > CLOCK_TOLERANCE_MS) {
      this.#parts.onTime(time);
    }
  }

  #takeCommand(): void {
    const command = this.#page.word32("hostCommand");
    if (command === this.#page.word32("guestCommandAck")) return;
    if (command !== 0 && !PAGE_COMMANDS.has(command)) {
      if (command !== this.#refusedCommand) {
        const known = [...PAGE_COMMANDS].join(", ");
        this.#parts.onProblem(
          `shared page: host_command is ${command}, expected 0 or one of ${known}`,
        );
      }
      this.#refusedCommand = command;
      return;
    }
    this.#refusedCommand = 0;
    this.#page.setWord32("guestCommandAck", command);
    if (command === 0) return;
    const request = readRequest(
      Uint8Array.of(command >>> 8, command & 0xFF, 0, 0),
    );
    this.#requests.add(request);
    this.#parts.onRequest(request);
  }
}
