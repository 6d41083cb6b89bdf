/**
 * A host that comes while the one before is still leaving, in every order in
 * which a kernel may tell of it. The port is as the kernel has it: what came and
 * who is there change by themselves, and the init hears of it when it does.
 */
import { assertEquals } from "@std/assert";
import {
  HostLink,
  LATE_NEWS_MS,
  LEAVE_MS,
  type LinkPort,
} from "../../../lib/host/link.ts";
import type { HostRequest } from "../../../lib/host/requests.ts";
import { HostSession } from "../../../lib/init/host_session.ts";
import { Log } from "../../../lib/init/log.ts";
import type { PollEvents } from "../../../lib/linux/poller.ts";
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameType,
} from "../../../lib/wire/frame.ts";
import { decodeLog } from "../../../lib/wire/log.ts";
import {
  encodeParameterSet,
  type ParameterAnswer,
} from "../../../lib/wire/parameter_message.ts";
import { StagingId } from "../../../lib/wire/parameter_staging.ts";
import { CommandCode, decodeAnswer } from "../../../lib/wire/telecommand.ts";
import { ask, ping } from "../../fixtures/command_frame.ts";

/** A port as a kernel has it. */
class KernelPort implements LinkPort {
  /** Whether a host is there, as the kernel knows it. */
  isOpen = true;
  /** Whether the host takes anything. */
  isFull = false;
  readonly toGuest: Uint8Array[] = [];
  readonly toHost: Frame[] = [];
  #onPolled: (polled: PollEvents) => void = () => {};
  /** The link has asked how the port is. */
  isAsked = false;

  read(buffer: Uint8Array): number | null {
    const piece = this.toGuest.shift();
    if (piece === undefined) return this.isOpen ? null : 0;
    buffer.set(piece);
    return piece.length;
  }

  write(bytes: Uint8Array): number | null {
    if (!this.isOpen || this.isFull) return null;
    for (let at = 0; at < bytes.length; at += 256) {
      this.toHost.push(decodeFrame(bytes.slice(at, at + 256)));
    }
    return bytes.length;
  }

  listen(onPolled: (polled: PollEvents) => void): void {
    this.#onPolled = onPolled;
    this.tell();
  }

  /** Tells the init how the port is, or how it was. */
  tell(isOpen = this.isOpen): void {
    const events = { readable: true, writable: true, error: false };
    this.#onPolled({ ...events, hangup: !isOpen, priority: false });
  }

  watchRoom(): void {}

  rearm(): void {
    this.isAsked = true;
  }

  close(): void {}
}

const REQUESTS = ["at once", "later", "PRM_SET", "stage", "follow"] as const;
const NEWS = ["early", "late", "never"] as const;
/** What the kernel knows when the next host's question is read. */
const KNOWN = [
  "nobody has left",
  "nobody is there",
  "the next is there",
] as const;
const ANSWERED = ["before the news", "before the host", "after it"] as const;

interface Case {
  readonly request: typeof REQUESTS[number];
  readonly news: typeof NEWS[number];
  readonly known: typeof KNOWN[number];
  readonly answered: typeof ANSWERED[number];
  /** Whether the last host had left answers behind that it did not read. */
  readonly isFull: boolean;
  /** Whether it takes long until the news that the next one is there. */
  readonly isSlow: boolean;
}

function* cases(): Generator<Case> {
  for (const request of REQUESTS) {
    for (const news of NEWS) {
      for (const known of KNOWN) {
        for (const answered of ANSWERED) {
          for (const isFull of [false, true]) {
            for (const isSlow of [false, true]) {
              // Who is read with the news, or without, has nobody to wait for.
              if (isSlow && news === "never") continue;
              yield { request, news, known, answered, isFull, isSlow };
            }
          }
        }
      }
    }
  }
}

const set = (parameterId: number) =>
  encodeFrame({
    type: FrameType.PRM_SET,
    apid: 0,
    destinationApid: 0,
    payload: encodeParameterSet({ parameterId, value: Uint8Array.of(1) }),
  });

/** The numbers of what the last host asked: one is answered at once, one later. */
const OLD_PING = 0x110;
const OLD_LIST = 0x111;
const NEW = 0x222;

/** Plays one case; gives what the next host got of what it asked, and the rest. */
async function play(it: Case): Promise<string[]> {
  const port = new KernelPort();
  const log = new Log({ nowMs: () => 0 });
  const clock = { nowMs: 1_000 };
  const deferred: (() => void)[] = [];
  let dropped = 0;
  const session: HostSession = new HostSession({
    openLink: (events) => ({
      link: new HostLink(port, events, () => clock.nowMs),
      path: "/dev/test",
    }),
    log,
    onRequest: (request: HostRequest) => {
      const give = () => session.answer(request, 0);
      if (request.command === CommandCode.LOG_FOLLOW) {
        session.followLog({ isOn: true, name: null });
        give();
      } else if (request.command === CommandCode.PING) give();
      else deferred.push(give);
    },
    parameters: {
      get: () => [],
      set: ({ parameterId, value }) =>
        new Promise<ParameterAnswer[]>((resolve) =>
          void deferred.push(() =>
            resolve([{ parameterId, generation: 1, status: 0, value }])
          )
        ),
      dropStaged: () => void dropped++,
    },
    onPeerFrame: () => {},
    nowMs: () => clock.nowMs,
    onConnected: () => {},
  });
  session.open();
  port.tell();
  // The last host: asks, and goes; long ago, it did not read.
  port.isFull = it.isFull;
  port.toGuest.push(
    ping(OLD_PING),
    ask(CommandCode.DP_LIST, OLD_LIST),
  );
  port.tell();
  port.toHost.length = 0;
  clock.nowMs += LATE_NEWS_MS + 1;
  port.isFull = false;

  const asks = {
    "at once": ping(NEW),
    later: ask(CommandCode.DP_LIST, NEW),
    PRM_SET: set(7),
    stage: set(StagingId.STAGE),
    follow: ask(CommandCode.LOG_FOLLOW, NEW, Uint8Array.of(1)),
  }[it.request];
  const answer = async () => {
    for (const give of deferred.splice(0)) give();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  };
  if (it.news === "early") {
    port.isOpen = false;
    port.tell();
  }
  // The next host's question is there, and is read.
  port.isOpen = it.known !== "nobody is there";
  port.toGuest.push(asks);
  const isHeardWithIt = it.known === "the next is there" || it.news !== "early";
  port.tell(isHeardWithIt);
  if (it.answered === "before the news") await answer();
  clock.nowMs += LATE_NEWS_MS / 5;
  if (it.news === "late") port.tell(false);
  if (it.answered === "before the host") await answer();
  port.isOpen = true;
  if (it.isSlow) {
    await new Promise((resolve) => setTimeout(resolve, 2 * LEAVE_MS));
    if (port.isAsked) port.tell();
  }
  port.tell();
  if (it.answered === "after it") await answer();
  log.info("a line");
  await new Promise((resolve) => setTimeout(resolve, 5));
  port.tell();
  if (it.request === "stage") {
    // What was staged before the host came is dropped, what it staged is not.
    assertEquals(dropped, it.news === "early" ? 1 : 0, JSON.stringify(it));
  }
  return port.toHost.map(({ type, payload }) => {
    if (type === FrameType.TM) {
      return `answer ${decodeAnswer(payload).sequence}`;
    }
    return type === FrameType.PRM_RSP
      ? "parameter"
      : new TextDecoder().decode(decodeLog(payload).text);
  });
}

Deno.test("a host that comes while the one before is leaving has its answer, once, whatever the order of the news", async () => {
  const all = [...cases()];
  await Promise.all(all.map(async (it) => {
    const got = await play(it);
    const wanted = {
      "at once": [`answer ${NEW}`],
      later: [`answer ${NEW}`],
      PRM_SET: ["parameter"],
      stage: ["parameter"],
      follow: [`answer ${NEW}`, "host link: /dev/test", "a line"],
    }[it.request];
    const old = [`answer ${OLD_PING}`, `answer ${OLD_LIST}`];
    const own = got.filter((what) => !old.includes(what));
    assertEquals(own.toSorted(), wanted.toSorted(), JSON.stringify(it));
    // Whoever has left is owed nothing, as soon as its leaving is told.
    const passed = got.filter((what) => old.includes(what));
    const allowed = it.news === "early" ? [] : it.news === "never" ||
        it.answered === "before the news"
      ? old
      : old.slice(0, 1);
    assertEquals(
      passed.filter((what) => !allowed.includes(what)),
      [],
      JSON.stringify(it),
    );
  }));
  assertEquals(all.length, 450);
});
