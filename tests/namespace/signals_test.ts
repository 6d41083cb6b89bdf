import { assertEquals, assertStringIncludes } from "@std/assert";
import { startInit } from "./namespace.ts";

Deno.test("setupSignals hears every signal that is sent to PID 1, and outlives a callback that throws", async () => {
  const init = await startInit({ program: "signals.ts" });
  assertEquals(await init.fact("ready"), 1);
  const names = ["SIGUSR1", "SIGPWR", "SIGWINCH", "SIGQUIT"] as const;
  for (let round = 0; round < 50; round++) {
    const name = names[round % names.length] ?? "SIGUSR1";
    Deno.kill(init.pid, name);
    assertEquals(await init.fact("signal"), { signal: name, shutdown: false });
  }
  Deno.kill(init.pid, "SIGHUP");
  assertEquals(await init.fact("signal"), {
    signal: "SIGHUP",
    shutdown: false,
  });
  assertStringIncludes(`${await init.fact("error")}`, "from a callback");
  Deno.kill(init.pid, "SIGUSR2");
  assertEquals(await init.fact("end"), false);
  assertEquals((await init.result).code, 0);
});

for (const name of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`shutdownRequested is true after ${name} to PID 1, and each repetition is heard`, async () => {
    const init = await startInit({ program: "signals.ts" });
    await init.fact("ready");
    for (let round = 0; round < 3; round++) {
      Deno.kill(init.pid, name);
      assertEquals(await init.fact("signal"), { signal: name, shutdown: true });
    }
    Deno.kill(init.pid, "SIGUSR2");
    assertEquals(await init.fact("end"), true);
    assertEquals((await init.result).code, 0);
  });
}

// reboot_pid_ns(2): the kernel answers for a namespace with a signal to its
// init, SIGINT for power off and halt, SIGHUP for restart.
for (
  const [what, signal] of [
    ["poweroff", 2],
    ["halt", 2],
    ["reboot", 1],
  ] as const
) {
  Deno.test(`${what} ends the PID namespace at once`, async () => {
    const init = await startInit({ program: "reboot.ts", args: [what] });
    assertEquals(await init.fact("ready"), 1);
    const result = await init.result;
    assertEquals(result.facts.some((fact) => "survived" in fact), false);
    assertEquals(result.code, 128 + signal, result.errorText);
  });
}
