/**
 * Services and definitions that mean harm: what a machine must live through
 * with its other services up. Each case was an attack on the real init.
 */
import {
  assert,
  assertEquals,
  assertFalse,
  assertLess,
  assertMatch,
} from "@std/assert";
import { InitMachine } from "./init_machine.ts";
import { statusFields } from "./namespace.ts";
import {
  countOf,
  ended,
  endOfConsole,
  isAlive,
  killNow,
  livingDescendantsOf,
  oneProcessOf,
  powerOff,
  processesOf,
  restless,
  shell,
  startMachine,
  statusNumber,
  staying,
} from "./supervisor_facts.ts";

Deno.test("hostile definition files are named one by one, and the good service runs", async () => {
  await using machine = InitMachine.start({
    services: { good: { command: staying } },
    prepare: (folder) => {
      const at = (name: string) => `${folder}/services.d/${name}`;
      const write = (name: string, text: string | Uint8Array) =>
        typeof text === "string"
          ? Deno.writeTextFileSync(at(name), text)
          : Deno.writeFileSync(at(name), text);
      write(
        "huge.json",
        `{"command":["/bin/true"],"description":"${"x".repeat(10_000_000)}"}`,
      );
      write("deep.json", `{"command":${"[".repeat(60_000)}`);
      write("deep-object.json", '{"a":'.repeat(10_000));
      write("twice.json", '{"command":["/bin/true"],"command":["/bin/false"]}');
      write("bytes.json", Uint8Array.of(0x7b, 0xff, 0xfe, 0x00, 0x7d));
      write("empty.json", "");
      write(
        "proto.json",
        '{"command":["/bin/true"],"__proto__":{"user":0},"constructor":1}',
      );
      write("nul.json", '{"command":["/bin/true\\u0000/bin/false"]}');
      write(
        "slash.json",
        '{"command":["/bin/true"],"requires":["../../etc/passwd","a/b"]}',
      );
      write(
        "number.json",
        '{"command":["/bin/true"],"nice":1e999,"umask":"9999"}',
      );
      write("Bad Name.json", '{"command":["/bin/true"]}');
      write("..json", '{"command":["/bin/true"]}');
      write("self.json", '{"command":["/bin/true"],"requires":["self"]}');
      write("ignored.txt", "no definition");
      Deno.symlinkSync("loop.json", at("loop.json"));
      Deno.symlinkSync("/dev/zero", at("zero.json"));
      Deno.symlinkSync("/no/such/file", at("nowhere.json"));
      Deno.mkdirSync(at("folder.json"));
      new Deno.Command("mkfifo", { args: [at("fifo.json")] }).outputSync();
    },
  });
  await machine.waitFor(/READY.*degraded/);
  const { console } = machine;
  for (
    const [name, complaint] of [
      ["huge", /expected at most 65536 bytes/],
      ["deep", /nested|depth|deep/],
      ["deep-object", /nested|depth|deep/],
      ["twice", /"command".*(twice|already|again|second)/],
      ["bytes", /not JSON/],
      ["empty", /not JSON/],
      ["proto", /\$\.__proto__: unknown key/],
      ["nul", /\$\.command\[0\]/],
      ["slash", /\$\.requires\[0\].*a service name/],
      ["number", /\$\.nice/],
      ["Bad Name", /expected a file name/],
      [".", /expected a file name/],
      ["self", /dependency cycle: self -> self/],
      ["loop", /ELOOP/],
      ["zero", /expected a regular file/],
      ["nowhere", /ENOENT/],
      ["folder", /expected a regular file/],
      ["fifo", /expected a regular file/],
    ] as const
  ) {
    const lines = console.split("\n").filter((line) =>
      line.includes(`/${name}.json`)
    );
    assert(lines.length > 0, `nothing is said of ${name}.json`);
    assert(
      lines.some((line) => complaint.test(line)),
      `of ${name}.json is said\n${lines.join("\n").slice(0, 2000)}`,
    );
    for (const line of lines) assertLess(line.length, 1000, name);
  }
  assertFalse(console.includes("ignored.txt"));
  await oneProcessOf(machine, "good");
  await powerOff(machine);
});

Deno.test("a fork bomb is killed whole with its service, and the others live on", async () => {
  await using machine = startMachine({
    bomb: {
      command: [
        "/usr/bin/perl",
        "-e",
        // 400 processes, each in a session of its own, that ignore what they can.
        `$SIG{$_} = "IGNORE" for qw(TERM HUP INT); my $n = 400;
         for (1..$n) { my $p = fork; next if $p; last if !defined $p; syscall(112); sleep 1000 while 1; }
         print STDERR "exploded\\n"; sleep 1000 while 1;`,
      ],
      stop: { timeoutMs: 300, scope: "cgroup" },
    },
    good: { command: staying },
  });
  await machine.waitFor(/bomb: exploded\n/);
  const all = livingDescendantsOf(await machine.pid());
  assert(all.length > 400, `${all.length} processes`);
  const console = await powerOff(machine);
  assertEquals(all.filter(isAlive), []);
  assertMatch(console, /SHUTDOWN_SERVICE bomb: needed SIGKILL/);
  assertMatch(console, /SHUTDOWN_SERVICE good: stopped/);
});

Deno.test("a service that dies while its children fork again and again leaves none behind its restart", async () => {
  await using machine = startMachine({
    hydra: {
      command: [
        "/usr/bin/perl",
        "-e",
        // A chain: each forks the next, into a new session, and ends.
        `if (fork) { select(undef, undef, undef, 0.05); kill "KILL", $$; }
         while (1) { exit 0 if fork; syscall(112); select(undef, undef, undef, 0.001); }`,
      ],
      ...restless,
    },
    good: { command: staying },
  });
  const init = await machine.pid();
  await machine.waitFor(
    /SERVICE_BACKOFF hydra: was ended by SIGKILL; restart 10 in/,
  );
  // One that was not found would fork on for ever: there is one chain at a time.
  await machine.until(
    () => livingDescendantsOf(init).length <= 5,
    "few processes",
  );
  assertEquals(processesOf(init, "good").length, 1);
  const console = await powerOff(machine);
  assertFalse(console.includes("UNKILLABLE"));
});

Deno.test("a storm of SIGTERM on the init is one shutdown and a few events", async () => {
  await using machine = startMachine({
    deaf: {
      command: shell("trap '' TERM; echo deaf; while :; do sleep 1000; done"),
      stop: { timeoutMs: 60_000 },
    },
  });
  await machine.waitFor(/deaf: deaf\n/);
  const init = await machine.pid();
  for (let count = 0; count < 2000; count++) {
    try {
      Deno.kill(
        init,
        (["SIGTERM", "SIGINT", "SIGHUP"] as const)[count % 3] ?? "SIGTERM",
      );
    } catch {
      break; // it has gone down
    }
    if (count % 100 === 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  const console = await ended(machine);
  assertLess(countOf(console, /SHUTDOWN_REQUESTED/), 5);
  assertEquals(countOf(console, /SHUTDOWN_SERVICE deaf/), 1);
  assertMatch(console, /poweroff after \S+ s, asked for \d+ times/);
});

Deno.test("processes that get one number after the other are not taken for each other", async () => {
  await using machine = startMachine({
    // Each run tells the kernel to give its own number again.
    again: {
      command: shell(
        "echo $(($$ - 1)) > /proc/sys/kernel/ns_last_pid; echo number $$; exit 7",
      ),
      ...restless,
    },
    twin: {
      command: shell("echo $(($$ - 1)) > /proc/sys/kernel/ns_last_pid; exit 8"),
      ...restless,
    },
    stays: { command: staying },
  });
  const init = await machine.pid();
  const stays = await oneProcessOf(machine, "stays");
  await machine.waitFor(/again: exited with code 7; restart 100 in/);
  await machine.waitFor(/twin: exited with code 8; restart 100 in/);
  assertEquals(processesOf(init, "stays"), [stays]);
  const numbers = [...machine.console.matchAll(/again: number (\d+)\n/g)]
    .map((match) => match[1]);
  assertLess(new Set(numbers).size, numbers.length, "no number came twice");
  const console = await powerOff(machine);
  // Each run had its own end, and none had another's.
  assertFalse(
    /(?:again: exited with code 8|twin: exited with code 7)/.test(console),
  );
  for (const name of ["again", "twin"]) {
    const ends = countOf(console, RegExp(`SERVICE_BACKOFF ${name}:`));
    const starts = countOf(console, RegExp(`SERVICE_STARTED ${name}:`));
    assert(starts - ends <= 1 && starts >= ends, `${name}: ${starts}, ${ends}`);
  }
});

Deno.test("an exit is its own process's although the number was given to another before it was told", async () => {
  await using machine = startMachine({
    a: {
      type: "oneshot",
      command: shell("until [ -e /run/go ]; do sleep 0.01; done"),
    },
    b: { command: staying, ...restless },
    c: { command: staying, requires: ["a"], ...restless },
  });
  const init = await machine.pid();
  const a = await oneProcessOf(machine, "a");
  const b = await oneProcessOf(machine, "b");
  const number = innerNumber(b);
  // Both end while the init can't look: it reaps both before it tells of either.
  killNow(init, "SIGSTOP");
  killNow(b);
  Deno.writeTextFileSync(`/proc/${init}/root/run/go`, "");
  await machine.until(() => !isAlive(a) && !isAlive(b), "two zombies");
  // What starts because of the first gets the number of the second.
  const { success } = new Deno.Command("nsenter", {
    args: [
      ...["-t", `${init}`, "-p", "-m", "sh", "-c"],
      `echo ${number - 1} > /proc/sys/kernel/ns_last_pid`,
    ],
  }).outputSync();
  assert(success, "the kernel was told the next number");
  killNow(init, "SIGCONT");
  await machine.waitFor(/SERVICE_BACKOFF b: was ended by SIGKILL/);
  const c = await oneProcessOf(machine, "c");
  assertEquals(innerNumber(c), number);
  await oneProcessOf(machine, "b", [b]);
  const console = await powerOff(machine);
  assertFalse(/SERVICE_BACKOFF c/.test(console));
});

/** A process's number in its own namespace. */
function innerNumber(pid: number): number {
  return Number(statusFields(pid)?.["NSpid"]?.split(/\s+/).at(-1));
}

Deno.test("lines of 10 MB without an end cost neither memory nor the others' lines", async () => {
  await using machine = startMachine({
    endless: {
      command: shell(
        "for i in 1 2 3 4 5; do head -c 10000000 /dev/zero | tr '\\0' '\\377'; echo; done; echo over >&2; exec sleep 1000000",
      ),
    },
    good: { command: shell("while :; do echo tick; sleep 0.05; done") },
  });
  await machine.waitFor(/good: tick\n/);
  const init = await machine.pid();
  const before = statusNumber(init, "VmRSS");
  let maximum = before;
  await machine.until(() => {
    maximum = Math.max(maximum, statusNumber(init, "VmRSS"));
    return endOfConsole(machine).includes("endless: over\n");
  }, "the end of the lines");
  assertLess((maximum - before) / 1024, 150, "MiB of growth");
  await machine.until(
    () => /endless: over\n[^]*good: tick\n/.test(endOfConsole(machine)),
    "another tick",
  );
  await powerOff(machine);
});

Deno.test("a service that closes, stops and floods all at once is brought down like any other", async () => {
  await using machine = startMachine({
    closed: {
      command: shell("exec 0<&- 1>&- 2>&-; while :; do sleep 1000; done"),
    },
    stopped: { command: shell("kill -STOP $$; sleep 1000000") },
    thrower: {
      command: [
        "/usr/bin/perl",
        "-e",
        `$SIG{CHLD} = "IGNORE"; while (1) { exit 1 unless defined(my $p = fork); exit 0 unless $p; select(undef, undef, undef, 0.002); }`,
      ],
    },
    good: { command: staying, requires: ["closed", "stopped", "thrower"] },
  });
  await machine.waitFor(/READY.*4 of 4 services running/);
  const good = await oneProcessOf(machine, "good");
  killNow(good);
  await oneProcessOf(machine, "good", [good]);
  const living = livingDescendantsOf(await machine.pid());
  const console = await powerOff(machine);
  assertEquals(living.filter(isAlive), []);
  assertMatch(console, /4 services in \d+ ms, 0 killed, 0 left/);
});

Deno.test("a service whose control group was removed while it was down gets another", async () => {
  await using machine = startMachine({
    down: {
      command: shell("echo begin; sleep 0.2; echo end; exit 1"),
      restart: "always",
      backoff: { ...restless.backoff, initialMs: 1000, maximumMs: 1000 },
      restartLimit: { maximum: null },
    },
    remover: {
      command: shell(
        `until rmdir /sys/fs/cgroup/spaceos/down; do sleep 0.05; done 2>/dev/null
         echo removed; exec sleep 1000000`,
      ),
    },
  });
  const { index } = await machine.waitFor(/remover: removed/);
  await machine.waitFor(/down: begin[^]*down: end/, index);
  await powerOff(machine);
});

Deno.test("a service that can't have its limits leaves none behind that it forked before it was refused", async () => {
  await using machine = startMachine({
    refused: {
      command: shell("trap '' TERM; sleep 1000000 & sleep 1000000"),
      // More than the kernel gives: refused, but only after the start.
      limits: { nofile: 1_000_000_000_000 },
      restart: "always",
      ...restless,
    },
  });
  await machine.waitFor(/SERVICE_BACKOFF refused: .*EPERM[^]*restart 50 in/);
  const pid = await machine.pid();
  await machine.signal("SIGSTOP");
  // Those of the last run may still be on their way out.
  await machine.until(() => {
    const left = livingDescendantsOf(pid).filter((child) =>
      statusFields(child)?.["Name"] === "sleep"
    );
    return left.length < 2;
  }, "less than two processes of 50 runs");
  await machine.signal("SIGCONT");
  await powerOff(machine);
});
