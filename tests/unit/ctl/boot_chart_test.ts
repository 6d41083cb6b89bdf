import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  axisMarks,
  planBoot,
  showDuration,
  showMark,
} from "../../../cmd/spaceosctl/boot_plan.ts";
import { bootChartSvg } from "../../../cmd/spaceosctl/boot_chart_svg.ts";
import { bootChartLines } from "../../../cmd/spaceosctl/boot_chart_text.ts";
import { PhaseOutcome } from "../../../lib/wire/boot_timeline.ts";
import { fakePhase, withFakeVm } from "../../fixtures/fake_vm.ts";
import { runCtl } from "./support.ts";

const PHASES = [
  fakePhase("mounts", 1000, 500),
  fakePhase("watchdog", 1500, 1, PhaseOutcome.SKIPPED),
  fakePhase("service web", 2000, 2000),
  fakePhase("service gps", 2000, 1000, PhaseOutcome.FAILED),
];

const plain = (_: unknown, text: string) => text;

Deno.test("planBoot puts the kernel first, then all in the order in which they began", () => {
  const plan = planBoot(PHASES.toReversed());
  assertEquals(plan.rows.map(({ name }) => name), [
    "kernel",
    "mounts",
    "watchdog",
    "gps",
    "web",
  ]);
  assertEquals([plan.kernel, plan.total, plan.end], [1, 4, 4]);
  const running = planBoot([
    ...PHASES,
    fakePhase("service slow", 3000, 0, PhaseOutcome.RUNNING),
  ]);
  assertEquals([running.total, running.rows.at(-1)?.duration], [null, 1]);
  assertEquals(planBoot([]).rows, []);
  // The VM's own word for it.
  const own = planBoot([fakePhase("kernel", 0, 800), ...PHASES]);
  assertEquals(own.kernel, 0.8);
  assertEquals(own.rows.map(({ name }) => name).slice(0, 2), [
    "kernel",
    "mounts",
  ]);
});

Deno.test("planBoot survives times that make no sense", () => {
  const plan = planBoot([{
    startMicroseconds: 2n ** 64n - 1n,
    durationMicroseconds: 2n ** 64n - 1n,
    outcome: PhaseOutcome.DONE,
    name: "x",
  }]);
  assertEquals(plan.end, 864_000);
  assert(
    bootChartLines(plan, { columns: 80, isUnicode: false, paint: plain })
      .every((line) => line.length < 120),
  );
});

Deno.test("axisMarks are round, and as many as there is room for", () => {
  assertEquals(axisMarks(4.2, 5), [0, 1, 2, 3, 4]);
  assertEquals(axisMarks(0.03, 4).map(showMark), ["0", "0.01", "0.02", "0.03"]);
  assertEquals(axisMarks(5, 1), [0, 5]);
  assertEquals([showDuration(0.0042), showDuration(0.3), showDuration(2)], [
    "4.2 ms",
    "300 ms",
    "2.000 s",
  ]);
});

Deno.test("bootChartLines draws bars to scale, in ASCII or not", () => {
  const style = { columns: 73, isUnicode: false, paint: plain };
  const lines = bootChartLines(planBoot(PHASES), style);
  assertEquals(lines, [
    "4.000 s = 1.000 s kernel + 3.000 s init and services",
    "         |0 s       |1 s       |2 s       |3 s       |4 s",
    "kernel   ########### 1.000 s",
    "mounts              ###### 500 ms",
    "watchdog                 # 1.0 ms skipped",
    "  web                          ###################### 2.000 s",
    "  gps                          ########### 1.000 s failed",
  ]);
  const unicode = bootChartLines(planBoot(PHASES), {
    ...style,
    isUnicode: true,
  });
  assertStringIncludes(unicode[2] ?? "", "███");
  assertEquals(
    bootChartLines(planBoot([]), style),
    ["the boot has not begun"],
  );
});

Deno.test("bootChartSvg is XML whatever the names are", () => {
  const evil = `"><script>&\x1b[2J\uffff`;
  const svg = bootChartSvg(
    planBoot([fakePhase(evil, 1, 2)]),
    evil.slice(0, 12),
  );
  assert(!svg.includes("<script"));
  assertStringIncludes(svg, "&quot;&gt;&lt;script&gt;&amp;\\x1b[2J\ufffd");
});

Deno.test("spaceosctl boot-chart draws on the terminal, into a file, and as JSON", async () => {
  await withFakeVm(async (vm, folder) => {
    vm.phases = PHASES;
    const socket = ["--socket", vm.path];
    const text = await runCtl(["boot-chart", "--width", "60", ...socket]);
    assertEquals(text.code, 0, text.stderr);
    assertStringIncludes(text.stdout, "4.000 s = 1.000 s kernel");
    const file = await runCtl([
      "boot-chart",
      "--svg",
      `${folder}/%s.svg`,
      ...socket,
    ]);
    assertEquals(file.stdout, `boot chart in ${folder}/vm-a.svg\n`);
    const svg = Deno.readTextFileSync(`${folder}/vm-a.svg`);
    assertStringIncludes(svg, "Boot of vm-a");
    const out = await runCtl(["boot-chart", "--svg", "-", ...socket]);
    assertEquals(out.stdout, svg);
    const json = (await runCtl(["boot-chart", "--json", ...socket])).json();
    const result = json[0]?.result as { phases: unknown[] };
    assertEquals(result.phases[2], {
      name: "watchdog",
      isService: false,
      startSeconds: 1.5,
      durationSeconds: 0.001,
      outcome: "skipped",
    });
    const nowhere = await runCtl([
      "boot-chart",
      "--svg",
      `${folder}/none/x.svg`,
      ...socket,
    ]);
    assertEquals(nowhere.code, 3);
  });
});
