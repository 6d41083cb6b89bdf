/**
 * The story of a machine with many services, in one boot: dependencies, every
 * kind of readiness, limits of the kernel, other users, a crash loop, OCI
 * bundles, and how all of them go down. Console and event log tell it.
 *
 * The services are scripts of perl and sh, which the image gets from this
 * machine; the bundles are run by Debian's crun.
 */
import {
  assert,
  assertEquals,
  assertFalse,
  assertLess,
  assertMatch,
} from "@std/assert";
import {
  buildImage,
  INIT_ENTRY,
  sourceTimeSeconds,
} from "../../rootfs/build.ts";
import type { PlainFile } from "../../rootfs/image.ts";
import { requireProgram } from "../../rootfs/toolchain/debian_program.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { eventCode, eventRecords, eventText } from "./event_ring.ts";
import { Machine } from "./machine.ts";

const textFile = (path: string, content: string): PlainFile => ({
  path,
  bytes: new TextEncoder().encode(content),
  executable: false,
});
const jsonFile = (path: string, value: unknown): PlainFile =>
  textFile(path, JSON.stringify(value));
const program = (path: string): PlainFile => ({
  path,
  bytes: Deno.readFileSync(path),
  executable: true,
});

/** A script of perl; `notify` sends a datagram to the init. */
const perl = (script: string): string[] => [
  "/usr/bin/perl",
  "-e",
  `$| = 1;
   sub notify { socket(my $s, 1, 2, 0) or die $!;
     send($s, $_[0], 0, pack("Sa*", 1, $ENV{NOTIFY_SOCKET})) or die $!; }
   sub rest { sleep 1000 while 1; }
   ${script}`,
];
const shell = (script: string): string[] => ["/bin/sh", "-c", script];

const quick = { initialMs: 50, maximumMs: 200, factor: 2, jitter: 0 };

/** Every service of the story by name. */
const SERVICES: Readonly<Record<string, unknown>> = {
  // A chain, each link with another kind of readiness and another user.
  prepare: {
    type: "oneshot",
    command: shell("echo prepared; echo yes > /run/prepared"),
  },
  database: {
    requires: ["prepare"],
    command: perl(
      `open(my $in, "<", "/run/prepared") or die $!; chomp(my $word = <$in>);
       open(my $s, "<", "/proc/self/status"); my @s = grep { /^(Uid|Gid|Groups|NoNewPrivs|CapEff):/ } <$s>;
       tr/\\t\\n/  /, s/ +/ /g for @s; print "prepared: $word; @s\\n";
       $SIG{TERM} = sub { print "flushed\\n"; exit 0 };
       open(my $fd, ">&=", 5) or die $!; print "opens for business\\n"; syswrite($fd, "\\n"); rest;`,
    ),
    readiness: { kind: "notify-fd", fd: 5 },
    user: "data",
  },
  bus: {
    requires: ["database"],
    command: perl(
      `print "listens\\n"; notify("STATUS=warm\\nREADY=1");
       while (1) { notify("WATCHDOG=1"); select(undef, undef, undef, 0.5); }`,
    ),
    readiness: { kind: "sd-notify" },
    health: { watchdogMs: 60_000 },
    user: 1234,
  },
  gateway: {
    requires: ["bus"],
    command: perl(
      `print "makes its socket\\n"; socket(my $s, 1, 1, 0); bind($s, pack("Sa*", 1, "/run/gateway.sock")) or die $!; rest;`,
    ),
    readiness: { kind: "path", path: "/run/gateway.sock" },
  },
  // It goes into the background: parent and session are others'.
  daemon: {
    wants: ["gateway"],
    command: perl(
      `exit 0 if fork; syscall(112); exit 0 if fork; print "serves in the background\\n"; rest;`,
    ),
    readiness: { kind: "exit" },
    stop: { scope: "cgroup" },
  },
  // Limits of the kernel.
  hog: {
    command: perl(
      `print "eats\\n"; my $s = "x" x (256 << 20); print "was not stopped\\n"; rest;`,
    ),
    cgroup: { memoryMaxBytes: 24 << 20 },
    backoff: quick,
    restartLimit: { maximum: 1 },
  },
  bomb: {
    command: perl(
      `my $n = 0; while (1) { my $p = fork; if (!defined $p) { print "could fork $n times\\n"; rest; }
         if (!$p) { rest; } $n++; die "unlimited" if $n > 100; }`,
    ),
    cgroup: { pidsMaximum: 12, cpuWeight: 50 },
  },
  limited: {
    command: perl(
      `my $oom = 0;
       until ($oom == 200) { open(my $o, "<", "/proc/self/oom_score_adj"); chomp($oom = <$o>); }
       open(my $l, "<", "/proc/self/limits");
       my ($line) = grep { /open files/ } <$l>; my @w = split(" ", $line);
       open(my $g, "<", "/proc/self/cgroup"); chomp(my $group = <$g>);
       printf "files %s %s, nice %d, oom %d, umask %03o, uid %d, in %s\\n", $w[3], $w[4], getpriority(0, 0), $oom, umask, $<, $group; rest;`,
    ),
    user: "data",
    limits: { nofile: { soft: 32, hard: 64 } },
    nice: 5,
    oomScoreAdjust: 200,
    umask: "0077",
    readiness: { kind: "spawned" },
  },
  // A crash loop, and who needs it.
  crash: {
    command: shell("echo falls; exit 3"),
    readiness: { kind: "notify-fd", fd: 3 },
    backoff: quick,
    restartLimit: { maximum: 3 },
  },
  victim: { requires: ["crash"], command: shell("echo never") },
  onlooker: {
    after: ["crash"],
    command: perl(`print "goes on without it\\n"; rest;`),
  },
  // How they go down.
  deaf: {
    command: perl(`$SIG{TERM} = "IGNORE"; print "hears nothing\\n"; rest;`),
    stop: { timeoutMs: 1000 },
  },
  farewell: {
    type: "oneshot",
    start: "shutdown",
    command: shell("echo the last task"),
  },
  plain: {
    command: shell(
      "echo straight to the console; exec /usr/bin/perl -e 'sleep 1000 while 1'",
    ),
    stdout: "console",
  },
};

/** A bundle's config.json, as LinuxKit writes it for a container without privileges. */
function ociConfig(script: string): unknown {
  const bind = (path: string) => ({
    destination: path,
    type: "bind",
    source: path,
    options: ["rbind", "ro"],
  });
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args: shell(script),
      env: ["PATH=/bin:/usr/bin"],
      cwd: "/",
      capabilities: {},
      noNewPrivileges: true,
    },
    root: { path: "rootfs" },
    hostname: "contained",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      {
        destination: "/dev",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "mode=755"],
      },
      bind("/bin"),
      bind("/usr"),
      bind("/lib"),
      bind("/lib64"),
      {
        destination: "/shared",
        type: "bind",
        source: "/run",
        options: ["bind"],
      },
    ],
    linux: {
      namespaces: ["pid", "ipc", "uts", "mount"].map((type) => ({ type })),
    },
  };
}

function bundle(
  path: string,
  script: string,
  isWritable: boolean,
): PlainFile[] {
  return [
    jsonFile(`/containers/${path}/config.json`, ociConfig(script)),
    textFile(
      `/containers/${path}/${isWritable ? "lower" : "rootfs"}/etc/motd`,
      `from the image of ${path}\n`,
    ),
  ];
}

const BUNDLES: readonly PlainFile[] = [
  ...bundle(
    "onboot/000-first",
    "read motd < /etc/motd; echo $motd; read name < /proc/sys/kernel/hostname; echo as $$ on $name; echo 1 > /shared/first",
    false,
  ),
  ...bundle(
    "onboot/001-second",
    "read what < /shared/first; echo after $what; exit 0",
    false,
  ),
  ...bundle(
    "services/web",
    "echo mine > /etc/motd && read motd < /etc/motd; echo writes: $motd; trap 'echo closes; exit 0' TERM; while :; do read x < /shared/never; done 2> /dev/null",
    true,
  ),
  ...bundle("onshutdown/000-last", "echo sweeps up", false),
];

const PASSWD = "root:x:0:0::/:\ndata:x:71:72::/run:\n";
const GROUP = "root:x:0:\ndata:x:72:\ntapes:x:73:data\n";

Deno.test("services tell their story on the console and in the event log", async (test) => {
  const crun = await requireProgram("/usr/bin/crun", "crun");
  const outFolder = await Deno.makeTempDir({ prefix: "spaceos-services-" });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(outFolder, { recursive: true }));
  const image = await buildImage({
    entry: INIT_ENTRY,
    outFolder,
    timeSeconds: await sourceTimeSeconds(),
    modules: ["overlay"],
    files: [
      program("/bin/sh"),
      program("/usr/bin/perl"),
      program(crun),
      textFile("/etc/passwd", PASSWD),
      textFile("/etc/group", GROUP),
      ...Object.entries(SERVICES).map(([name, definition]) =>
        jsonFile(`/etc/spaceos/services.d/${name}.json`, definition)
      ),
      ...BUNDLES,
    ],
  });
  await using machine = Machine.boot({ image, disk: makeDisk("good") });
  /** Waits until each is on the console. */
  const said = async (...patterns: RegExp[]): Promise<void> => {
    for (const pattern of patterns) await machine.waitForConsole(pattern);
  };
  /** Whether things came in this order. */
  const inOrder = (...patterns: string[]): void =>
    assertMatch(machine.console, RegExp(patterns.join("[^]*")));

  await test.step("dependencies are kept by every kind of readiness", async () => {
    await said(/READY after .*\n/);
    inOrder(
      "prepare: prepared\n",
      "SERVICE_STARTED prepare: has done its work",
      "database: prepared: yes;",
    );
    // What a service prints and what it tells come on two ways: only what is
    // told has an order.
    inOrder(
      ...["prepare", "database", "bus", "gateway", "daemon"].map((name) =>
        `SERVICE_STARTED ${name}:`
      ),
    );
    await said(
      /database: opens for business/,
      /bus: listens/,
      /gateway: makes its socket/,
      /daemon: serves in the background/,
      /^straight to the console$/m,
    );
  });

  await test.step("users, capabilities and limits are the kernel's facts", async () => {
    assertMatch(
      machine.console,
      /database: .*Uid: 71 71 71 71 *Gid: 72 72 72 72 *Groups: 73 *CapEff: 0000000000000000 *NoNewPrivs: 1 /,
    );
    await said(
      /limited: files 32 64, nice 5, oom 200, umask 077, uid 71, in 0::\/spaceos\/limited\n/,
      /bomb: could fork 11 times\n/,
      /SERVICE_BACKOFF hog: was ended by SIGKILL; restart 1 in 50 ms/,
      /SERVICE_FAILED hog: was ended by SIGKILL; too many restarts/,
    );
    assertFalse(machine.console.includes("was not stopped"));
  });

  await test.step("a crash loop backs off, ends, and takes only its dependants with it", async () => {
    await said(
      /SERVICE_BACKOFF crash: exited with code 3 before it was ready; restart 1 in 50 ms/,
      /SERVICE_BACKOFF crash: .*; restart 2 in 100 ms/,
      /SERVICE_BACKOFF crash: .*; restart 3 in 200 ms/,
      /SERVICE_FAILED crash: .*; too many restarts, given up/,
      /SERVICE_FAILED victim: can't start, because crash failed/,
      /onlooker: goes on without it/,
      /MODE_CHANGED \w+ -> degraded/,
    );
    assertEquals(machine.console.match(/crash: falls/g)?.length, 4);
    assertFalse(machine.console.includes("victim: never"));
  });

  await test.step("OCI bundles run in the order of their stages", async () => {
    await said(/web: writes: mine\n/);
    inOrder(
      "onboot.000-first: from the image of onboot/000-first\n",
      "onboot.000-first: as 1 on contained\n",
      "SERVICE_STARTED onboot.000-first: has done its work",
      "onboot.001-second: after 1\n",
      "SERVICE_STARTED onboot.001-second: has done its work",
      "SERVICE_STARTED web: is up",
    );
  });

  await test.step("all go down: dependants first, the deaf by SIGKILL, and the report says so", async () => {
    const ipc = await machine.connectIpc();
    const poweroff = new Uint8Array(256);
    poweroff.set([1, 2, 0, 0, 0, 4, 0, 0, 0, 2, 0, 7]);
    await ipc.send(poweroff);
    assertEquals(await machine.waitForEnd(), "poweroff");
    inOrder(
      "SHUTDOWN_REQUESTED",
      "farewell: the last task",
      "SERVICE_STOPPED gateway",
      "SERVICE_STOPPED bus",
      "database: flushed",
      "SERVICE_STOPPED database",
    );
    inOrder("SHUTDOWN_REQUESTED", "onshutdown.000-last: sweeps up");
    assertMatch(machine.console, /web: closes\n/);
    assertMatch(
      machine.console,
      /SHUTDOWN_SERVICE deaf: needed SIGKILL after \d{4} ms/,
    );
    assertMatch(
      machine.console,
      /SHUTDOWN_SERVICE database: stopped after \d+ ms/,
    );
    assertMatch(machine.console, /services in \d+ ms, 1 killed, 0 left/);
  });

  await test.step("the event log on the disk tells the same story", () => {
    const story = eventRecords(machine.readDisk()).map((record) => ({
      code: eventCode(record),
      text: eventText(record),
    }));
    const tells = (code: number, text: RegExp): void =>
      assert(
        story.some((one) => one.code === code && text.test(one.text)),
        `no event 0x${code.toString(16)} ${text} among\n${
          story.map((one) => `${one.code.toString(16)} ${one.text}`).join("\n")
        }`,
      );
    tells(0x0001, /^boot 1/);
    tells(0x0101, /^database: is up, pid \d+/);
    tells(0x0104, /^crash: exited with code 3/);
    tells(0x0105, /^victim: can't start, because crash failed/);
    tells(0x0105, /^hog: was ended by SIGKILL/);
    tells(0x0007, /^poweroff, asked for by the host/);
    tells(0x0009, /^deaf: needed SIGKILL after \d+ ms/);
    tells(0x0009, /^database: stopped after \d+ ms/);
    tells(0x0008, /services in \d+ ms, 1 killed, 0 left/);
    tells(0x000a, /^poweroff after/);
    assertLess(story.length, 97);
  });
});
