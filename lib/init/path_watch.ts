/**
 * Paths that somebody waits for: the kernel tells of names that appear in the
 * folders above them, and each is looked for at once. Imports `linux`.
 *
 * @module
 */
import { close } from "../linux/file.ts";
import { openFolderWatch, takeChanges, watchFolder } from "../linux/inotify.ts";
import type { Poller } from "../linux/poller.ts";

/**
 * How often a path is looked for besides: no folder tells of what comes with a
 * mount, or at the far end of a symbolic link.
 */
const LOOK_MS = 1_000;

/** How often it is looked for where the kernel does not tell. */
const LOOK_MS_UNTOLD = 100;

/** How long nobody hears of changes after one: a busy folder must not keep PID 1 busy. */
const PAUSE_MS = 10;

interface Watch {
  readonly path: string;
  readonly onThere: () => void;
  readonly timer: ReturnType<typeof setInterval>;
}

/** All paths that are waited for. While there is none, nothing is open and nothing wakes up. */
export class PathWatch {
  readonly #poller: Poller;
  readonly #watches = new Map<number, Watch>();
  /** Open while a path is waited for. */
  #descriptor: number | null = null;
  #pause: ReturnType<typeof setTimeout> | undefined;

  /**
   * Begins without paths.
   *
   * @param poller Says when the kernel has told something.
   */
  constructor(poller: Poller) {
    this.#poller = poller;
  }

  /**
   * Waits for a path.
   *
   * @param key Who waits; what he has waited for before is forgotten.
   * @param path An absolute path.
   * @param onThere Called once, as soon as it exists, which may be at once.
   */
  add(key: number, path: string, onThere: () => void): void {
    this.remove(key);
    const isTold = this.#listen(path);
    const look = () => this.#look(key);
    const timer = setInterval(look, isTold ? LOOK_MS : LOOK_MS_UNTOLD);
    this.#watches.set(key, { path, onThere, timer });
    look();
  }

  /**
   * Waits no more.
   *
   * @param key Who has waited; nothing happens when he has not.
   */
  remove(key: number): void {
    const watch = this.#watches.get(key);
    if (watch === undefined) return;
    clearInterval(watch.timer);
    this.#watches.delete(key);
    if (this.#watches.size > 0 || this.#descriptor === null) return;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#poller.remove(this.#descriptor);
    close(this.#descriptor);
    this.#descriptor = null;
  }

  #look(key: number): void {
    const watch = this.#watches.get(key);
    if (watch === undefined) return;
    try {
      Deno.lstatSync(watch.path);
    } catch {
      return;
    }
    this.remove(key);
    watch.onThere();
  }

  /**
   * Listens in each folder above a path, from the root down to where it ends so
   * far: what is made below that is told by the folder that was there before.
   * Returns whether the kernel tells.
   */
  #listen(path: string): boolean {
    try {
      this.#descriptor ??= this.#open();
      for (
        let end = path.indexOf("/");
        end !== -1;
        end = path.indexOf("/", end + 1)
      ) watchFolder(this.#descriptor, path.slice(0, end) || "/");
      return true;
    } catch {
      // It ends here, or no more can be watched.
      return this.#descriptor !== null;
    }
  }

  #open(): number {
    const descriptor = openFolderWatch();
    this.#poller.add(descriptor, {}, () => this.#changed());
    return descriptor;
  }

  #changed(): void {
    const descriptor = this.#descriptor;
    if (descriptor === null || !takeChanges(descriptor)) return;
    this.#poller.modify(descriptor, { read: false });
    this.#pause = setTimeout(() => {
      if (this.#descriptor === null) return;
      this.#poller.modify(this.#descriptor, {});
    }, PAUSE_MS);
    for (const [key, { path }] of [...this.#watches]) {
      this.#listen(path);
      this.#look(key);
    }
  }
}
