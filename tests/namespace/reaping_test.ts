import { assert, assertEquals, assertLess } from "@std/assert";
import { runInit, startInit, statusFields } from "./namespace.ts";

interface Reaped {
  readonly pid: number;
  readonly ownExits: number;
  readonly orphanExits: number;
  readonly wrong: number;
  readonly again: number;
  readonly signals: number;
  readonly repeated: number;
}

async function reap(orphans: number, shells: number): Promise<Reaped> {
  const { facts, code, errorText } = await runInit({
    program: "orphans.ts",
    args: [`${orphans}`, `${shells}`],
  });
  assertEquals(code, 0, errorText);
  return facts[0]?.["reaped"] as Reaped;
}

Deno.test("drainChildExits reaps an orphan that was forked twice, as PID 1", async () => {
  const reaped = await reap(1, 1);
  assertEquals(reaped.pid, 1);
  assertEquals([reaped.ownExits, reaped.orphanExits, reaped.wrong], [1, 1, 0]);
});

Deno.test("drainChildExits returns each exit exactly once in a storm of 5000 orphans", async () => {
  const reaped = await reap(5000, 4);
  assertEquals([reaped.ownExits, reaped.orphanExits], [4, 5000]);
  assertEquals(reaped.wrong, 0, "an exit had another code than its process");
  assertEquals(reaped.again, 0, "an exit was returned after all were");
  assertEquals(reaped.repeated, 0, "a process id was returned twice");
  assertLess(reaped.signals, 5004, "signals coalesce, exits must not");
});

Deno.test("setupSignals finds 500 exits behind the few signals that a stopped PID 1 gets", async () => {
  const count = 500;
  const init = await startInit({ program: "stopped.ts", args: [`${count}`] });
  assertEquals(await init.fact("ready"), count);
  Deno.kill(init.pid, "SIGSTOP");
  const children = childrenOf(init.pid);
  assertEquals(children.length, count);
  for (const pid of children) Deno.kill(pid, "SIGKILL");
  while (
    children.some((pid) =>
      statusFields(pid)?.["State"]?.startsWith("Z") === false
    )
  ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  Deno.kill(init.pid, "SIGCONT");
  const done = await init.fact("done") as {
    bySignal: Record<string, number>;
    unknown: number;
    signals: number;
  };
  assertEquals(done.bySignal, { SIGKILL: count });
  assertEquals(done.unknown, 0);
  // 500 deaths while it was stopped are one pending signal.
  assertLess(done.signals, 20);
  assertEquals((await init.result).code, 0);
});

Deno.test("spawn and drainChildExits miss no exit that comes before its process is registered", async () => {
  const { facts, code, errorText } = await runInit({
    program: "early_exit.ts",
  });
  assertEquals(code, 0, errorText);
  assertEquals(facts[0]?.["exits"], { known: 200, unknown: 0 });
});

function childrenOf(pid: number): number[] {
  const threads = [...Deno.readDirSync(`/proc/${pid}/task`)];
  assert(threads.length > 0);
  return threads.flatMap((thread) =>
    Deno.readTextFileSync(`/proc/${pid}/task/${thread.name}/children`)
      .split(" ").filter((text) => text !== "").map(Number)
  );
}
