/**
 * The terminal that standard output is: how wide, what it can show, and a full
 * screen of it that is given back whatever happens. Imports nothing.
 *
 * @module
 */

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** The size of the terminal; 80x24 where there is none. */
export function terminalSize(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    if (columns > 0 && rows > 0) return { columns, rows };
  } catch {
    // No terminal.
  }
  return { columns: DEFAULT_COLUMNS, rows: DEFAULT_ROWS };
}

/** The width of the terminal, or 80 where there is none. */
export function terminalColumns(): number {
  return terminalSize().columns;
}

/** Whether the locale says that the terminal shows Unicode; locale(7). */
export function isUnicodeTerminal(): boolean {
  const locale = ["LC_ALL", "LC_CTYPE", "LANG"]
    .map((name) => Deno.env.get(name) ?? "")
    .find((value) => value !== "") ?? "";
  return /utf-?8/i.test(locale);
}

// ECMA-48 and xterm's control sequences.
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l\x1b[0m";

/** A full screen: the alternate one, without cursor and line wrap, keys unbuffered. */
export class Screen {
  #isOpen = false;
  #last: readonly string[] = [];
  readonly #leave = () => this.close();

  /** Takes the terminal over. */
  open(): void {
    this.#isOpen = true;
    // Also when something throws where nobody waits for it.
    globalThis.addEventListener("unload", this.#leave);
    Deno.stdin.setRaw(true);
    write(ENTER);
  }

  /** Gives the terminal back as it was; may be called at any time. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    globalThis.removeEventListener("unload", this.#leave);
    try {
      write(LEAVE);
      Deno.stdin.setRaw(false);
    } catch {
      // The terminal has gone.
    }
  }

  /** Shows lines from the top, none wider than the terminal; only what changed is written. */
  draw(lines: readonly string[], isAll: boolean): void {
    if (!this.#isOpen) return;
    const text = lines.map((line, index) =>
      isAll || line !== this.#last[index]
        // Erased first: behind a full line the cursor is still on its last column.
        ? `\x1b[${index + 1};1H\x1b[K${line}\x1b[0m`
        : ""
    ).join("");
    this.#last = [...lines];
    // Behind the last row there is nothing to erase, but the last row itself.
    const isFull = lines.length >= terminalSize().rows;
    const rest = isAll && !isFull ? `\x1b[${lines.length + 1};1H\x1b[J` : "";
    // Shown at once where the terminal knows synchronized output.
    if (text + rest !== "") write(`\x1b[?2026h${text}${rest}\x1b[?2026l`);
  }
}

function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) {
    done += Deno.stdout.writeSync(bytes.subarray(done));
  }
}

/** What a key press means; letters are themselves. */
export type Key =
  | "up"
  | "down"
  | "pageUp"
  | "pageDown"
  | "home"
  | "end"
  | string;

const SEQUENCES: Readonly<Record<string, Key>> = {
  "\x1b[A": "up",
  "\x1bOA": "up",
  "\x1b[B": "down",
  "\x1bOB": "down",
  "\x1b[5~": "pageUp",
  "\x1b[6~": "pageDown",
  "\x1b[H": "home",
  "\x1b[1~": "home",
  "\x1b[F": "end",
  "\x1b[4~": "end",
  "\x03": "interrupt",
  "\x1a": "suspend",
};

/** The keys in what was read from a terminal in one go. */
export function readKeys(bytes: Uint8Array): Key[] {
  const text = new TextDecoder().decode(bytes);
  // deno-lint-ignore no-control-regex -- terminals send these.
  const pieces = text.match(/\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[\s\S]/gu);
  return (pieces ?? []).map((piece) => SEQUENCES[piece] ?? piece);
}
