/**
 * What `spaceosctl` shows to people, looked at by programs: `top` in a real
 * terminal (tmux), the boot chart and the dashboard in a real browser
 * (Chromium). The VM is a fake one; tests/vm/ctl_test.ts has a real one.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { encodeHealth } from "../../lib/wire/health.ts";
import { FrameType } from "../../lib/wire/frame.ts";
import { PhaseOutcome } from "../../lib/wire/boot_timeline.ts";
import { ServiceStateCode } from "../../lib/wire/service_list.ts";
import { BrowserPage } from "../fixtures/browser.ts";
import {
  FAKE_HEALTH,
  fakePhase,
  fakeService,
  FakeVm,
  withFakeVm,
} from "../fixtures/fake_vm.ts";
import { TerminalSession } from "../fixtures/terminal_session.ts";
import { ctlCommand, runCtl, startCtl } from "../unit/ctl/support.ts";

const EVIL_NAME = "<img src=x onerror=document.title='broken'>";

Deno.test("spaceosctl top at 80x24 shows a VM, follows its changes, scrolls, resizes, and gives the terminal back", async () => {
  await withFakeVm(async (vm) => {
    await using terminal = await TerminalSession.open(80, 24);
    const shell = ctlCommand().concat("top", "-i", "200", "-S", vm.path)
      .map((word) => `'${word}'`).join(" ");
    await terminal.type(
      `stty -g > before; echo begin; ${shell}; echo "code $?"`,
    );
    const first = await terminal.until((text) => /gps +running/.test(text));
    assertMatch(first, /^spaceosctl top .*q quits/m);
    assertEquals(first.includes("begin"), false, "it has a screen of its own");
    assert(first.split("\n").every((line) => line.length <= 80));

    await vm.happen("something new");
    await terminal.until((text) => text.includes("something new"));
    vm.services = Array.from(
      { length: 60 },
      (_, index) => fakeService(`unit-${index}`),
    );
    await terminal.until((text) => /1-\d+ of 60/.test(text));
    await terminal.press("End");
    await terminal.until((text) => text.includes("unit-59"));
    await terminal.press("Home");
    await terminal.until((text) => text.includes("unit-0 "));
    await terminal.resize(120, 40);
    const wide = await terminal.until((text) =>
      (text.split("\n")[0] ?? "").trimEnd().length === 120
    );
    assertStringIncludes(wide, "unit-20");
    await terminal.resize(40, 10);
    await terminal.until((text) =>
      text.split("\n").every((line) => line.length <= 40) &&
      text.includes("unit-0")
    );
    await terminal.resize(80, 24);
    await vm.close();
    await terminal.until((text) => text.includes("lost"));
    {
      await using again = new FakeVm(vm.path);
      await terminal.until((text) => /vm-a +nominal/.test(text));
      await terminal.press("q");
      const last = await terminal.until((text) => text.includes("code 0"));
      assertStringIncludes(last, "begin");
      assertEquals(last.includes("q quits"), false);
      assertEquals(again.events.length, 2);
    }
    for (const [signal, code] of [["TERM", 0], ["HUP", 0]] as const) {
      await using other = new FakeVm(vm.path);
      await terminal.type(`clear; ${shell}; echo "by ${signal} $?"`);
      await terminal.until((text) => /vm-a +nominal/.test(text));
      await terminal.signalForeground(signal);
      await terminal.until((text) => text.includes(`by ${signal} ${code}`));
      assertEquals(other.path, vm.path);
    }
    await terminal.type(`stty -g | cmp - before && echo "as before"`);
    await terminal.until((text) => /^as before$/m.test(text));
  });
});

Deno.test("spaceosctl boot-chart's SVG is drawn by a browser with every bar in its place", async () => {
  await withFakeVm(async (vm, folder) => {
    vm.phases = [
      fakePhase("mounts", 1000, 500),
      fakePhase("watchdog", 1500, 1, PhaseOutcome.SKIPPED),
      fakePhase(`service ${EVIL_NAME}`, 2000, 2000),
      fakePhase("service gps", 2000, 1000, PhaseOutcome.FAILED),
    ];
    const file = `${folder}/boot.svg`;
    const run = await runCtl(["boot-chart", "--svg", file, "-S", vm.path]);
    assertEquals(run.code, 0, run.stderr);
    await using page = await BrowserPage.open(`file://${file}`, {
      width: 1240,
      height: 320,
    });
    await page.until("document.querySelectorAll('g rect').length === 5");
    const bars = await page.evaluate(
      `[...document.querySelectorAll("g rect")].map((bar) => {
        const { x, width } = bar.getBBox();
        return [bar.getAttribute("class"), Math.round(x), Math.round(width)];
      })`,
    );
    assertEquals(bars, [
      ["kernel", 24, 215],
      ["phase", 239, 108],
      ["skipped", 347, 2],
      ["service", 454, 430],
      ["failed", 454, 215],
    ]);
    assertStringIncludes(
      String(await page.evaluate("document.documentElement.textContent")),
      EVIL_NAME,
    );
    await page.resize(1240, 320);
    for (const scheme of ["light", "dark"] as const) {
      await page.prefer(scheme);
      await keepPicture(page, `boot-chart-${scheme}`);
    }
    assertEquals(page.complaints, []);
  });
});

Deno.test("spaceosctl dashboard shows VMs live in a browser, and nothing that a VM writes is markup", async () => {
  await withFakeVm(async (vm, folder) => {
    await using other = new FakeVm(`${folder}/vm-b.sock`);
    vm.services.push(
      fakeService(EVIL_NAME, { state: ServiceStateCode.FAILED }),
    );
    other.health = { ...FAKE_HEALTH, mode: 2 };
    const child = startCtl([
      "dashboard",
      "-p",
      "0",
      "-S",
      `${folder}/vm-?.sock`,
    ]);
    const reader = child.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    try {
      const { value = "" } = await reader.read();
      const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(value)?.[0] ?? "";
      await using page = await BrowserPage.open(url, {
        width: 1280,
        height: 900,
      });
      await page.until(
        "document.querySelector('#summary').textContent === '2 VMs, 1 nominal'",
      );
      await page.until(
        "document.querySelector('#link').textContent === 'live'",
      );
      assertEquals(
        await page.evaluate(
          "[...document.querySelectorAll('.vm h2')].map((each) => each.textContent)",
        ),
        ["vm-a", "vm-b"],
      );
      assertStringIncludes(
        String(await page.evaluate("document.body.innerText")),
        EVIL_NAME,
      );
      assertEquals(await page.evaluate("document.images.length"), 0);

      for (let step = 1; step <= 30; step++) {
        vm.health = {
          ...FAKE_HEALTH,
          uptimeSeconds: 61 + step,
          loadHundredths: Math.round(50 + 40 * Math.sin(step / 3)),
          memoryAvailableKib: 300_000 - 2_000 * step,
          framesOut: 2 + 3 * step * step,
        };
        await vm.broadcast(FrameType.HEALTH, encodeHealth(vm.health));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await vm.happen("something new");
      await page.until("document.body.innerText.includes('something new')");
      await page.until("document.body.innerText.includes('1 min 31 s')");
      const curves = await page.evaluate(
        `[...document.querySelectorAll(".vm:first-child .curve")].map((curve) =>
          (curve.getAttribute("d") ?? "").split("L").length)`,
      );
      assertEquals(curves, [31, 31, 31, 30]);
      for (const scheme of ["light", "dark"] as const) {
        await page.prefer(scheme);
        await keepPicture(page, `dashboard-${scheme}`);
        const [text, back] = await page.evaluate(
          `[getComputedStyle(document.body).color,
            getComputedStyle(document.body).backgroundColor]`,
        ) as [string, string];
        assert(contrast(text, back) >= 7, `${text} on ${back}`);
      }
      await page.resize(390, 800);
      await page.until(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth",
      );
      await keepPicture(page, "dashboard-narrow");
      await other.close();
      await page.until("document.body.innerText.includes('lost')");
      assertEquals(
        page.complaints,
        [],
        "no error, and nothing that the CSP refused",
      );
      assertEquals(await page.evaluate("document.title"), "1/2 spaceos");
      child.kill("SIGTERM");
      await page.until(
        "document.querySelector('#link').textContent === 'offline'",
      );
      assertEquals((await child.status).code, 0);
    } finally {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended, as it should.
      }
      await reader.cancel();
      await child.stderr.cancel();
    }
  });
});

/** Puts a picture where people can look at it. */
async function keepPicture(page: BrowserPage, name: string): Promise<void> {
  const folder = new URL("../../rootfs/out/pictures/", import.meta.url);
  await Deno.mkdir(folder, { recursive: true });
  const bytes = await page.picture();
  await Deno.writeFile(new URL(`${name}.png`, folder), bytes);
  assert(bytes.length > 5_000, "an empty picture is smaller");
}

/** The contrast of two colours; WCAG 2.2, "contrast ratio". */
function contrast(one: string, other: string): number {
  const light = (colour: string) => {
    const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? [])
      .map((part) => Number(part) / 255)
      .map((part) =>
        part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [bright = 0, dark = 0] = [light(one), light(other)]
    .sort((left, right) => right - left);
  return (bright + 0.05) / (dark + 0.05);
}
