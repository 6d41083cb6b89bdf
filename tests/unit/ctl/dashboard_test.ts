import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  DashboardServer,
  STREAMS_MAX_COUNT,
} from "../../../cmd/spaceosctl/dashboard_server.ts";
import type { VmView } from "../../../cmd/spaceosctl/watcher.ts";
import { FAKE_HEALTH, fakeEvent, fakeService } from "../../fixtures/fake_vm.ts";
import { runCtl } from "./support.ts";

function view(parts: Partial<VmView> = {}): VmView {
  return {
    target: { path: "/run/a.sock", label: "vm-a" },
    isConnected: true,
    problem: null,
    health: FAKE_HEALTH,
    samples: [{ timeMs: 1000, health: FAKE_HEALTH }],
    services: [fakeService("web")],
    moreServices: 0,
    events: [{ id: 1, event: fakeEvent(1n, "one") }],
    latencyMs: 0.5,
    ...parts,
  };
}

function ask(
  server: DashboardServer,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Response {
  return server.handle(
    new Request(`http://127.0.0.1:8430${path}`, {
      method,
      headers: { host: "127.0.0.1:8430", ...headers },
    }),
  );
}

Deno.test("the dashboard answers only requests that name this machine", () => {
  const server = new DashboardServer(() => [view()]);
  for (
    const host of [
      "evil.example",
      "evil.example:8430",
      "127.0.0.1.evil.example",
      "127.0.0.2",
      "0.0.0.0:8430",
      "localhost.evil.example:8430",
      "[::2]:8430",
      "127.0.0.1:8430@evil.example",
      "evil.example#127.0.0.1",
      "",
    ]
  ) {
    for (const path of ["/", "/api/state", "/api/stream", "/app.js"]) {
      assertEquals(ask(server, path, { host }).status, 403, host);
    }
  }
  for (
    const host of [
      "127.0.0.1",
      "127.0.0.1:1",
      "localhost:9",
      "[::1]:8430",
      "[::1]",
    ]
  ) {
    assertEquals(ask(server, "/", { host }).status, 200, host);
  }
});

Deno.test("the dashboard only reads, only for pages of its own, and says so in its headers", async () => {
  const server = new DashboardServer(() => [view()]);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const refused = ask(server, "/api/state", {}, method);
    assertEquals(refused.status, 405);
    assertEquals(refused.headers.get("allow"), "GET, HEAD");
  }
  for (const site of ["cross-site", "same-site"]) {
    const foreign = ask(server, "/api/state", { "sec-fetch-site": site });
    assertEquals(foreign.status, 403);
  }
  assertEquals(ask(server, "/../../../etc/passwd").status, 404);
  assertEquals(ask(server, "/constructor").status, 404);
  assertEquals(ask(server, "/%2e%2e/main.ts").status, 404);
  for (const path of ["/", "/app.js", "/app.css", "/icon.svg", "/nothing"]) {
    const { headers } = ask(server, path);
    assertStringIncludes(
      headers.get("content-security-policy") ?? "",
      "default-src 'none'",
    );
    assertEquals(headers.get("access-control-allow-origin"), null);
    assertEquals(headers.get("x-content-type-options"), "nosniff");
  }
  const state = await ask(server, "/api/state").json();
  assertEquals(state.vms[0].services[0].name, "web");
  const page = await ask(server, "/").text();
  assertEquals(/https?:|<style|onclick|<script>/.test(page), false);
});

Deno.test("the dashboard tells each page what is new for it, and only so many pages", async () => {
  let views = [view()];
  const server = new DashboardServer(() => views);
  const stream = ask(server, "/api/stream");
  assertEquals(stream.headers.get("content-type"), "text/event-stream");
  assert(stream.body !== null);
  const reader = stream.body.getReader();
  const next = async () => {
    const text = new TextDecoder().decode((await reader.read()).value);
    assert(text.startsWith("data: ") && text.endsWith("\n\n"));
    return JSON.parse(text.slice(6)).vms[0];
  };
  const first = await next();
  assertEquals([first.samples.length, first.events.length], [1, 1]);
  assertEquals(first.isReset, true);
  views = [view({
    samples: [
      { timeMs: 1000, health: FAKE_HEALTH },
      { timeMs: 2000, health: FAKE_HEALTH },
    ],
    events: [
      { id: 1, event: fakeEvent(1n, "one") },
      { id: 2, event: fakeEvent(2n, "two") },
    ],
  })];
  // Told twice while nobody reads: nothing is lost, and nothing told twice.
  server.broadcast();
  server.broadcast();
  const second = await next();
  assertEquals([second.samples.length, second.isReset], [1, false]);
  assertEquals(second.events[0].text, "two");
  views = [view({ events: [{ id: 9, event: fakeEvent(9n, "anew") }] })];
  server.broadcast();
  let third = await next();
  if (third.events.length === 0) third = await next();
  assertEquals([third.isReset, third.events[0].text], [true, "anew"]);

  const others = Array.from(
    { length: STREAMS_MAX_COUNT - 1 },
    () => ask(server, "/api/stream"),
  );
  assertEquals(ask(server, "/api/stream").status, 503);
  await others[0]?.body?.cancel();
  const freed = ask(server, "/api/stream");
  assertEquals(freed.status, 200);
  server.close();
  for (const { body } of [...others.slice(1), freed]) await body?.cancel();
  await reader.cancel();
});

Deno.test("spaceosctl dashboard refuses every address that others could reach", async () => {
  for (
    const address of [
      "0.0.0.0",
      "::",
      "192.168.0.1",
      "127.0.0.2",
      "example.org",
      "",
    ]
  ) {
    const run = await runCtl(["dashboard", `--listen=${address}`]);
    assertEquals(run.code, 64);
    assertStringIncludes(run.stderr, "expected 127.0.0.1 or ::1");
  }
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const run = await runCtl(["dashboard", "-p", String(port)]);
  assertEquals(run.code, 3);
  assertStringIncludes(run.stderr, "can't be listened on");
  taken.close();
});

Deno.test("spaceosctl top needs a terminal", async () => {
  const run = await runCtl(["top"]);
  assertEquals(run.code, 64);
  assertStringIncludes(run.stderr, "top needs a terminal");
});
