import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { cString, cStringArray } from "../../../lib/linux/c_string.ts";
import {
  checkRetry,
  errno,
  libc,
  openLate,
  overrideLibc,
  setErrno,
} from "../../../lib/linux/libc.ts";

for (
  const [name, flags] of [
    // Helper threads of V8 contend for locks with this one, and a futex that
    // fails leaves its EAGAIN in errno.
    ["V8's own flags", []],
    [
      "the executable's flags",
      ["--v8-flags=--single-threaded,--max-semi-space-size=1"],
    ],
  ] as const
) {
  Deno.test(`check reads the errno of the call that failed, through garbage collection, with ${name}`, async () => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-config",
        "--no-check",
        "--allow-ffi",
        ...flags,
        decodeURIComponent(
          new URL("../../fixtures/errno_storm.ts", import.meta.url).pathname,
        ),
      ],
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  });
}

Deno.test("a function that is opened late is opened once, whoever took it out of the table before", () => {
  const opened: string[] = [];
  const table = openLate((name) => {
    opened.push(name);
    return (...values) => values.length;
  });
  // The optional ones are asked for before they are called.
  const before = opened.splice(0);
  assertEquals(before.includes("posix_spawnattr_setcgroup_np"), true);
  const { kill, getpid } = table;
  for (let call = 0; call < 1000; call++) {
    assertEquals([kill(1, 2), getpid(), table.kill(1, 2)], [2, 0, 2]);
  }
  assertEquals(opened, ["kill", "getpid"]);
});

Deno.test("checkRetry calls again for EINTR only", () => {
  const answers = [
    () => setErrno(4),
    () => setErrno(4),
    () => setErrno(5),
    () => 1,
  ];
  let calls = 0;
  const error = assertThrows(
    () => checkRetry(() => answers[calls++]?.() ?? 0, "read", "/dev/vda"),
    SystemError,
  );
  assertEquals([calls, error.code, error.path], [3, "EIO", "/dev/vda"]);
});

Deno.test("cString ends with NUL and refuses one inside", () => {
  assertEquals(cString(""), Uint8Array.of(0));
  assertEquals(cString("ü"), Uint8Array.of(0xC3, 0xBC, 0));
  const error = assertThrows(() => cString("/etc/passwd\0.txt"), SystemError);
  assertEquals(error.code, "EINVAL");
  assertStringIncludes(error.message, "/etc/passwd\\u0000.txt");
});

Deno.test("cStringArray points to each of its strings and ends with NULL", () => {
  const texts = ["/bin/sh", "", "ünicode", "x".repeat(5000)];
  const bytes = cStringArray(texts);
  const pointers = new BigUint64Array(bytes.buffer, 0, texts.length + 1);
  texts.forEach((text, index) => {
    const pointer = Deno.UnsafePointer.create(pointers[index] ?? 0n);
    if (pointer === null) throw new Error("NULL before the end");
    assertEquals(Deno.UnsafePointerView.getCString(pointer), text);
  });
  assertEquals(pointers[texts.length], 0n);
  assertThrows(() => cStringArray(["a", "b\0c"]), SystemError, "EINVAL");
});

Deno.test("overrideLibc replaces functions, nests, and is undone", () => {
  {
    using _outer = overrideLibc({ getpid: () => 1, getppid: () => 2 });
    {
      using _inner = overrideLibc({ getpid: () => setErrno(11) });
      assertEquals([libc().getpid(), errno(), libc().getppid()], [-1, 11, 2]);
    }
    assertEquals(libc().getpid(), 1);
  }
  assertEquals(libc().getpid(), Deno.pid);
});

Deno.test("libc says what it needs where the library cannot be loaded", async () => {
  const code = `
    import { libc } from "${new URL(
    "../../../lib/linux/libc.ts",
    import.meta.url,
  )}";
    try { libc(); } catch (error) { console.log(error.message, "|", error.cause?.name); }
  `;
  // Without permission for FFI, and nobody to ask, loading fails.
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-config",
      "--no-check",
      "--no-prompt",
      "--allow-read",
      "--allow-import",
      "data:application/typescript," + encodeURIComponent(code),
    ],
    stderr: "inherit",
  }).output();
  assertEquals(
    new TextDecoder().decode(stdout),
    "cannot load libc.so.6: expected glibc 2.34 or later, and permission for FFI | NotCapable\n",
  );
});
