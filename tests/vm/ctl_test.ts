/**
 * `spaceosctl` against a real boot: every command, in one machine, in the
 * order in which somebody would use them. What each command makes of odd
 * answers is tested in tests/unit/ctl.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { MemoryBlockDevice } from "../../lib/storage/memory_device.ts";
import { openVolume } from "../../lib/storage/volume.ts";
import { BrowserPage } from "../fixtures/browser.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { TerminalSession } from "../fixtures/terminal_session.ts";
import { ctlCommand, type Run, runCtl, startCtl } from "../unit/ctl/support.ts";
import { Machine } from "./machine.ts";

/** An emulated machine beside other work may take very long to answer. */
const PATIENCE = ["--timeout", "120"];

const DATA = Uint8Array.from(
  { length: 70_001 },
  (_, index) => index * 31 & 255,
);

async function diskWithProduct(): Promise<Uint8Array> {
  const bytes = Uint8Array.from(makeDisk("good"));
  const volume = await openVolume(new MemoryBlockDevice({ bytes }));
  await volume.dataProducts.write({
    name: "image-1",
    dataProductClass: 3,
    priority: 1,
    data: DATA,
  });
  await volume.close();
  return bytes;
}

/** An event as `events --json` tells it. */
interface LoggedEvent {
  readonly name: string;
  readonly text: string;
  readonly sequence: number;
  readonly timestamp: number;
}

Deno.test("spaceosctl does every command on a real machine, from its boot to its end", async () => {
  await using machine = Machine.boot({ disk: await diskWithProduct() });
  const socket = ["--socket", machine.ipcSocketPath, ...PATIENCE];
  const folder = await Deno.makeTempDir({ prefix: "spaceos-ctl-" });
  /** Runs a command that must end with 0, unless told otherwise. */
  const ctl = async (words: readonly string[], code = 0): Promise<Run> => {
    const run = await runCtl([...words, ...socket]);
    assertEquals(run.code, code, `${words.join(" ")}: ${run.stderr}`);
    return run;
  };
  const json = async <T>(words: readonly string[], code = 0): Promise<T> => {
    const [line] = (await ctl([...words, "--json"], code)).json();
    return (line?.ok === true ? line.result : line?.error) as T;
  };
  /** Waits until the service is in a state. */
  const untilState = async (state: string): Promise<void> => {
    while (
      (await json<{ state: string }>(["services", "demo"])).state !== state
    );
  };
  /** Waits until the event log shows something. */
  const untilLogged = async (
    isThere: (events: readonly LoggedEvent[]) => boolean,
  ): Promise<LoggedEvent[]> => {
    for (;;) {
      const events = (await ctl(["events", "--json"])).json()
        .map(({ result }) => result as LoggedEvent);
      if (isThere(events)) return events;
    }
  };
  try {
    await machine.waitForConsole(/\S/);
    // While the machine boots, this waits for its answer.
    await ctl(["ping", "-c", "1"]);
    await machine.waitForConsole(/READY.*\n/);

    interface Status {
      mode: string;
      services: { total: number; running: number };
      bootCount: number;
      framesIn: number;
    }
    for (let times = 0; times < 3; times++) {
      const { mode, services, bootCount } = await json<Status>(["status"]);
      assertEquals([mode, services.total, services.running, bootCount], [
        "nominal",
        1,
        1,
        1,
      ]);
    }
    assertMatch((await ctl(["services"])).stdout, /^demo +running +\d+ +0 /m);
    const missing = await ctl(["services", "nobody"], 4);
    assertStringIncludes(missing.stderr, "ENOENT");

    await onlyOneAtATime(machine, socket);

    assertStringIncludes((await ctl(["logs"])).stdout, "spaceos-init: READY");
    assertMatch((await ctl(["logs", "demo"])).stdout, /^(demo: .*\n)+$/);

    await ctl(["stop", "demo"]);
    await untilState("pending");
    await ctl(["start", "demo"]);
    await untilState("running");
    await ctl(["restart", "demo"]);
    // An event is in the log once the disk has it.
    const named = await untilLogged((events) =>
      events.filter(({ name }) => name === "SERVICE_COMMAND").length === 3
    );
    assertEquals(named[0]?.name, "BOOT");
    assertEquals(
      named.filter(({ name }) => name === "SERVICE_COMMAND")
        .map(({ text }) => text.split(" ").at(-1)),
      ["stop", "start", "restart"],
    );
    assertEquals(
      named.map(({ sequence }) => sequence),
      named.map((_, index) => (named[0]?.sequence ?? 0) + index),
    );
    await untilState("running");

    const list = await ctl(["param", "list"]);
    assertMatch(list.stdout, /^health-interval +0xFFFF0010 +0 +10000 ms$/m);
    await ctl(["param", "set", "health-interval", "200"]);
    await ctl(["param", "set", "7", "hello"]);
    await ctl([
      "param",
      "set",
      "8=a",
      "log-level=warning",
      "health-interval=300",
    ]);
    assertEquals((await ctl(["param", "get", "7"])).stdout, "hello\n");
    assertEquals(
      (await ctl(["param", "get", "log-level"])).stdout,
      "2 warning\n",
    );
    await ctl(["param", "set", "boot-count", "1"], 5);
    await ctl(["param", "get", "9"], 4);
    await ctl(["param", "set", "log-level", "--hex", "09"], 5);

    assertMatch(
      (await ctl(["dp", "list"])).stdout,
      /^3 +1 +70001 .* image-1$/m,
    );
    await ctl(["dp", "get", "image-1", `${folder}/image`]);
    assertEquals(Deno.readFileSync(`${folder}/image`), DATA);
    await ctl(["dp", "get", "nothing"], 4);

    interface Figures {
      received: number;
      minMs: number;
      p99Ms: number;
    }
    const figures = await json<Figures>(["ping", "-c", "50", "-i", "0"]);
    assertEquals(figures.received, 50);
    assertGreater(figures.p99Ms, figures.minMs);

    interface Boot {
      totalSeconds: number;
      kernelSeconds: number;
      phases: { name: string; isService: boolean; outcome: string }[];
    }
    const boot = await json<Boot>(["boot-chart"]);
    assertGreater(boot.totalSeconds, boot.kernelSeconds);
    assert(
      boot.phases.some(({ name, isService }) => isService && name === "demo"),
    );
    assertStringIncludes(
      (await ctl(["boot-chart"])).stdout,
      "init and services",
    );
    await ctl(["boot-chart", "--svg", `${folder}/boot.svg`]);

    const fdir = await json<{ anomalyCount: number }>(["fdir", "check"]);
    assertEquals(fdir.anomalyCount, 0);
    await ctl(["time", "set", "1800000000.5"]);
    await untilLogged((events) =>
      events.some(({ name, timestamp }) =>
        name === "CLOCK_SET" && timestamp >= 1_800_000_000
      )
    );

    await ctl(["safe-mode", "on"]);
    assertEquals((await json<Status>(["status"], 1)).mode, "safe");
    await ctl(["safe-mode", "off"]);
    await untilState("running");

    const echo = await ctl(["send", "000100074142", "--wait", "5000"]);
    assertStringIncludes(echo.stdout, "number 7, status 0, result AB");
    const wrong = await ctl(["send", "--type", "99", "--wait", "5000"], 5);
    assertStringIncludes(wrong.stdout, "UNKNOWN_TYPE for a frame of type 99");

    await watchOnScreens(machine);

    const down = await runCtl(["poweroff", ...socket]);
    assertEquals([down.code, down.stdout], [0, "poweroff accepted\n"]);
    assertEquals(await machine.waitForEnd(), "poweroff");
    await ctl(["status"], 3);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/**
 * While a program follows the events, QEMU lets no other in. The other says so
 * when its time is over, and what it wanted has not been done afterwards.
 */
async function onlyOneAtATime(
  machine: Machine,
  socket: readonly string[],
): Promise<void> {
  const first = startCtl(["events", "--follow", ...socket]);
  const reader = first.stdout.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; !text.includes("READY");) {
    text += (await reader.read()).value ?? "";
  }
  const path = machine.ipcSocketPath;
  const second = await runCtl(["stop", "demo", "-S", path, "-t", "1"]);
  assertEquals(second.code, 6);
  assertStringIncludes(second.stderr, "another program holds");
  first.kill("SIGKILL");
  await first.status;
  await reader.cancel();
  await first.stderr.cancel();
  const after = await runCtl(["services", "demo", "--json", ...socket]);
  assertEquals(after.code, 0, after.stderr);
  assertStringIncludes(after.stdout, `"state":"running"`);
}

/** `top` in a terminal, then the dashboard in a browser, on the same machine. */
async function watchOnScreens(machine: Machine): Promise<void> {
  const socket = ["-S", machine.ipcSocketPath, ...PATIENCE];
  {
    await using terminal = await TerminalSession.open(80, 24);
    const shell = [...ctlCommand(), "top", ...socket]
      .map((word) => `'${word}'`).join(" ");
    await terminal.type(`${shell}; echo "code $?"`);
    await terminal.until((text) =>
      /^demo +running/m.test(text) && /^ipc +nominal /m.test(text) &&
      text.includes("CLOCK_SET")
    );
    await terminal.press("q");
    await terminal.until((text) => text.includes("code 0"));
  }
  const child = startCtl(["dashboard", "-p", "0", ...socket]);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  const [url = ""] = /http:\S+/.exec(value.replace(";", "")) ?? [];
  const size = { width: 1280, height: 900 };
  {
    await using page = await BrowserPage.open(url, size);
    await page.until("document.body.innerText.includes('1 VM, 1 nominal')");
    await page.until("document.body.innerText.includes('CLOCK_SET')");
    assertEquals(page.complaints, []);
  }
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 0);
  await reader.cancel();
  await child.stderr.cancel();
}
