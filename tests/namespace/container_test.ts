import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parseStatus, runInit, startInit, statusFields } from "./namespace.ts";
import { programCommand, startProgram } from "./program.ts";

const program = "container.ts";

/** Runs a command in container mode, as PID 1 of a namespace. */
async function contain(
  ...args: string[]
): Promise<{ code: number; text: string; errorText: string }> {
  const { code, otherLines, errorText } = await runInit({ program, args });
  return { code, text: otherLines.join("\n"), errorText };
}

const shell = (script: string): string[] => ["--", "/bin/sh", "-c", script];

Deno.test("runContainer ends with the command's exit code", async () => {
  for (const code of [0, 1, 7, 124, 255]) {
    assertEquals((await contain(...shell(`exit ${code}`))).code, code);
  }
});

Deno.test("runContainer ends with 128 + n when signal n ended the command", async () => {
  for (const signal of [1, 2, 9, 15, 31, 34, 64]) {
    const { code, errorText } = await contain(...shell(`kill -${signal} $$`));
    assertEquals(code, 128 + signal, errorText);
  }
});

Deno.test("runContainer ends with 127 or 126 when the command can't be started, and says why", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/plain`, "echo no\n", { mode: 0o644 });
  await Deno.writeTextFile(`${directory}/lost`, "#!/no/such/interpreter\n", {
    mode: 0o755,
  });
  await Deno.writeFile(
    `${directory}/binary`,
    Uint8Array.of(0x7F, 0x45, 0x4C, 0x46, 1),
    { mode: 0o755 },
  );
  for (
    const [command, code, message] of [
      ["no-such-command", 127, "exec no-such-command: ENOENT"],
      ["/no/such/command", 127, "exec /no/such/command: ENOENT"],
      [`${directory}/plain/x`, 127, "ENOTDIR"],
      [`${directory}/lost`, 127, "its interpreter or loader is not"],
      [`${directory}/plain`, 126, `exec ${directory}/plain: EACCES`],
      [directory, 126, `exec ${directory}: EACCES`],
    ] as const
  ) {
    const result = await contain("--", command);
    assertEquals(result.code, code, `${command}: ${result.errorText}`);
    assertStringIncludes(result.errorText, message);
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("runContainer gives a script without its first line to the shell, as execvp does", async () => {
  const directory = await Deno.makeTempDir();
  const script = `${directory}/script`;
  await Deno.writeTextFile(script, 'echo "$0 $# $1"; exit 5\n', {
    mode: 0o755,
  });
  const { code, text } = await contain("--", script, "a b");
  assertEquals([code, text], [5, `${script} 1 a b`]);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("runContainer remaps exit codes", async () => {
  assertEquals((await contain("--remap", "143", ...shell("kill $$"))).code, 0);
  assertEquals((await contain("--remap", "7:9", ...shell("exit 7"))).code, 9);
  assertEquals((await contain("--remap", "7:9", ...shell("exit 8"))).code, 8);
});

Deno.test("runContainer exits with 125 for a command line it does not understand", async () => {
  const { code, errorText } = await contain("--no-such-option", "--", "true");
  assertEquals(code, 125);
  assertStringIncludes(errorText, 'unknown option "--no-such-option"');
});

/** A shell that reports each signal it gets, until SIGKILL to its group. */
function reporter(signals: readonly number[]): string {
  return [
    ...signals.map((n) => `trap 'echo "{\\"got\\":${n}}"' ${n}`),
    "sleep 100000 >/dev/null & sleeper=$!",
    'echo "{\\"ready\\":$$}"',
    "while :; do wait $sleeper; done",
  ].join("\n");
}

/** Ends a command and all of its group. */
async function killGroup(leader: number): Promise<void> {
  await new Deno.Command("/bin/kill", { args: ["-KILL", "--", `-${leader}`] })
    .output();
}

/** Every signal but those that can't be caught, SIGCHLD, and those that tell of a fault. */
const forwarded = Array.from({ length: 64 }, (_, index) => index + 1)
  .filter((n) => ![4, 5, 7, 8, 9, 11, 17, 19, 31, 32, 33].includes(n));

/** Sends by number, which the runtime can't for real-time signals. */
async function send(pid: number, signal: number): Promise<void> {
  const { success } = await new Deno.Command("/bin/kill", {
    args: [`-${signal}`, `${pid}`],
  }).output();
  assert(success, `kill -${signal} ${pid}`);
}

Deno.test("runContainer forwards every signal that can be caught, real-time ones too, as PID 1", async () => {
  const init = await startInit({
    program,
    args: shell(reporter(forwarded)),
  });
  await init.fact("ready");
  for (const signal of forwarded) {
    await send(init.pid, signal);
    assertEquals(await init.fact("got"), signal);
  }
  Deno.kill(init.pid, "SIGKILL");
  assertEquals((await init.result).facts.length, forwarded.length + 1);
});

Deno.test("runContainer forwards signals where it is not PID 1, and is then subreaper", async () => {
  const signals = forwarded.filter((n) => ![20, 21, 22].includes(n));
  const run = startProgram({ program, args: shell(reporter(signals)) });
  const command = Number(await run.fact("ready"));
  for (const signal of signals) {
    await send(run.pid, signal);
    assertEquals(await run.fact("got"), signal);
  }
  await killGroup(command);
  assertEquals((await run.result).code, 137);

  // An orphan's new parent is this program.
  const orphan = startProgram({
    program,
    args: shell(
      "init=$PPID; (sh -c 'while read x x x parent x </proc/self/stat; " +
        "[ $parent != '$init' ]; do :; done; " +
        `echo "{\\"parent\\":$parent}"; kill -9 -'$$ & ); sleep 1000`,
    ),
  });
  assertEquals(await orphan.fact("parent"), orphan.pid);
  assertEquals((await orphan.result).code, 137);
});

Deno.test("runContainer sends to the command alone, or to its group", async () => {
  // Both the shell and its child report; the child says where it belongs.
  const script = `trap 'echo "{\\"shell\\":1}"; wait' TERM
    sh -c 'trap "echo {\\\\\\"child\\\\\\":1}; exit" TERM; echo "{\\"ready\\":1}"; while :; do sleep 0.05; done' &
    wait; wait; echo "{\\"end\\":1}"`;
  const alone = await startInit({ program, args: shell(script) });
  await alone.fact("ready");
  Deno.kill(alone.pid, "SIGTERM");
  await alone.fact("shell");
  Deno.kill(alone.pid, "SIGKILL");
  const { facts } = await alone.result;
  assertEquals(facts.some((fact) => "child" in fact), false);

  for (const option of ["--group", "--setsid"]) {
    const group = await startInit({
      program,
      args: [option, ...shell(script)],
    });
    await group.fact("ready");
    Deno.kill(group.pid, "SIGTERM");
    await group.fact("child");
    await group.fact("end");
    assertEquals((await group.result).code, 0);
  }
});

Deno.test("runContainer puts the command in its own group, with --setsid in its own session", async () => {
  const stat = async (...options: string[]): Promise<number[]> => {
    const { text } = await contain(
      ...options,
      "--",
      "/bin/cat",
      "/proc/self/stat",
    );
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
    return [
      Number.parseInt(text),
      fields[1] ?? -1,
      fields[2] ?? -1,
      fields[3] ?? -1,
    ];
  };
  for (const options of [[], ["--group"]]) {
    const [pid, parent, group, session] = await stat(...options);
    assertEquals([parent, group, session], [1, pid, 0]);
  }
  const [pid, parent, group, session] = await stat("--setsid");
  assertEquals([parent, group, session], [1, pid, pid]);
});

Deno.test("runContainer rewrites signals, and drops those rewritten to 0", async () => {
  const init = await startInit({
    program,
    args: [
      "-r",
      "TERM:INT",
      "-r",
      "HUP:0",
      "-r",
      "RTMIN+3:USR1",
      ...shell(reporter(forwarded)),
    ],
  });
  await init.fact("ready");
  for (
    const [signal, expected] of [[15, 2], [1, 0], [37, 10], [2, 2], [
      12,
      12,
    ]] as const
  ) {
    await send(init.pid, signal);
    if (expected !== 0) assertEquals(await init.fact("got"), expected);
  }
  Deno.kill(init.pid, "SIGKILL");
  const got = (await init.result).facts.flatMap((fact) =>
    "got" in fact ? [fact["got"]] : []
  );
  assertEquals(got, [2, 10, 2, 12]);
});

Deno.test("runContainer gives the command the signal mask and ignored signals that it inherited", async () => {
  const wrapper = [
    "env",
    "--block-signal=USR1,TERM,RTMIN+2",
    "--ignore-signal=QUIT,USR2,RTMIN",
  ];
  const result = await runInit({
    program,
    wrapper,
    args: ["--", "/bin/cat", "/proc/self/status"],
  });
  const status = parseStatus(result.otherLines.join("\n"));
  assertEquals(status["SigBlk"], "0000000800004200"); // 10, 15, 36
  assertEquals(status["SigIgn"], "0000000200000804"); // 3, 12, 34
  assertEquals(status["SigCgt"], "0000000000000000");

  const clean = await runInit({
    program,
    args: ["--", "/bin/cat", "/proc/self/status"],
  });
  const cleanStatus = parseStatus(clean.otherLines.join("\n"));
  assertEquals(
    [cleanStatus["SigBlk"], cleanStatus["SigIgn"], cleanStatus["SigCgt"]],
    Array(3).fill("0000000000000000"),
  );
});

Deno.test({
  name: "runContainer leaves a command of nohup(1) immune to the hang-up",
  // Later runtimes catch SIGHUP before a program can see that it was ignored. The
  // executable is built with 2.4.
  ignore: !Deno.version.deno.startsWith("2.4."),
  async fn() {
    const result = await runInit({
      program,
      wrapper: ["nohup"],
      args: shell("kill -HUP $$; exit 8"),
    });
    assertEquals(result.code, 8, result.errorText);
  },
});

Deno.test("runContainer forwards signals that it inherited ignored, to a command that hears them", async () => {
  const init = await startInit({
    program,
    wrapper: ["env", "--ignore-signal=HUP,RTMIN+2"],
    args: ["--", "env", "--default-signal", "sh", "-c", reporter([1, 36])],
  });
  await init.fact("ready");
  for (const signal of [1, 36, 1]) {
    await send(init.pid, signal);
    assertEquals(await init.fact("got"), signal);
  }
  Deno.kill(init.pid, "SIGKILL");
  await init.result;
});

Deno.test("runContainer forwards signals that it inherited blocked, to a command that keeps them waiting", async () => {
  const init = await startInit({
    program,
    wrapper: ["env", "--block-signal=TERM,RTMIN+1"],
    args: ["--", "/bin/sleep", "100000"],
  });
  let command = 0;
  while (statusFields(command)?.["Name"] !== "sleep") {
    command = commandOf(init.pid);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await send(init.pid, 15);
  await send(init.pid, 35);
  const both = 0x4000n | 1n << 34n;
  while (BigInt(`0x${statusFields(command)?.["ShdPnd"] ?? "0"}`) !== both) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  Deno.kill(init.pid, "SIGKILL");
  await init.result;
});

/** The only child of a process. */
function commandOf(pid: number): number {
  const children = [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap((
    thread,
  ) =>
    Deno.readTextFileSync(`/proc/${pid}/task/${thread.name}/children`).split(
      " ",
    )
      .filter((text) => text !== "")
  );
  return Number(children[0]);
}

/** Descriptors that a command gets by itself behind a wrapper: other tests' runners may leave some. */
async function descriptorsWithout(wrapper: readonly string[]): Promise<string> {
  const [file = "", ...args] = wrapper;
  const { stdout } = await new Deno.Command(file, {
    args: [...args, "ls", "/proc/self/fd"],
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("runContainer passes on descriptors, arguments, and an environment that is no UTF-8", async () => {
  const wrapper = [
    "sh",
    "-c",
    'exec 7</etc/passwd 9>/dev/null; X=$(printf "\\377\\376"); export X; exec "$@"',
    "sh",
  ];
  const descriptors = await runInit({
    program,
    wrapper,
    args: ["--", "ls", "/proc/self/fd"],
  });
  const expected = await descriptorsWithout(wrapper);
  assertEquals(descriptors.otherLines.join("\n").trim(), expected);
  assert(
    expected.split("\n").includes("7") && expected.split("\n").includes("9"),
  );

  const words = ["ü 🛰", "", "-v", "a\nb"];
  const rest = await runInit({
    program,
    wrapper,
    args: [
      ...shell('printf %s "$X" | od -An -tx1; printf "[%s]" "$@"'),
      "sh",
      ...words,
    ],
  });
  assertEquals(
    rest.otherLines.join("\n").trim(),
    `ff fe\n${words.map((word) => `[${word}]`).join("")}`,
  );
});

Deno.test("runContainer says which real-time signal an inherited descriptor keeps it from hearing", async () => {
  const wrapper = ["bash", "-c", 'exec 40</etc/passwd; exec "$@"', "bash"];
  const result = await runInit({
    program,
    wrapper,
    args: ["--verbose", "--", "ls", "/proc/self/fd"],
  });
  assertStringIncludes(
    result.errorText,
    "SIGRTMIN+6 is not forwarded: descriptor 40 was inherited",
  );
  assertEquals(
    result.otherLines.join("\n").trim(),
    await descriptorsWithout(wrapper),
  );
});

Deno.test("runContainer reaps 3000 orphans while the command runs, and lets no zombie stand", async () => {
  const result = await runInit({
    program,
    args: shell(
      "n=0; while [ $n -lt 3000 ]; do ( : & ); n=$((n+1)); done; " +
        "while grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do :; done; exit 9",
    ),
  });
  assertEquals(result.code, 9, result.errorText);
});

Deno.test("runContainer ends with the code of a command that ends among its orphans", async () => {
  // Their SIGCHLDs and the command's fall together, and one stands for all.
  for (let code = 3; code < 9; code++) {
    const result = await runInit({
      program,
      args: shell(
        "n=0; while [ $n -lt 100 ]; do ( sleep 0.1 & ); n=$((n+1)); done; " +
          `sleep 0.09; exit ${code}`,
      ),
    });
    assertEquals(result.code, code, result.errorText);
  }
});

Deno.test("runContainer with --group ends what the command leaves behind in its group", async () => {
  // Not as PID 1, whose end ends everything anyway.
  const script = `sh -c 'trap "echo {\\\\\\"term\\\\\\":1}; exit" TERM; ` +
    `echo "{\\"ready\\":1}"; while :; do sleep 0.05; done' & read line`;
  const run = startProgram({
    program,
    args: ["--group", ...shell(script)],
    input: true,
  });
  await run.fact("ready");
  await run.write("go\n");
  await run.fact("term");
  assertEquals((await run.result).code, 0);
});

Deno.test("runContainer sends the command the signal of --parent-death when the parent dies", async () => {
  const command = programCommand({
    program,
    args: ["--parent-death", "USR1", ...shell(reporter([10]))],
  });
  // The parent is a shell that is killed.
  const parent = startProgram({
    command: [
      "sh",
      "-c",
      '"$@" & echo "{\\"init\\":$!}"; wait',
      "sh",
      ...command,
    ],
  });
  const init = Number(await parent.fact("init"));
  const shellPid = Number(await parent.fact("ready"));
  Deno.kill(parent.pid, "SIGKILL");
  assertEquals(await parent.fact("got"), 10);
  await killGroup(shellPid);
  while (
    statusFields(init) !== undefined &&
    !statusFields(init)?.["State"]?.startsWith("Z")
  ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await parent.result;
});
