import { assertEquals } from "@std/assert";
import { mountCalls } from "../../../lib/init/mount_options.ts";

/** The calls for a tmpfs, or for another type, with these options. */
function calls(options: readonly string[], filesystemType = "tmpfs") {
  return mountCalls({ source: "s", target: "/t", filesystemType, options });
}

Deno.test("mountCalls parts flags from the file system's own options", () => {
  assertEquals(calls(["ro", "nosuid,nodev", "size=1m", "mode=0755"]), [{
    source: "s",
    target: "/t",
    type: "tmpfs",
    flags: ["ro", "nosuid", "nodev"],
    data: "size=1m,mode=0755",
  }]);
});

Deno.test("mountCalls lets a later word take back an earlier one, and the other way round", () => {
  assertEquals(calls(["ro", "noexec", "rw"])[0]?.flags, ["noexec"]);
  assertEquals(calls(["rw", "ro"])[0]?.flags, ["ro"]);
});

Deno.test("mountCalls drops words that mean nothing to the kernel", () => {
  assertEquals(calls(["defaults", "nofail", "x-systemd.automount", ""]), [
    { source: "s", target: "/t", type: "tmpfs", flags: [] },
  ]);
});

Deno.test("mountCalls binds first and restricts afterwards, since the kernel ignores both at once", () => {
  assertEquals(calls(["rbind", "ro", "nosuid"], "none"), [
    { source: "s", target: "/t", type: "", flags: ["bind", "rec"] },
    {
      source: "s",
      target: "/t",
      type: "",
      flags: ["remount", "bind", "ro", "nosuid"],
    },
  ]);
  assertEquals(calls([], "bind"), [
    { source: "s", target: "/t", type: "", flags: ["bind"] },
  ]);
});

Deno.test("mountCalls changes propagation in a call of its own", () => {
  assertEquals(calls(["bind", "rprivate"], "").map(({ flags }) => flags), [
    ["bind"],
    ["private", "rec"],
  ]);
  assertEquals(calls(["shared"], "none").map(({ flags }) => flags), [[
    "shared",
  ]]);
  // As LinuxKit writes it for a bundle's scratch space.
  assertEquals(calls(["remount", "private"], "none"), [
    { source: "s", target: "/t", type: "", flags: ["remount"] },
    { source: "s", target: "/t", type: "", flags: ["private"] },
  ]);
});
