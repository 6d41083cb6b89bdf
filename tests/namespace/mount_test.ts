import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInit } from "./namespace.ts";

interface Row {
  readonly target: string;
  readonly type: string;
  readonly outcome: string;
  readonly code?: string;
  readonly path?: string;
}

Deno.test({
  name:
    "setupFilesystems makes what is missing, mounts it once, and goes on where one fails",
  ignore: Deno.uid() !== 0, // devtmpfs cannot be mounted in a user namespace
  async fn() {
    const result = await runInit({ program: "mounts.ts" });
    assertEquals(result.code, 0, result.errorText);
    const said: Record<string, unknown> = Object.assign({}, ...result.facts);
    const outcomes = (key: string): string[] =>
      (said[key] as Row[]).map((row) => `${row.type} ${row.outcome}`);

    assertEquals(outcomes("standard"), [
      "devtmpfs present",
      "proc present",
      "sysfs present",
    ]);
    assertEquals(outcomes("first"), [
      "devtmpfs mounted",
      "proc mounted",
      "sysfs mounted",
    ]);
    assertEquals(outcomes("second"), outcomes("standard"));
    assertEquals(outcomes("runtime"), [
      "tmpfs mounted",
      "tmpfs mounted",
      "devpts mounted",
      "tmpfs mounted",
      "cgroup2 mounted",
    ]);
    assertEquals(
      outcomes("runtimeAgain"),
      outcomes("runtime").map((text) => text.replace("mounted", "present")),
    );
    assertEquals(said["modes"], ["1777", "755", "1777"]);

    assertEquals(outcomes("failing"), [
      "nosuchfs failed",
      "tmpfs mounted",
      "tmpfs failed",
      "tmpfs mounted",
    ]);
    const [unknown, , badOption] = said["failing"] as Row[];
    assertEquals([unknown?.code, unknown?.path], ["ENODEV", "/mnt/a root/one"]);
    assertEquals(badOption?.code, "EINVAL");

    // Mounted once each, and read back with the space in their names.
    const entries = (said["entries"] as [string, string, string[]][])
      .filter(([target]) => target.startsWith("/mnt/a root/"));
    assertEquals(
      entries.map(([target, type]) => `${type} ${target.slice(11)}`),
      [
        "devtmpfs /dev",
        "proc /proc",
        "sysfs /sys",
        "tmpfs /run",
        "tmpfs /tmp",
        "devpts /dev/pts",
        "tmpfs /dev/shm",
        "cgroup2 /sys/fs/cgroup",
        "tmpfs /two",
        "tmpfs /four",
      ],
    );
    const flags = new Map(entries.map(([target, , set]) => [target, set]));
    for (const flag of ["nosuid", "nodev", "noexec"]) {
      assertEquals(flags.get("/mnt/a root/proc")?.includes(flag), true, flag);
    }

    assertEquals(
      said["busy"],
      "umount2 /mnt/a root/two: EBUSY, device or resource busy",
    );
    assertStringIncludes(`${said["remounted"]}`, "ro");
    assertEquals(said["left"], false);
  },
});
