import { assertEquals, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { type Libc, overrideLibc, setErrno } from "../../../lib/linux/libc.ts";
import {
  FILESYSTEMS,
  mount,
  parseMounts,
  setupFilesystems,
  unmount,
} from "../../../lib/linux/mount.ts";

const decoder = new TextDecoder();

function text(bytes: unknown): string | null {
  return bytes === null
    ? null
    : decoder.decode(bytes as Uint8Array).replace(/\0$/, "");
}

/** Records the calls of mounting as lines, and answers each from a table. */
function record(
  answers: Record<string, number> = {},
): { calls: string[]; undo: Disposable } {
  const calls: string[] = [];
  const note = (line: string): number => {
    calls.push(line);
    const errno = answers[line];
    return errno === undefined ? 0 : setErrno(errno);
  };
  const functions: Partial<Libc> = {
    mkdirat: (_directory, path, mode) =>
      note(`mkdir ${text(path)} ${Number(mode).toString(8)}`),
    mount: (source, target, type, flags, data) =>
      note(
        `mount ${text(source)} ${text(target)} ${text(type)} 0x${
          flags.toString(16)
        } ${text(data)}`,
      ),
    umount2: (target, flags) => note(`umount2 ${text(target)} ${flags}`),
  };
  return { calls, undo: overrideLibc(functions) };
}

Deno.test("mount passes names, flags and data to the kernel as given", () => {
  const { calls, undo } = record();
  using _ = undo;
  mount({
    type: "tmpfs",
    target: "/run",
    flags: ["nosuid", "nodev"],
    data: "mode=0755",
  });
  mount({
    source: "/dev/vda1",
    type: "ext4",
    target: "/data",
    flags: ["ro", "noatime"],
  });
  mount({ target: "/data", flags: ["remount", "ro"] });
  mount({ source: "/a", target: "/b", flags: ["bind", "rec"] });
  mount({ target: "/", flags: ["rec", "private"] });
  assertEquals(calls, [
    "mount tmpfs /run tmpfs 0x6 mode=0755",
    "mount /dev/vda1 /data ext4 0x401 null",
    "mount none /data null 0x21 null",
    "mount /a /b null 0x5000 null",
    "mount none / null 0x44000 null",
  ]);
});

Deno.test("mount and unmount throw a SystemError with the target as path", () => {
  const { undo } = record({
    "mount tmpfs /run tmpfs 0x0 null": 1,
    "umount2 /run 8": 16,
  });
  using _ = undo;
  const refused = assertThrows(
    () => mount({ type: "tmpfs", target: "/run" }),
    SystemError,
  );
  assertEquals([refused.syscall, refused.code, refused.path], [
    "mount",
    "EPERM",
    "/run",
  ]);
  const busy = assertThrows(() => unmount("/run"), SystemError);
  assertEquals([busy.syscall, busy.code, busy.path], [
    "umount2",
    "EBUSY",
    "/run",
  ]);
});

Deno.test("unmount never follows a symbolic link, and passes its options", () => {
  const { calls, undo } = record();
  using _ = undo;
  unmount("/a");
  unmount("/a", { lazy: true });
  unmount("/a", { force: true, lazy: true });
  assertEquals(calls, ["umount2 /a 8", "umount2 /a 10", "umount2 /a 11"]);
});

/** Without /proc, as at the first instruction of PID 1: nothing is known to be mounted. */
const elsewhere = FILESYSTEMS.map((row) => ({
  ...row,
  target: `/nowhere${row.target}`,
}));

Deno.test("setupFilesystems makes the calls of an empty root in order", () => {
  const { calls, undo } = record({
    "mkdir /nowhere 755": 17,
    "mkdir /nowhere/proc 555": 17,
  });
  using _ = undo;
  assertEquals(setupFilesystems(elsewhere).map((row) => row.outcome), [
    "mounted",
    "mounted",
    "mounted",
  ]);
  assertEquals(calls, [
    "mkdir /nowhere 755",
    "mkdir /nowhere/dev 755",
    "mount dev /nowhere/dev devtmpfs 0x20000a mode=0755",
    "mkdir /nowhere 755",
    "mkdir /nowhere/proc 555",
    "mount proc /nowhere/proc proc 0x20000e null",
    "mkdir /nowhere 755",
    "mkdir /nowhere/sys 555",
    "mount sysfs /nowhere/sys sysfs 0x20000e null",
  ]);
});

Deno.test("setupFilesystems takes EBUSY for mounted already, and no other error", () => {
  const { undo } = record({
    "mount dev /nowhere/dev devtmpfs 0x20000a mode=0755": 16,
    "mount proc /nowhere/proc proc 0x20000e null": 1,
    "mkdir /nowhere/sys 555": 30,
  });
  using _ = undo;
  const results = setupFilesystems(elsewhere);
  assertEquals(results.map((row) => [row.outcome, row.error?.message]), [
    ["present", undefined],
    ["failed", "mount /nowhere/proc: EPERM, operation not permitted"],
    // A read-only root can't be told from a missing directory: the mount tells.
    ["mounted", undefined],
  ]);
});

Deno.test("setupFilesystems says which mount point could not be made", () => {
  const { calls, undo } = record({ "mkdir /nowhere/dev 755": 20 });
  using _ = undo;
  const [result] = setupFilesystems(elsewhere);
  assertEquals(
    result?.error?.message,
    "mkdir /nowhere/dev: ENOTDIR, not a directory",
  );
  assertEquals(calls.some((call) => call.startsWith("mount dev")), false);
});

Deno.test("parseMounts reads optional fields, escapes and bytes of longer characters", () => {
  const entries = parseMounts(
    [
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue",
      "25 1 0:22 / /with\\040space\\011tab\\134back\\012line rw - tmpfs none rw",
      "26 1 0:23 / /caf\\303\\251 rw shared:7 - tmpfs caf\\303\\251 rw",
      "27 1 0:24 / /🛰 rw - tmpfs none rw",
      "28 1 0:25 / /not\\9octal\\08 rw - tmpfs none rw",
      "broken line",
      "",
    ].join("\n"),
  );
  assertEquals(entries.map((entry) => entry.target), [
    "/mnt2",
    "/with space\ttab\\back\nline",
    "/café",
    "/🛰",
    "/not\\9octal\\08",
  ]);
  assertEquals(entries[0], {
    id: 36,
    parentId: 35,
    device: "98:0",
    root: "/mnt1",
    target: "/mnt2",
    flags: ["rw", "noatime"],
    type: "ext3",
    source: "/dev/root",
    options: ["rw", "errors=continue"],
  });
  assertEquals(entries[2]?.source, "café");
});

Deno.test("parseMounts takes any text without throwing", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF;
    return seed % below;
  };
  const pieces = [
    " - ",
    " ",
    "\n",
    "\\",
    "\\04",
    "0",
    "1:2",
    "/",
    "rw,",
    "é",
    "\0",
  ];
  for (let round = 0; round < 2000; round++) {
    let line = "";
    for (let count = random(40); count > 0; count--) {
      line += pieces[random(pieces.length)];
    }
    for (const entry of parseMounts(line)) {
      assertEquals(typeof entry.target, "string");
    }
  }
});
