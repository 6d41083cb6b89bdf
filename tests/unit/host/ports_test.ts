import { assertEquals } from "@std/assert";
import { findPort } from "../../../lib/host/ports.ts";

function folders() {
  const root = Deno.makeTempDirSync({ prefix: "spaceos-ports-" });
  const result = {
    links: `${root}/links`,
    sysfs: `${root}/sysfs`,
    devices: "/dev",
    root,
  };
  for (const [port, name] of [["vport0p1", "log\n"], ["vport1p2", "ipc\n"]]) {
    Deno.mkdirSync(`${result.sysfs}/${port}`, { recursive: true });
    Deno.writeTextFileSync(`${result.sysfs}/${port}/name`, name ?? "");
  }
  // A port that the host did not name has no readable name.
  Deno.mkdirSync(`${result.sysfs}/vport0p0`);
  return result;
}

Deno.test("findPort finds the node by the name in sysfs", () => {
  const where = folders();
  assertEquals(findPort("ipc", where), "/dev/vport1p2");
  assertEquals(findPort("log", where), "/dev/vport0p1");
  assertEquals(findPort("ip", where), undefined);
  Deno.removeSync(where.root, { recursive: true });
});

Deno.test("findPort prefers a link by name where there is one", () => {
  const where = folders();
  Deno.mkdirSync(where.links);
  Deno.writeTextFileSync(`${where.links}/ipc`, "");
  assertEquals(findPort("ipc", where), `${where.links}/ipc`);
  Deno.removeSync(where.root, { recursive: true });
});

Deno.test("findPort finds nothing where there is no virtio-serial device", () => {
  const none = { links: "/nowhere", sysfs: "/nowhere", devices: "/dev" };
  assertEquals(findPort("ipc", none), undefined);
});
