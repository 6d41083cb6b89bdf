/**
 * `spaceosctl top`: VMs watched live on a full screen.
 *
 * @module
 */

import { usageError } from "../command_line/error.ts";
import type { AllCommand, AllContext } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { timeoutMsOf } from "./run_vm.ts";
import { type Key, readKeys, Screen, terminalSize } from "./terminal.ts";
import { topScreen } from "./top_screen.ts";
import { VmWatcher } from "./watcher.ts";

const DEFAULT_INTERVAL_MS = 1000;

/** Changes that come closer together are drawn together. */
const DRAW_DELAY_MS = 50;

/** The subcommand `top`. */
export const top: AllCommand = {
  scope: "all",
  summary: "watch VMs live on a full screen",
  operands: [],
  options: {
    interval: {
      value: "MS",
      help: "how often to ask for the services (default 1000)",
      letter: "i",
    },
  },
  details:
    `A line for each VM, then the services, those first that need attention, then the
last events. UP counts running services, ANOM anomalies, DROP lost frames. q or
Ctrl-C quits; arrows, Page Up, Page Down, Home and End scroll. A VM that goes
away is connected to again. While top runs, no other program can speak to the
VM. Needs a terminal, of 80x24 or more to be of use.`,
  run: async (context) => {
    if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) {
      throw usageError(
        "top needs a terminal as standard input and output; see status and events",
      );
    }
    return await new Top(context).run();
  },
};

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

class Top {
  readonly #context: AllContext;
  readonly #screen = new Screen();
  readonly #ended = Promise.withResolvers<void>();
  readonly #watchers: readonly VmWatcher[];
  #scroll = 0;
  #scrollLimit = 0;
  #pageSize = 1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAll = true;

  constructor(context: AllContext) {
    this.#context = context;
    const { args, targets } = context;
    const options = {
      intervalMs: args.integer("interval", 100, 3_600_000) ??
        DEFAULT_INTERVAL_MS,
      timeoutMs: timeoutMsOf(args),
      onChange: () => this.#drawSoon(),
    };
    this.#watchers = targets.map((target) => new VmWatcher(target, options));
  }

  async run(): Promise<ExitCode> {
    const end = () => this.#ended.resolve();
    const resize = () => this.#drawAll();
    const clock = setInterval(() => this.#drawSoon(), 1000);
    for (const signal of SIGNALS) Deno.addSignalListener(signal, end);
    Deno.addSignalListener("SIGWINCH", resize);
    try {
      this.#screen.open();
      this.#drawAll();
      void this.#readKeys();
      await this.#ended.promise;
    } finally {
      this.#screen.close();
      clearInterval(clock);
      clearTimeout(this.#timer);
      for (const signal of SIGNALS) Deno.removeSignalListener(signal, end);
      Deno.removeSignalListener("SIGWINCH", resize);
    }
    await Promise.all(this.#watchers.map((watcher) => watcher.stop()));
    return ExitCode.OK;
  }

  /** Until the end of the terminal; the process does not wait for this. */
  async #readKeys(): Promise<void> {
    const buffer = new Uint8Array(256);
    try {
      for (;;) {
        const count = await Deno.stdin.read(buffer);
        if (count === null) break;
        for (const key of readKeys(buffer.subarray(0, count))) this.#press(key);
      }
    } catch {
      // The terminal has gone.
    }
    this.#ended.resolve();
  }

  #press(key: Key): void {
    const moves: Readonly<Record<string, number>> = {
      up: -1,
      k: -1,
      down: 1,
      j: 1,
      pageUp: -this.#pageSize,
      pageDown: this.#pageSize,
      " ": this.#pageSize,
      home: -Infinity,
      end: Infinity,
    };
    const move = Object.hasOwn(moves, key) ? moves[key] : undefined;
    if (key === "q" || key === "Q" || key === "interrupt") {
      this.#ended.resolve();
    } else if (key === "\f") {
      this.#drawAll();
    } else if (move !== undefined) {
      const wanted = this.#scroll + move;
      this.#scroll = Math.max(0, Math.min(this.#scrollLimit, wanted));
      this.#draw();
    }
  }

  #drawAll(): void {
    this.#isAll = true;
    this.#draw();
  }

  #drawSoon(): void {
    this.#timer ??= setTimeout(() => this.#draw(), DRAW_DELAY_MS);
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { output } = this.#context;
    const drawn = topScreen(this.#watchers.map(({ view }) => view), {
      ...terminalSize(),
      scroll: this.#scroll,
      clock: new Date().toTimeString().slice(0, 8),
      paint: (colour, text) => output.paint(colour, text),
    });
    this.#scrollLimit = drawn.scrollLimit;
    this.#scroll = Math.min(this.#scroll, drawn.scrollLimit);
    this.#pageSize = drawn.pageSize;
    try {
      this.#screen.draw(drawn.lines, this.#isAll);
      this.#isAll = false;
    } catch {
      // The terminal has gone.
      this.#ended.resolve();
    }
  }
}
