import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { Cgroup } from "../../../lib/linux/cgroup.ts";
import { SystemError } from "../../../lib/linux/error.ts";

/** A folder that looks like a group, with the files named. */
function fakeGroup(
  files: Record<string, string>,
): { group: Cgroup; read: (name: string) => string } & Disposable {
  const root = Deno.makeTempDirSync();
  const path = `${root}/service`;
  Deno.mkdirSync(path);
  for (const [name, text] of Object.entries(files)) {
    Deno.writeTextFileSync(`${path}/${name}`, text);
  }
  return {
    group: new Cgroup(path),
    read: (name) => Deno.readTextFileSync(`${path}/${name}`),
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}

const empty = {
  "memory.max": "",
  "memory.high": "",
  "cpu.weight": "",
  "cpu.max": "",
  "pids.max": "",
};

Deno.test("Cgroup.setLimits writes each limit as the kernel reads it, and no other", () => {
  using fake = fakeGroup(empty);
  fake.group.setLimits({});
  for (const name of Object.keys(empty)) assertEquals(fake.read(name), "");
  fake.group.setLimits({
    memoryMaxBytes: 64 << 20,
    memoryHighBytes: 48 << 20,
    cpuWeight: 250,
    cpuMaximum: 0.25,
    pidsMax: 32,
  });
  assertEquals(
    ["memory.max", "memory.high", "cpu.weight", "cpu.max", "pids.max"].map(
      fake.read,
    ),
    ["67108864", "50331648", "250", "25000 100000", "32"],
  );
});

Deno.test("Cgroup.setLimits writes max for no limit", () => {
  using fake = fakeGroup(empty);
  fake.group.setLimits({
    memoryMaxBytes: Infinity,
    memoryHighBytes: Infinity,
    cpuMaximum: Infinity,
    pidsMax: Infinity,
  });
  assertEquals(
    ["memory.max", "memory.high", "cpu.max", "pids.max"].map(fake.read),
    ["max", "max", "max 100000", "max"],
  );
});

Deno.test("Cgroup.setLimits says which controller's file is missing", () => {
  using fake = fakeGroup({ "pids.max": "" });
  const error = assertThrows(
    () => fake.group.setLimits({ memoryMaxBytes: 1 << 20 }),
    SystemError,
  );
  assertEquals([error.code, error.path], [
    "ENOENT",
    `${fake.group.path}/memory.max`,
  ]);
});

Deno.test("Cgroup reads events and members, and takes a group that is gone for empty", () => {
  using fake = fakeGroup({
    "cgroup.events": "populated 1\nfrozen 0\n",
    "cgroup.procs": "1\n17\n4711\n",
    "memory.current": "4096\n",
  });
  assertEquals(fake.group.populated(), true);
  assertEquals(fake.group.frozen(), false);
  assertEquals(fake.group.processes(), [1, 17, 4711]);
  assertEquals(fake.group.read("memory.current"), "4096\n");
  const gone = new Cgroup("/sys/fs/cgroup/no/such/group");
  assertFalse(gone.populated());
  assertFalse(gone.frozen());
  gone.kill();
  gone.remove();
  assertThrows(() => gone.processes(), SystemError, "ENOENT");
});

Deno.test("Cgroup.kill freezes, kills and thaws where the kernel has no cgroup.kill", () => {
  // A process number that no kernel gives out, so that nobody is hit.
  using fake = fakeGroup({
    "cgroup.freeze": "",
    "cgroup.procs": "2147483646\n0\n",
  });
  fake.group.kill();
  // A real one takes each write anew; in a plain file the second covers the first.
  assertEquals(fake.read("cgroup.freeze"), "0");
});
