/**
 * Reads the texts of `/proc` and `/sys` that FDIR compares. Each reader takes
 * any text, also one that a hostile process had a hand in: what does not have
 * the expected form is left out, nothing throws. Pure; imports nothing.
 *
 * @module
 */

/**
 * The executable mappings of files in `/proc/PID/maps` (proc_pid_maps(5)): one
 * line each, blanks made single, in the order of the addresses. Anonymous
 * memory, where a JIT puts its code, and the kernel's own `[vdso]` are left
 * out.
 *
 * @param text The content of `maps`.
 * @returns For example `55d0-55d1 r-xp 00002000 fe:01 1234 /usr/bin/web`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { executableMappings } from "./proc_text.ts";
 *
 * const text = "1000-2000 r-xp 00000000 fe:01 7          /bin/web\n" +
 *   "2000-3000 rw-p 00001000 fe:01 7          /bin/web\n" +
 *   "4000-5000 rwxp 00000000 00:00 0\n" +
 *   "7000-8000 r-xp 00000000 00:00 0          [vdso]\n";
 * assertEquals(executableMappings(text), [
 *   "1000-2000 r-xp 00000000 fe:01 7 /bin/web",
 * ]);
 * ```
 */
export function executableMappings(text: string): string[] {
  const found: string[] = [];
  for (const line of text.split("\n")) {
    const match = MAPPING.exec(line);
    if (match === null) continue;
    const [, address, rights = "", offset, device, inode, path = ""] = match;
    if (rights[2] !== "x" || inode === "0") continue;
    found.push(`${address} ${rights} ${offset} ${device} ${inode} ${path}`);
  }
  return found;
}

const MAPPING =
  /^([0-9a-f]+-[0-9a-f]+) ([-rwxps]{4}) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+)\s*(.*)$/;

/** The lines of `status` that tell what a process may do. */
const PRIVILEGE_KEYS: ReadonlySet<string> = new Set([
  ...["Uid", "Gid", "NoNewPrivs", "Seccomp", "Seccomp_filters"],
  ...["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"],
]);

/** What `/proc/PID/status` says. */
export interface StatusFacts {
  /** The state's letter, such as `S`; the empty string when there is none. */
  readonly state: string;
  /** What the process may do: `NoNewPrivs`, `Seccomp`, `CapEff` and the like. */
  readonly privileges: Readonly<Record<string, string>>;
}

/**
 * Reads `/proc/PID/status` (proc_pid_status(5)). The kernel escapes line feeds
 * in the process's name, so no process can forge a line; of two lines of one
 * name the first counts all the same.
 *
 * @param text The file's content.
 * @returns What it says.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { statusFacts } from "./proc_text.ts";
 *
 * assertEquals(statusFacts("Name:\tweb\nState:\tS (sleeping)\nNoNewPrivs:\t1\n"), {
 *   state: "S",
 *   privileges: { NoNewPrivs: "1" },
 * });
 * ```
 */
export function statusFacts(text: string): StatusFacts {
  let state = "";
  const privileges: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const key = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1).trim().replaceAll("\t", " ");
    if (key === "State" && state === "") state = value.slice(0, 1);
    if (PRIVILEGE_KEYS.has(key) && !Object.hasOwn(privileges, key)) {
      privileges[key] = value;
    }
  }
  return { state, privileges };
}

/**
 * When a process started, from `/proc/PID/stat` (proc_pid_stat(5), field 22):
 * with it, a process id names one process and no later one.
 *
 * @param text The file's content; the process's name in it may hold anything.
 * @returns Clock ticks since boot, or null.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { startTicks } from "./proc_text.ts";
 *
 * const rest = Array.from({ length: 18 }, (_, index) => index).join(" ");
 * assertEquals(startTicks(`7 (a) b) S ${rest} 4711 0`), 4711);
 * assertEquals(startTicks("7 (a"), null);
 * ```
 */
export function startTicks(text: string): number | null {
  const after = text.slice(text.lastIndexOf(")") + 1).trim().split(" ");
  const ticks = after[19];
  return ticks !== undefined && /^\d+$/.test(ticks) ? Number(ticks) : null;
}

/**
 * The path in `/proc/PID/cgroup` of the one hierarchy of cgroup2
 * (cgroups(7)).
 *
 * @param text The file's content.
 * @returns For example `/spaceos/web`, or null where there is no cgroup2.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cgroupPath } from "./proc_text.ts";
 *
 * assertEquals(cgroupPath("1:name=x:/a\n0::/spaceos/web\n"), "/spaceos/web");
 * ```
 */
export function cgroupPath(text: string): string | null {
  const line = text.split("\n").find((one) => one.startsWith("0::"));
  return line === undefined ? null : line.slice("0::".length);
}

/**
 * The mounts in `/proc/self/mountinfo` (proc_pid_mountinfo(5)), without the
 * ids, which say nothing.
 *
 * @param text The file's content.
 * @returns One line each: device, root, target, options, type, source.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mountLines } from "./proc_text.ts";
 *
 * assertEquals(mountLines("22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw\n"), [
 *   "0:21 / /proc rw,nosuid proc proc rw",
 * ]);
 * ```
 */
export function mountLines(text: string): string[] {
  const found: string[] = [];
  for (const line of text.split("\n")) {
    const words = line.split(" ");
    const dash = words.indexOf("-", 6);
    if (dash === -1) continue;
    found.push([...words.slice(2, 6), ...words.slice(dash + 1)].join(" "));
  }
  return found;
}

/**
 * The loaded modules in `/proc/modules` (proc_modules(5)): name and size.
 *
 * @param text The file's content.
 * @returns Sorted, because the kernel lists the newest first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { moduleLines } from "./proc_text.ts";
 *
 * assertEquals(moduleLines("virtio_blk 28672 2 - Live 0x0\n"), ["virtio_blk 28672"]);
 * ```
 */
export function moduleLines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "")
    .map((line) => line.split(" ").slice(0, 2).join(" ")).sort();
}

/** How long tasks waited in the last ten seconds, in percent. */
export interface PressureFacts {
  /** At least one task waited. */
  readonly some: number;
  /** All tasks waited. */
  readonly full: number;
}

/**
 * Reads a file of `/proc/pressure` (kernel: Documentation/accounting/psi.rst).
 *
 * @param text The file's content.
 * @returns The averages over ten seconds; 0 for one that is not there.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pressureFacts } from "./proc_text.ts";
 *
 * const text = "some avg10=2.50 avg60=0.10 avg300=0.00 total=9\n";
 * assertEquals(pressureFacts(text), { some: 2.5, full: 0 });
 * ```
 */
export function pressureFacts(text: string): PressureFacts {
  const average = (kind: string): number =>
    Number(
      new RegExp(`^${kind} avg10=(\\d+(?:\\.\\d+)?) `, "m").exec(text)?.[1] ??
        0,
    );
  return { some: average("some"), full: average("full") };
}

/**
 * The share of memory that could be given to programs, from `/proc/meminfo`.
 *
 * @param text The file's content.
 * @returns Percent, or null when the text does not tell.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { availablePercent } from "./proc_text.ts";
 *
 * assertEquals(availablePercent("MemTotal: 200 kB\nMemAvailable: 50 kB\n"), 25);
 * ```
 */
export function availablePercent(text: string): number | null {
  const total = Number(/^MemTotal:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  if (total === 0 || available === undefined) return null;
  return 100 * Number(available) / total;
}
