import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readKeys } from "../../../cmd/spaceosctl/terminal.ts";
import { clip, topScreen } from "../../../cmd/spaceosctl/top_screen.ts";
import type { VmView } from "../../../cmd/spaceosctl/watcher.ts";
import { ServiceStateCode } from "../../../lib/wire/service_list.ts";
import { FAKE_HEALTH, fakeEvent, fakeService } from "../../fixtures/fake_vm.ts";

function view(parts: Partial<VmView> = {}): VmView {
  return {
    target: { path: "/run/a.sock", label: "vm-a" },
    isConnected: true,
    problem: null,
    health: FAKE_HEALTH,
    samples: [],
    services: [fakeService("web")],
    moreServices: 0,
    events: [{ id: 1, event: fakeEvent(1n, "it happened") }],
    latencyMs: 0.5,
    ...parts,
  };
}

const screen = {
  columns: 80,
  rows: 24,
  scroll: 0,
  clock: "12:34:56",
  paint: (_: unknown, text: string) => text,
};

Deno.test("topScreen shows VM, services and events, and fits any terminal", () => {
  const services = Array.from(
    { length: 100 },
    (_, index) => fakeService(`service-${index}`),
  );
  for (const columns of [10, 40, 80, 200]) {
    for (const rows of [1, 2, 5, 10, 24, 60]) {
      for (const count of [1, 3, 15]) {
        const views = Array.from({ length: count }, () => view({ services }));
        const { lines } = topScreen(views, { ...screen, columns, rows });
        assert(lines.length <= rows, `${lines.length} lines on ${rows} rows`);
        for (const line of lines) assert(line.length <= columns, line);
      }
    }
  }
  const text = topScreen([view()], screen).lines.join("\n");
  for (const part of ["vm-a", "nominal", "61 s", "web", "it happened"]) {
    assertStringIncludes(text, part);
  }
});

Deno.test("topScreen scrolls through services, those that need attention first", () => {
  const services = Array.from(
    { length: 50 },
    (_, index) => fakeService(`service-${index}`),
  );
  services.push(fakeService("ill", { state: ServiceStateCode.FAILED }));
  const first = topScreen([view({ services })], screen);
  assertStringIncludes(first.lines[5] ?? "", "ill ");
  const { scrollLimit, pageSize } = first;
  assertEquals(scrollLimit + pageSize, 51);
  const last = topScreen([view({ services })], {
    ...screen,
    scroll: scrollLimit + 99,
  });
  assertStringIncludes(last.lines.join("\n"), "service-49");
  assertStringIncludes(last.lines[4] ?? "", `${scrollLimit + 1}-51 of 51`);
});

Deno.test("topScreen says why a VM does not answer, and lets no VM write on the terminal", () => {
  const evil = "\x1b[2J\x9b\u202e";
  const lost = view({
    target: { path: "/x", label: evil },
    problem: `gone ${evil}`,
    services: [fakeService(`x${evil}`)],
    events: [{ id: 1, event: fakeEvent(1n, evil) }],
  });
  for (const views of [[lost], [lost, view({ health: null, problem: evil })]]) {
    const text = topScreen(views, screen).lines.join("\n");
    assertStringIncludes(text, "lost");
    // deno-lint-ignore no-control-regex -- these are what must not get through.
    assertEquals(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/.exec(text), null);
  }
});

Deno.test("clip counts columns, not characters", () => {
  assertEquals(clip("abcdef", 6), "abcdef");
  assertEquals(clip("abcdefg", 6), "abcde~");
  assertEquals(clip("漢字漢字", 5), "漢字~");
});

Deno.test("readKeys takes apart what comes in one go", () => {
  const keys = (text: string) => readKeys(new TextEncoder().encode(text));
  assertEquals(keys("q\x1b[A\x1bOBj\x1b[5~\x03"), [
    "q",
    "up",
    "down",
    "j",
    "pageUp",
    "interrupt",
  ]);
  assertEquals(keys("\x1b"), ["\x1b"]);
  assertEquals(keys(""), []);
});
