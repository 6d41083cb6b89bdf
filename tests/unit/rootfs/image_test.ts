import { assertEquals, assertThrows } from "@std/assert";
import {
  assembleImage,
  type ImageParts,
  MODULE_LIST_PATH,
} from "../../../rootfs/image.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const PARTS: ImageParts = {
  init: bytes("init"),
  libraries: [{ path: "/lib64/ld.so", bytes: bytes("ld") }],
  release: "6.1",
  modules: [
    { name: "b", path: "kernel/b.ko", bytes: bytes("b") },
    { name: "a", path: "kernel/a.ko", bytes: bytes("a") },
  ],
  files: [
    {
      path: "/etc/spaceos/services.d/x.json",
      bytes: bytes("{}"),
      executable: false,
    },
    { path: "/bin/tool", bytes: bytes("tool"), executable: true },
  ],
};

Deno.test("assembleImage holds what PID 1 needs before anything is mounted", () => {
  const tree = assembleImage(PARTS);
  assertEquals(tree.get("/init"), {
    kind: "file",
    bytes: bytes("init"),
    mode: 0o755,
  });
  assertEquals(tree.get("/dev/console"), {
    kind: "character device",
    mode: 0o600,
    major: 5,
    minor: 1,
  });
  assertEquals(tree.get("/dev/null"), {
    kind: "character device",
    mode: 0o666,
    major: 1,
    minor: 3,
  });
  assertEquals(tree.get("/proc/self/exe"), { kind: "link", target: "/init" });
  for (const path of ["/proc", "/sys", "/run", "/tmp"]) {
    assertEquals(tree.get(path)?.kind, "folder");
  }
});

Deno.test("assembleImage lists the modules in load order, not by name", () => {
  const list = assembleImage(PARTS).get(MODULE_LIST_PATH);
  assertEquals(list?.kind, "file");
  if (list?.kind !== "file") return;
  assertEquals(
    new TextDecoder().decode(list.bytes),
    "/lib/modules/6.1/kernel/b.ko\n/lib/modules/6.1/kernel/a.ko\n",
  );
});

Deno.test("assembleImage keeps who may execute what", () => {
  const tree = assembleImage(PARTS);
  const mode = (path: string): number | undefined => {
    const node = tree.get(path);
    return node?.kind === "file" ? node.mode : undefined;
  };
  assertEquals(mode("/bin/tool"), 0o755);
  assertEquals(mode("/etc/spaceos/services.d/x.json"), 0o644);
  assertEquals(mode("/lib64/ld.so"), 0o755);
});

Deno.test("assembleImage refuses a file in the place of another", () => {
  const files = [{ path: "/init", bytes: bytes("mine"), executable: true }];
  assertThrows(() => assembleImage({ ...PARTS, files }), RangeError, "/init");
});

Deno.test("assembleImage writes a manifest of all files, as sha256sum would, but not of what mounts cover", () => {
  const covered = { path: "/tmp/x", bytes: bytes("x"), executable: false };
  const tree = assembleImage({ ...PARTS, files: [...PARTS.files, covered] });
  const node = tree.get("/etc/spaceos/manifest");
  if (node?.kind !== "file") throw new Error("no manifest");
  const lines = new TextDecoder().decode(node.bytes).trim().split("\n");
  assertEquals(lines.map((line) => line.slice(66)), [
    "/bin/tool",
    "/etc/spaceos/modules",
    "/etc/spaceos/services.d/x.json",
    "/init",
    "/lib/modules/6.1/kernel/a.ko",
    "/lib/modules/6.1/kernel/b.ko",
    "/lib64/ld.so",
  ]);
  // printf %s tool | sha256sum
  assertEquals(
    lines[0]?.slice(0, 66),
    "7c9bbe5ec9b3fb774e8fa0f54247e93c34ddf8e5d16fe3073420de0ae81a262d  ",
  );
});
