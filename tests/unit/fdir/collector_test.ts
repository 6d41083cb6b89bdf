/** The collectors against a mock of /proc and /sys, against the real ones, and under churn. */
import { assert, assertEquals } from "@std/assert";
import { Collector, snapshotDigests } from "../../../lib/fdir/collector.ts";
import { ImageFiles } from "../../../lib/fdir/image_files.ts";
import { ProcReader } from "../../../lib/fdir/proc_reader.ts";
import { createSha256 } from "../../../lib/fdir/sha256.ts";
import type { ProcessSubject } from "../../../lib/fdir/snapshot.ts";
import { toHex } from "../../../lib/wire/hex.ts";

/** A folder that stands for /proc and /sys, removed at the end. */
class Mock implements Disposable {
  readonly folder = Deno.makeTempDirSync();

  write(path: string, text: string): void {
    const whole = `${this.folder}/${path}`;
    Deno.mkdirSync(whole.slice(0, whole.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(whole, text);
  }

  process(pid: number, change: Readonly<Record<string, string>> = {}): void {
    const files: Record<string, string> = {
      stat:
        `${pid} (web) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ${pid}00 99\n`,
      status: "Name:\tweb\nState:\tS (sleeping)\nNoNewPrivs:\t1\nSeccomp:\t2\n",
      maps: "1000-2000 r-xp 00000000 fe:01 7          /bin/web\n",
      cgroup: "0::/spaceos/web\n",
      ...change,
    };
    for (const [name, text] of Object.entries(files)) {
      this.write(`${pid}/${name}`, text);
    }
    Deno.mkdirSync(`${this.folder}/${pid}/ns`, { recursive: true });
    Deno.symlinkSync("mnt:[1]", `${this.folder}/${pid}/ns/mnt`);
  }

  collector(): Collector {
    return new Collector({
      proc: this.folder,
      sys: this.folder,
      nowMs: () => performance.now(),
      pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const subject = (pid: number): ProcessSubject => ({
  service: `service-${pid}`,
  instance: pid,
  pid,
  cgroup: null,
  sinceMs: 0,
  definition: null,
});

Deno.test("Collector.processes reads a process of the mock", async () => {
  using mock = new Mock();
  mock.process(7);
  const [seen] = await mock.collector().processes([subject(7)]);
  assertEquals(seen?.snapshot, {
    startTicks: 700,
    mappings: ["1000-2000 r-xp 00000000 fe:01 7 /bin/web"],
    privileges: { NoNewPrivs: "1", Seccomp: "2" },
    cgroup: "/spaceos/web",
    namespaces: { mnt: "mnt:[1]" },
  });
});

Deno.test("Collector.processes has no snapshot of zombies, of the dead, and of what is no process", async () => {
  using mock = new Mock();
  mock.process(1, { status: "Name:\tweb\nState:\tZ (zombie)\n" });
  mock.process(2, { status: "Name:\tweb\nState:\tX (dead)\n" });
  mock.process(3, { maps: "" });
  mock.process(4, { stat: "garbage" });
  mock.process(5, { status: "" });
  const seen = await mock.collector().processes(
    [1, 2, 3, 4, 5, 6].map(subject),
  );
  assertEquals(seen.map(({ snapshot }) => snapshot), [
    null,
    null,
    null,
    null,
    null,
    null,
  ]);
});

Deno.test("Collector.processes takes hostile files: endless, binary, folders, pipes", async () => {
  using mock = new Mock();
  mock.process(1, { maps: "x".repeat(2_000_000) });
  mock.process(2, {
    status: "State:\tS\n" + "Seccomp:\t2\n".repeat(200_000),
    cgroup: "\0\0\0",
  });
  mock.process(3, {
    maps: "1000-2000 r-xp 00000000 fe:01 7 /bin/web\n".repeat(40_000),
  });
  mock.process(4);
  Deno.removeSync(`${mock.folder}/4/cgroup`);
  Deno.mkdirSync(`${mock.folder}/4/cgroup`);
  const pipe = `${mock.folder}/4/maps`;
  Deno.removeSync(pipe);
  new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
  const seen = await mock.collector().processes([1, 2, 3, 4].map(subject));
  assertEquals(seen[0]?.snapshot?.mappings?.length, 1);
  assertEquals(seen[1]?.snapshot?.privileges, { Seccomp: "2" });
  assertEquals(
    seen[2]?.snapshot?.mappings?.at(-1),
    "0-0 r-xp 0 0:0 1 (more than 1048576 bytes)",
  );
  assertEquals(seen[3]?.snapshot?.cgroup, null);
});

Deno.test("Collector.machine reads EDAC's counters of all controllers, and takes any content", () => {
  using mock = new Mock();
  const collector = mock.collector();
  assertEquals(collector.machine().memoryErrors, null);
  mock.write("devices/system/edac/mc/mc0/ce_count", "3\n");
  mock.write("devices/system/edac/mc/mc0/ue_count", "1\n");
  mock.write("devices/system/edac/mc/mc1/ce_count", "4\n");
  mock.write("devices/system/edac/mc/mc1/ue_count", "what?\n");
  mock.write("devices/system/edac/mc/power/ce_count", "100\n");
  mock.write("self/mountinfo", "22 1 0:21 / /proc rw - proc proc rw\n");
  mock.write("modules", "a 1 0 - Live 0x0\n");
  mock.write("meminfo", "MemTotal: 100 kB\nMemAvailable: 20 kB\n");
  mock.write("pressure/memory", "full avg10=2.00 avg60=0 avg300=0 total=0\n");
  assertEquals(collector.machine(), {
    mounts: ["0:21 / /proc rw proc proc rw"],
    modules: ["a 1"],
    memoryErrors: { corrected: 7, uncorrected: 1 },
    availablePercent: 20,
    pressure: { cpu: 0, memory: 2, io: 0 },
  });
});

Deno.test("two looks at a process that does nothing are alike, for all a JIT does", async () => {
  const collector = new Collector({
    proc: "/proc",
    sys: "/sys",
    nowMs: () => performance.now(),
    pause: () => Promise.resolve(),
  });
  const look = async () =>
    (await collector.processes([subject(Deno.pid)]))[0]?.snapshot ?? null;
  const before = await look();
  // Work for the JIT: its code is anonymous memory.
  let sum = 0;
  for (let count = 0; count < 2_000_000; count++) sum = (sum * 31 + count) | 0;
  assert(before !== null && sum !== 1);
  const after = await look();
  assertEquals(after, before);
  const sha256 = await createSha256();
  assertEquals(toHex(snapshotDigests(before, sha256).cgroup).length, 64);
});

Deno.test("processes that come and go while they are looked at never make the collector throw", async () => {
  const children = new Deno.Command("sh", {
    args: [
      "-c",
      "i=0; while [ $i -lt 600 ]; do (exit 0) & i=$((i + 1)); done; wait",
    ],
  }).spawn();
  const collector = new Collector({
    proc: "/proc",
    sys: "/sys",
    nowMs: () => performance.now(),
    pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
  });
  let isOver = false;
  const ended = children.status.finally(() => isOver = true);
  let looked = 0;
  while (!isOver) {
    const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
      .filter((pid) => pid > children.pid);
    const seen = await collector.processes(pids.map(subject));
    for (const { snapshot } of seen) {
      // Whoever is seen is seen whole.
      assert(
        snapshot === null || snapshot.mappings === null ||
          snapshot.privileges["Uid"] !== undefined,
      );
    }
    looked += seen.length;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await ended;
  assert(looked > 0);
});

Deno.test("looking at 500 processes lets the event loop turn every few milliseconds", async () => {
  using mock = new Mock();
  const pids = Array.from({ length: 500 }, (_, index) => index + 1);
  for (const pid of pids) mock.process(pid);
  let nowMs = 0;
  let pauses = 0;
  const collector = new Collector({
    proc: mock.folder,
    sys: mock.folder,
    nowMs: () => nowMs++,
    pause: () => {
      pauses++;
      return Promise.resolve();
    },
  });
  const seen = await collector.processes(pids.map(subject));
  assertEquals(seen.filter(({ snapshot }) => snapshot !== null).length, 500);
  assertEquals(pauses, 100);
});

Deno.test("ProcReader.text is null for what can't be read and short for what is long", () => {
  using mock = new Mock();
  mock.write("long", "x".repeat(300_000));
  const reader = new ProcReader(mock.folder);
  assertEquals(reader.text("none"), null);
  assertEquals(reader.text("."), null);
  assertEquals(reader.text("long")?.length, 256 * 1024);
});

async function digestOf(text: string): Promise<string> {
  const sha256 = await createSha256();
  sha256.begin();
  sha256.add(text);
  return toHex(sha256.end());
}

/** The files of an image in a folder, and the time, which only the test moves. */
async function image(mock: Mock, contents: Readonly<Record<string, string>>) {
  const entries = [];
  for (const [path, text] of Object.entries(contents)) {
    mock.write(path.slice(1), text);
    entries.push({ path, digest: await digestOf(text) });
  }
  const clock = { ms: 0, stepMs: 0 };
  const files = new ImageFiles({
    entries,
    sha256: await createSha256(),
    nowMs: () => clock.ms += clock.stepMs,
    pause: () => Promise.resolve(),
    root: mock.folder,
  });
  return { files, clock };
}

Deno.test("ImageFiles.check finds changed, missing and replaced files, and forgives those put right", async () => {
  using mock = new Mock();
  const { files } = await image(mock, {
    "/a": "one",
    "/b": "two",
    "/c": "x".repeat(200_000),
    "/d": "",
  });
  const first = await files.check(1000);
  assertEquals(first.findings, []);
  assertEquals([...first.goodFiles], ["/a", "/b", "/c", "/d"]);
  mock.write("a", "ONE");
  Deno.removeSync(`${mock.folder}/b`);
  Deno.removeSync(`${mock.folder}/d`);
  Deno.mkdirSync(`${mock.folder}/d`);
  const second = await files.check(0);
  assertEquals(second.findings, [
    "/a has another SHA-256",
    "/b is missing",
    "/d is a directory",
  ]);
  assertEquals([...second.goodFiles], ["/c"]);
  mock.write("a", "one");
  mock.write("b", "two");
  Deno.removeSync(`${mock.folder}/d`);
  mock.write("d", "");
  assertEquals((await files.check(1000)).findings, []);
});

Deno.test("ImageFiles.check finds a changed byte that the file system does not tell of, in turn", async () => {
  using mock = new Mock();
  const { files, clock } = await image(mock, { "/a": "one", "/b": "two" });
  await files.check(1000);
  const rounds = files.rounds;
  // Another digest is as good as another byte, and needs no broken memory.
  const other = new ImageFiles({
    entries: [{ path: "/a", digest: "00" }],
    sha256: await createSha256(),
    nowMs: () => 0,
    pause: () => Promise.resolve(),
    root: mock.folder,
  });
  assertEquals((await other.check(1)).findings, ["/a has another SHA-256"]);
  // With a budget for one file a check reads one file.
  clock.stepMs = 10;
  await files.check(5);
  assertEquals(files.rounds, rounds);
  await files.check(5);
  assertEquals(files.rounds, rounds + 1);
});

Deno.test("ImageFiles.check reads a large file piece by piece, from check to check, and a changed one first", async () => {
  using mock = new Mock();
  const large = "x".repeat(1_000_000);
  const { files, clock } = await image(mock, { "/large": large, "/z": "z" });
  clock.stepMs = 10;
  let checks = 0;
  while ((await files.check(1)).goodFiles.size < 2) checks++;
  assert(checks >= 3, `${checks} checks`);
  await files.check(1);
  mock.write("z", "Z");
  assertEquals((await files.check(1)).findings, ["/z has another SHA-256"]);
  // What gave way to it is read again from its beginning.
  mock.write("z", "z");
  clock.stepMs = 0;
  assertEquals((await files.check(1000)).findings, []);
});

Deno.test("ImageFiles.check reads a replaced file even without a budget, also when its times were set back", async () => {
  using mock = new Mock();
  const { files } = await image(mock, { "/a": "one" });
  await files.check(1000);
  const before = Deno.statSync(`${mock.folder}/a`);
  mock.write("a", "eno");
  Deno.utimeSync(`${mock.folder}/a`, before.atime ?? 0, before.mtime ?? 0);
  assertEquals((await files.check(0)).findings, ["/a has another SHA-256"]);
});
