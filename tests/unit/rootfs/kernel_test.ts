import { assertEquals, assertThrows } from "@std/assert";
import {
  moduleDependencies,
  ModuleError,
  type ModuleFiles,
  moduleName,
  selectModules,
} from "../../../rootfs/kernel.ts";
import { makeElf } from "../../fixtures/make_elf.ts";

const module = (depends: string): Uint8Array =>
  makeElf({
    sections: { ".modinfo": `license=GPL\0depends=${depends}\0name=x\0` },
  });

function modules(
  depends: Record<string, string>,
  builtin: string[] = [],
): ModuleFiles {
  const paths = Object.keys(depends).map((name) => `kernel/drivers/${name}.ko`);
  return {
    paths: [...paths, "modules.order"],
    builtin,
    read: (path) =>
      module(depends[path.slice("kernel/drivers/".length, -3)] ?? ""),
  };
}

const names = (wanted: string[], files: ModuleFiles): string[] =>
  selectModules(wanted, files).map(({ name }) => name);

Deno.test("moduleName takes endings away and writes underscores", () => {
  assertEquals(moduleName("kernel/a/virtio-rng.ko"), "virtio_rng");
  assertEquals(moduleName("x.ko.xz"), "x");
  assertEquals(moduleName("modules.order"), undefined);
});

Deno.test("moduleDependencies reads depends= of .modinfo", () => {
  assertEquals(moduleDependencies(module("virtio_ring,virtio-pci")), [
    "virtio_ring",
    "virtio_pci",
  ]);
  assertEquals(moduleDependencies(module("")), []);
  assertThrows(() => moduleDependencies(makeElf({})), ModuleError, ".modinfo");
});

Deno.test("selectModules puts each module after what it needs, and once", () => {
  const files = modules({
    "virtio": "virtio_ring",
    "virtio_ring": "",
    "virtio_blk": "virtio,virtio_ring",
    "virtio_console": "virtio_ring,virtio",
    "other": "",
  });
  assertEquals(names(["virtio-console", "virtio_blk"], files), [
    "virtio_ring",
    "virtio",
    "virtio_console",
    "virtio_blk",
  ]);
});

Deno.test("selectModules needs nothing for what is built into the kernel", () => {
  const files = modules({ a: "b" }, ["kernel/drivers/b.ko", ""]);
  assertEquals(names(["a", "b"], files), ["a"]);
});

Deno.test("selectModules names a missing module and who needs it", () => {
  assertThrows(() => names(["gone"], modules({})), ModuleError, "gone");
  assertThrows(
    () => names(["a"], modules({ a: "gone" })),
    ModuleError,
    "which a needs",
  );
});

Deno.test("selectModules shows the path of a cycle", () => {
  assertThrows(
    () => names(["a"], modules({ a: "b", b: "a" })),
    ModuleError,
    "a -> b -> a",
  );
});

Deno.test("selectModules names a file that is no module", () => {
  const files = {
    ...modules({ a: "" }),
    read: () => new TextEncoder().encode("no ELF".repeat(20)),
  };
  assertThrows(() => names(["a"], files), ModuleError, "kernel/drivers/a.ko");
});
