/**
 * Mount options as they stand in fstab and in LinuxKit's `runtime.json`, turned
 * into the calls of `mount(2)` that do what they say. Pure; imports `linux`'s
 * types.
 *
 * One call can't do everything: the kernel ignores `ro` and its like while it
 * makes a bind mount, and changes propagation only in a call of its own
 * (mount(2), NOTES). So an entry becomes up to three calls, as mount(8) makes
 * them.
 *
 * @module
 */
import type { MountFlag, MountOptions } from "../linux/mount.ts";

/** An entry of fstab, or of LinuxKit's `runtime.json`. */
export interface MountRequest {
  /** The device, directory or name. */
  readonly source: string;
  /** Where, an absolute path. */
  readonly target: string;
  /** The file system's type; `bind` and `none` name none. */
  readonly filesystemType: string;
  /** The options; one may hold several, with commas between. */
  readonly options: readonly string[];
}

type Propagation = Extract<
  MountFlag,
  "private" | "shared" | "slave" | "unbindable"
>;

/** What a word sets. */
const SET: ReadonlyMap<string, readonly MountFlag[]> = new Map<
  string,
  readonly MountFlag[]
>([
  ["ro", ["ro"]],
  ["nosuid", ["nosuid"]],
  ["nodev", ["nodev"]],
  ["noexec", ["noexec"]],
  ["sync", ["sync"]],
  ["dirsync", ["dirsync"]],
  ["nosymfollow", ["nosymfollow"]],
  ["noatime", ["noatime"]],
  ["nodiratime", ["nodiratime"]],
  ["relatime", ["relatime"]],
  ["strictatime", ["strictatime"]],
  ["lazytime", ["lazytime"]],
  ["silent", ["silent"]],
  ["remount", ["remount"]],
  ["bind", ["bind"]],
  ["rbind", ["bind", "rec"]],
]);

/** What a word takes back. */
const CLEAR: ReadonlyMap<string, MountFlag> = new Map<string, MountFlag>([
  ["rw", "ro"],
  ["suid", "nosuid"],
  ["dev", "nodev"],
  ["exec", "noexec"],
  ["async", "sync"],
  ["symfollow", "nosymfollow"],
  ["atime", "noatime"],
  ["diratime", "nodiratime"],
  ["norelatime", "relatime"],
  ["nostrictatime", "strictatime"],
  ["nolazytime", "lazytime"],
  ["loud", "silent"],
]);

const PROPAGATION: ReadonlyMap<string, readonly [Propagation, boolean]> =
  new Map<string, readonly [Propagation, boolean]>(
    (["private", "shared", "slave", "unbindable"] as const).flatMap((word) => [
      [word, [word, false]] as const,
      [`r${word}`, [word, true]] as const,
    ]),
  );

/** Words for mount(8) alone, or that kernels since 5.15 ignore. */
const MEANINGLESS: ReadonlySet<string> = new Set([
  ...["defaults", "auto", "noauto", "nofail", "_netdev", "mand", "nomand"],
]);

/**
 * The calls that an entry asks for.
 *
 * @param request The entry.
 * @returns One to three calls of `mount(2)`, in order.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { mountCalls } from "./mount_options.ts";
 *
 * const request = { source: "run", target: "/r", filesystemType: "tmpfs" };
 * assertEquals(mountCalls({ ...request, options: ["nosuid", "rw", "size=1m"] }), [
 *   { source: "run", target: "/r", type: "tmpfs", flags: ["nosuid"], data: "size=1m" },
 * ]);
 * ```
 */
export function mountCalls(request: MountRequest): MountOptions[] {
  const { source, target, filesystemType } = request;
  const flags = new Set<MountFlag>();
  if (filesystemType === "bind") flags.add("bind");
  const propagations: MountFlag[][] = [];
  const data: string[] = [];
  const words = request.options.flatMap((option) => option.split(","));
  for (const word of words) {
    const cleared = CLEAR.get(word);
    const propagation = PROPAGATION.get(word);
    if (word === "" || MEANINGLESS.has(word) || word.startsWith("x-")) continue;
    if (cleared !== undefined) flags.delete(cleared);
    else if (propagation !== undefined) {
      const [kind, isRecursive] = propagation;
      propagations.push(isRecursive ? [kind, "rec"] : [kind]);
    } else if (SET.has(word)) {
      for (const flag of SET.get(word) ?? []) flags.add(flag);
    } else data.push(word);
  }
  const isBind = flags.has("bind");
  const isTyped = !isBind && !flags.has("remount") &&
    filesystemType !== "none" && filesystemType !== "";
  const calls: MountOptions[] = [];
  // An entry of nothing but a change of propagation mounts nothing.
  const isChangeOnly = !isTyped && flags.size === 0 && propagations.length > 0;
  if (!isChangeOnly) {
    const first = isBind && !flags.has("remount")
      ? [...flags].filter((flag) => flag === "bind" || flag === "rec")
      : [...flags];
    calls.push({
      source,
      target,
      type: isTyped ? filesystemType : "",
      flags: first,
      ...(data.length === 0 ? {} : { data: data.join(",") }),
    });
    const rest = [...flags].filter((flag) => !first.includes(flag));
    if (rest.length > 0) {
      calls.push({
        source,
        target,
        type: "",
        flags: ["remount", "bind", ...rest],
      });
    }
  }
  for (const one of propagations) {
    calls.push({ source, target, type: "", flags: one });
  }
  return calls;
}
