import { assertEquals, assertMatch } from "@std/assert";
import { programCommand } from "./program.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

// The command lines on the terminal say $INIT for our program.
const environment = {
  INIT: programCommand({ program: "container.ts" }).join(" "),
  PS1: "prompt> ",
  // Commands, so that the terminal's echo of a line does not look like their output.
  LOOP: 'trap "echo int-$X" INT; echo start-$X; ' +
    'while :; do read l && echo got-$l-$X; [ "$l" = quit ] && exit 3; done',
  X: "x",
};

function terminal(commandLine: string): Terminal {
  return openTerminal(commandLine, environment);
}

/** Asks the shell for its jobs until the answer shows a state. */
async function untilJob(on: Terminal, state: string): Promise<void> {
  for (;;) {
    await on.type("jobs\n");
    const [, shown] = await on.expect(/jobs\r\n([^]*?)prompt> /);
    if (shown?.includes(state)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("runContainer under a shell: Ctrl-C reaches the command once, Ctrl-Z stops the job, fg goes on", async () => {
  const on = terminal("sh -i");
  await on.expect(/prompt> /);
  await on.type('$INIT -- sh -c "$LOOP"\n');
  await on.expect(/start-x/);
  await on.type("one\n");
  await on.expect(/got-one-x/);
  await on.type("\x03");
  await on.expect(/int-x/);
  // Had it come twice, this would show before the next answer.
  await on.type("two\n");
  const [shown] = await on.expect(/[^]*got-two-x/);
  assertEquals(shown.includes("int-x"), false, shown);

  for (const word of ["three", "four"]) {
    await on.type("\x1a");
    await on.expect(/Stopped[^]*prompt> /);
    await on.type("fg\n");
    await on.type(`${word}\n`);
    await on.expect(new RegExp(`got-${word}-x`));
  }
  await on.type("quit\n");
  await on.expect(/got-quit-x[^]*prompt> /);
  await on.type("echo code=$?; exit 0\n");
  await on.expect(/code=3/);
  assertEquals(await on.code, 0);
});

Deno.test("runContainer under a shell: a job in the background that reads is stopped, and fg gives it the terminal", async () => {
  const on = terminal("sh -i");
  await on.expect(/prompt> /);
  await on.type('$INIT -- sh -c "$LOOP"\n');
  await on.expect(/start-x/);
  await on.type("\x1a");
  await on.expect(/Stopped[^]*prompt> /);
  await on.type("bg\n");
  // It reads, so it stops again, by SIGTTIN this time.
  await untilJob(on, "Stopped");
  await on.type("fg\n");
  await on.type("five\n");
  await on.expect(/got-five-x/);
  await on.type("quit\n");
  await on.expect(/got-quit-x[^]*prompt> /);
  await on.type("exit 0\n");
  assertEquals(await on.code, 0);
});

Deno.test("runContainer started in the background leaves the terminal to the shell", async () => {
  const on = terminal("sh -i");
  await on.expect(/prompt> /);
  await on.type("$INIT -- sh -c 'echo up-$X; exec sleep 100000' &\n");
  await on.expect(/up-x/);
  await on.type("echo mine-$X\n");
  await on.expect(/mine-x/);
  await on.type("kill %1; wait %1; echo code=$?\n");
  await on.expect(/code=143/);
  await on.type("exit 0\n");
  assertEquals(await on.code, 0);
});

Deno.test("runContainer gives the terminal back to a script that goes on reading it", async () => {
  const on = terminal(
    "$INIT -- sh -c 'read a; echo first-$a'; read b; echo second-$b; exit 6",
  );
  await on.type("one\n");
  await on.expect(/first-one/);
  await on.type("two\n");
  await on.expect(/second-two/);
  assertEquals(await on.code, 6);
});

Deno.test("runContainer where no shell watches lets Ctrl-Z pass, as for a program that was started directly", async () => {
  const on = terminal('exec $INIT -- sh -c "$LOOP"');
  await on.expect(/start-x/);
  for (const word of ["one", "two"]) {
    await on.type("\x1a");
    await on.expect(/\^Z/);
    await on.type(`${word}\n`);
    await on.expect(new RegExp(`got-${word}-x`));
  }
  await on.type("quit\n");
  assertEquals(await on.code, 3);
});

Deno.test("runContainer with --setsid hands the terminal of its session to the command's, without the hang-up", async () => {
  // Fields of stat: process, (name), state, parent, group, session, terminal, foreground.
  const script =
    "trap 'echo hup-$X' HUP; read p n s pp group session tty foreground rest </proc/self/stat; " +
    "echo stat=$p,$group,$session,$tty,$foreground; read l; echo got-$l-$X; exit 4";
  const on = openTerminal('exec $INIT --setsid -- sh -c "$SCRIPT"', {
    ...environment,
    SCRIPT: script,
  });
  const [, pid, group, session, tty, foreground] = await on.expect(
    /stat=(\d+),(\d+),(\d+),(-?\d+),(-?\d+)/,
  );
  assertEquals([group, session, foreground], [pid, pid, pid]);
  assertMatch(tty ?? "", /^[1-9]/);
  await on.type("one\n");
  const [shown] = await on.expect(/[^]*got-one-x/);
  assertEquals(shown.includes("hup-x"), false, shown);
  assertEquals(await on.code, 4);
});

Deno.test("runContainer with --setsid under a shell: SIGTSTP stops both, SIGCONT continues both", async () => {
  const on = terminal("sh -i");
  await on.expect(/prompt> /);
  await on.type("$INIT --setsid -- sh -c 'echo pid=$$; exec sleep 100000'\n");
  const [, command] = await on.expect(/pid=(\d+)/);
  const state = (): string =>
    Deno.readTextFileSync(`/proc/${command}/stat`).split(") ")[1]?.[0] ?? "";
  while (!Deno.readTextFileSync(`/proc/${command}/stat`).includes("(sleep)")) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await on.type("\x1a");
  await on.expect(/Stopped[^]*prompt> /);
  while (state() !== "T") {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await on.type("fg\n");
  while (state() !== "S") {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await on.type("\x03");
  await on.expect(/prompt> /);
  await on.type("echo code=$?; exit 0\n");
  await on.expect(/code=130/);
  assertEquals(await on.code, 0);
});
