import { assertEquals, assertThrows } from "@std/assert";
import { Tree } from "../../../rootfs/cpio.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** One entry, as read by a reader that knows only cpio(5). */
interface Entry {
  name: string;
  fields: number[];
  data: Uint8Array;
}

function readArchive(archive: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  let at = 0;
  for (;;) {
    assertEquals(at % 4, 0, "every header begins at a multiple of 4");
    assertEquals(text(archive.subarray(at, at + 6)), "070701");
    const fields: number[] = [];
    for (let i = 0; i < 13; i++) {
      fields.push(
        parseInt(text(archive.subarray(at + 6 + 8 * i, at + 14 + 8 * i)), 16),
      );
    }
    const [sizeBytes = 0, nameBytes = 0] = [fields[6], fields[11]];
    const nameAt = at + 110;
    assertEquals(
      archive[nameAt + nameBytes - 1],
      0,
      "a name ends with a zero byte",
    );
    const name = text(archive.subarray(nameAt, nameAt + nameBytes - 1));
    const dataAt = Math.ceil((nameAt + nameBytes) / 4) * 4;
    if (name === "TRAILER!!!") {
      assertEquals(dataAt, archive.length);
      return entries;
    }
    entries.push({
      name,
      fields,
      data: archive.slice(dataAt, dataAt + sizeBytes),
    });
    at = Math.ceil((dataAt + sizeBytes) / 4) * 4;
  }
}

function archiveOf(tree: Tree, timeSeconds = 0): Uint8Array {
  const pieces: number[] = [];
  tree.write((piece) => pieces.push(...piece), timeSeconds);
  return new Uint8Array(pieces);
}

const file = (content: string, mode = 0o644) =>
  ({ kind: "file", bytes: new TextEncoder().encode(content), mode }) as const;

Deno.test("Tree writes files, folders, links and devices as cpio(5) describes them", () => {
  const tree = new Tree();
  tree.add("/init", file("program", 0o755));
  tree.add("/dev/console", {
    kind: "character device",
    mode: 0o600,
    major: 5,
    minor: 1,
  });
  tree.add("/proc/self/exe", { kind: "link", target: "/init" });
  tree.add("/tmp", { kind: "folder", mode: 0o1777 });
  const entries = new Map(
    readArchive(archiveOf(tree, 1234)).map((entry) => [entry.name, entry]),
  );
  assertEquals([...entries.keys()], [
    "dev",
    "dev/console",
    "init",
    "proc",
    "proc/self",
    "proc/self/exe",
    "tmp",
  ]);
  const entry = (name: string): Entry => {
    const found = entries.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };
  assertEquals(entry("init").fields[1], 0o100755);
  assertEquals(text(entry("init").data), "program");
  assertEquals(entry("dev/console").fields[1], 0o020600);
  assertEquals(entry("dev/console").fields.slice(9, 11), [5, 1]);
  assertEquals(entry("proc/self/exe").fields[1], 0o120777);
  assertEquals(text(entry("proc/self/exe").data), "/init");
  assertEquals(entry("tmp").fields[1], 0o041777);
  assertEquals(entry("proc").fields[1], 0o040755);
  for (const { fields } of entries.values()) {
    assertEquals(fields.slice(2, 4), [0, 0], "everything belongs to root");
    assertEquals(fields[5], 1234);
  }
  assertEquals([...entries.values()].map(({ fields }) => fields[0]), [
    1,
    2,
    3,
    4,
    5,
    6,
    7,
  ]);
});

Deno.test("Tree gives the same bytes in whatever order things are added", () => {
  const names = ["/b/c", "/a", "/b-a", "/b/a", "/ä"];
  const forwards = new Tree();
  for (const name of names) forwards.add(name, file(name));
  const backwards = new Tree();
  for (const name of names.toReversed()) backwards.add(name, file(name));
  assertEquals(archiveOf(forwards, 7), archiveOf(backwards, 7));
  assertEquals(forwards.paths(), ["/a", "/b", "/b/a", "/b/c", "/b-a", "/ä"]);
});

Deno.test("Tree keeps data of every length aligned", () => {
  for (let length = 0; length < 9; length++) {
    const tree = new Tree();
    tree.add(`/${"n".repeat(length + 1)}`, file("x".repeat(length)));
    assertEquals(readArchive(archiveOf(tree))[0]?.data.length, length);
  }
});

Deno.test("Tree refuses names that the kernel or the reader would take amiss", () => {
  for (
    const bad of [
      "",
      "/",
      "a",
      "//a",
      "/a/",
      "/a//b",
      "/a/./b",
      "/../a",
      "/a\0b",
      "/TRAILER!!!",
      `/${"x".repeat(4096)}`,
    ]
  ) {
    assertThrows(() => new Tree().add(bad, file("")), RangeError);
  }
});

Deno.test("Tree refuses two things at one path, and things below a file", () => {
  const tree = new Tree();
  tree.add("/a", file("1"));
  assertThrows(() => tree.add("/a", file("2")), RangeError, "twice");
  assertThrows(() => tree.add("/a/b", file("3")), RangeError, "/a");
  tree.add("/c", { kind: "folder", mode: 0o755 });
  tree.add("/c", { kind: "folder", mode: 0o700 });
  assertEquals(tree.get("/c"), { kind: "folder", mode: 0o700 });
});

Deno.test("Tree refuses modes, links and times out of range", () => {
  assertThrows(
    () => new Tree().add("/a", file("", 0o10000)),
    RangeError,
    "mode",
  );
  assertThrows(
    () => new Tree().add("/a", { kind: "link", target: "" }),
    RangeError,
    "link",
  );
  assertThrows(() => new Tree().write(() => {}, -1), RangeError, "time");
  assertThrows(() => new Tree().write(() => {}, 2 ** 32), RangeError, "time");
});
