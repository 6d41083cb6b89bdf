/**
 * The descriptors of a child that is to be spawned: what is moved where, what is
 * opened, and that all others are closed. Imports the libc table and files.
 *
 * @module
 */

import { cString } from "./c_string.ts";
import { SystemError } from "./error.ts";
import { isOpen } from "./descriptor.ts";
import { open } from "./file.ts";
import { libc } from "./libc.ts";
import type { SpawnOptions } from "./spawn_options.ts";

let nullDescriptor: number | undefined;

/** Nearly every child gets it: it stays open for the program's life. */
function openNull(): number {
  return nullDescriptor ??= open("/dev/null", ["readWrite"]);
}

/**
 * Fills the file actions of `posix_spawn(3)`: what the child's descriptors are
 * made from, the closing of all others, and the working directory.
 *
 * @param actions An initialized `posix_spawn_file_actions_t`.
 * @param options What was asked for.
 * @throws {SystemError} ENOMEM; with the path `/dev/null` when that is missing.
 *
 * @example
 * ```ts
 * import { libc } from "./libc.ts";
 * import { addFileActions } from "./spawn_descriptors.ts";
 *
 * using cleanup = new DisposableStack();
 * const actions = new Uint8Array(new ArrayBuffer(256));
 * libc().posix_spawn_file_actions_init(actions);
 * cleanup.defer(() => void libc().posix_spawn_file_actions_destroy(actions));
 * addFileActions(actions, { argv: ["/bin/true"] });
 * ```
 */
export function addFileActions(
  actions: Uint8Array<ArrayBuffer>,
  options: SpawnOptions,
): void {
  const add = (number: number, syscall: string): void => {
    if (number !== 0) throw new SystemError({ syscall, errno: number });
  };
  const wanted = new Map<number, number>();
  [options.stdin, options.stdout, options.stderr].forEach((choice, target) => {
    if (options.terminal !== undefined && choice === undefined) return;
    const source = choice ?? "null";
    if (typeof source === "number") wanted.set(target, source);
    else if (source === "inherit" && isOpen(target)) wanted.set(target, target);
    else wanted.set(target, openNull());
  });
  for (const [target, source] of Object.entries(options.descriptors ?? {})) {
    wanted.set(Number(target), source);
  }
  const libcFunctions = libc();
  const setForeground = libcFunctions.posix_spawn_file_actions_addtcsetpgrp_np;
  if (options.foregroundOf !== undefined && setForeground) {
    // First of all, while our own numbers still hold in the child.
    add(
      setForeground(actions, options.foregroundOf),
      "posix_spawn_file_actions_addtcsetpgrp_np",
    );
  }
  for (const { from, to } of descriptorMoves(wanted)) {
    add(
      libcFunctions.posix_spawn_file_actions_adddup2(actions, from, to),
      "posix_spawn_file_actions_adddup2",
    );
  }
  const highest = Math.max(2, ...wanted.keys());
  if (options.terminal !== undefined) {
    const O_RDWR = 2;
    // Above all others, where the closing below finds it.
    const spare = Math.max(highest, ...wanted.values()) + wanted.size + 1;
    add(
      libcFunctions.posix_spawn_file_actions_addopen(
        actions,
        spare,
        cString(options.terminal),
        O_RDWR,
        0,
      ),
      "posix_spawn_file_actions_addopen",
    );
    for (const target of [0, 1, 2]) {
      if (wanted.has(target)) continue;
      add(
        libcFunctions.posix_spawn_file_actions_adddup2(actions, spare, target),
        "posix_spawn_file_actions_adddup2",
      );
    }
  }
  for (const target of openBetween(3, highest)) {
    if (wanted.has(target)) continue;
    add(
      libcFunctions.posix_spawn_file_actions_addclose(actions, target),
      "posix_spawn_file_actions_addclose",
    );
  }
  add(
    libcFunctions.posix_spawn_file_actions_addclosefrom_np(
      actions,
      highest + 1,
    ),
    "posix_spawn_file_actions_addclosefrom_np",
  );
  if (options.cwd !== undefined) {
    add(
      libcFunctions.posix_spawn_file_actions_addchdir_np(
        actions,
        cString(options.cwd),
      ),
      "posix_spawn_file_actions_addchdir_np",
    );
  }
}

/**
 * Numbers that may be open and must be closed one by one, below the highest that
 * is granted. Where that is far, only those that are open are named.
 */
function openBetween(first: number, end: number): number[] {
  const NEAR = 64;
  if (end > NEAR) {
    try {
      return [...Deno.readDirSync("/proc/self/fd")]
        .map((entry) => Number(entry.name))
        .filter((number) => number >= first && number < end);
    } catch {
      // No /proc yet: name them all.
    }
  }
  return Array.from(
    { length: Math.max(0, end - first) },
    (_, index) => first + index,
  );
}

/** One `dup2` of the child. */
export interface DescriptorMove {
  /** The open descriptor. */
  readonly from: number;
  /** The number that it gets. */
  readonly to: number;
}

/**
 * The order of `dup2` calls that gives each target its source, although a
 * target's number may be another's source: a source that would be overwritten
 * before it is used is first moved out of the way, above all others. A source
 * that is its own target is moved onto itself, which makes glibc clear its
 * close-on-exec flag.
 *
 * @param wanted Sources by target.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { descriptorMoves } from "./spawn_descriptors.ts";
 *
 * // 0 and 1 change places: 1 is needed after it was overwritten.
 * assertEquals(descriptorMoves(new Map([[1, 0], [0, 1]])), [
 *   { from: 0, to: 2 },
 *   { from: 1, to: 0 },
 *   { from: 2, to: 1 },
 * ]);
 * ```
 */
export function descriptorMoves(
  wanted: ReadonlyMap<number, number>,
): DescriptorMove[] {
  const highest = Math.max(...wanted.keys());
  if ([...wanted.values()].every((source) => source > highest)) {
    return Array.from(wanted, ([to, from]) => ({ from, to }));
  }
  let spare = Math.max(highest, ...wanted.values(), -1) + 1;
  const moves: DescriptorMove[] = [];
  const place = new Map<number, number>();
  const targets = [...wanted].sort(([a], [b]) => a - b);
  const overwritten = (source: number, index: number): boolean =>
    targets.slice(0, index).some(([target]) => target === source);
  targets.forEach(([, source], index) => {
    if (place.has(source) || !overwritten(source, index)) return;
    moves.push({ from: source, to: spare });
    place.set(source, spare++);
  });
  for (const [target, source] of targets) {
    moves.push({ from: place.get(source) ?? source, to: target });
  }
  return moves;
}
