import { assertEquals, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { overrideLibc, setErrno } from "../../../lib/linux/libc.ts";
import { loadModule } from "../../../lib/linux/module.ts";

const number = Deno.build.arch === "aarch64" ? 273 : 313;

/** finit_module behind the libc table, with an error number or 0. */
function kernel(errno: number): { calls: unknown[]; undo: Disposable } {
  const calls: unknown[] = [];
  const undo = overrideLibc({
    openat: () => 50,
    close: (descriptor) => {
      calls.push(["close", descriptor]);
      return 0;
    },
    syscall: (call, descriptor, parameters, flags) => {
      calls.push([
        Number(call),
        Number(descriptor),
        new TextDecoder().decode(parameters as Uint8Array),
        Number(flags),
      ]);
      return errno === 0 ? 0 : setErrno(errno);
    },
  });
  return { calls, undo };
}

Deno.test("loadModule gives the kernel the file, its parameters, and whether it is compressed", () => {
  const { calls, undo } = kernel(0);
  using _ = undo;
  assertEquals(loadModule("/lib/softdog.ko", "soft_margin=5"), "loaded");
  assertEquals(loadModule("/lib/softdog.ko.xz"), "loaded");
  assertEquals(calls, [
    [number, 50, "soft_margin=5\0", 0],
    ["close", 50],
    [number, 50, "\0", 4],
    ["close", 50],
  ]);
});

Deno.test("loadModule takes EEXIST for loaded already", () => {
  const { undo } = kernel(17);
  using _ = undo;
  assertEquals(loadModule("/lib/virtio.ko"), "present");
});

Deno.test("loadModule names the module whose symbols are missing, and closes its file", () => {
  const { calls, undo } = kernel(2);
  using _ = undo;
  const error = assertThrows(
    () => loadModule("/lib/virtio_blk.ko"),
    SystemError,
  );
  assertEquals(
    error.message,
    "finit_module /lib/virtio_blk.ko: ENOENT, no such file or directory",
  );
  assertEquals(calls.at(-1), ["close", 50]);
});
