import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  errorName,
  errorNumber,
  SystemError,
} from "../../../lib/linux/error.ts";

Deno.test("errorName and errorNumber agree for every error of Linux", () => {
  let known = 0;
  for (let number = 1; number <= 133; number++) {
    const name = errorName(number);
    if (name === `E${number}`) continue;
    known++;
    assertEquals(errorNumber(name), number);
  }
  // 41 and 58 are not used: they were other names of 11 and 35.
  assertEquals(known, 131);
  assertEquals(errorName(41), "E41");
  assertEquals(errorName(58), "E58");
  // Some of the numbers that Linux numbers unlike other systems.
  for (
    const [name, number] of Object.entries({
      EAGAIN: 11,
      EDEADLK: 35,
      ENAMETOOLONG: 36,
      ENOSYS: 38,
      ENOTEMPTY: 39,
      ELOOP: 40,
      EOPNOTSUPP: 95,
      EADDRINUSE: 98,
      ETIMEDOUT: 110,
      EINPROGRESS: 115,
      EDQUOT: 122,
    })
  ) assertEquals(errorNumber(name), number, name);
});

Deno.test("SystemError carries syscall, code, errno and path, and says them", () => {
  const cause = new Error("why");
  const error = new SystemError(
    { syscall: "mount", errno: 16, path: "/proc", detail: "twice" },
    { cause },
  );
  assertInstanceOf(error, Error);
  assertEquals(error.name, "SystemError");
  assertEquals(
    [error.syscall, error.code, error.errno, error.path],
    ["mount", "EBUSY", 16, "/proc"],
  );
  assertEquals(
    error.message,
    "mount /proc: EBUSY, device or resource busy: twice",
  );
  assertEquals(error.cause, cause);
});

Deno.test("SystemError has no path where there is none, and a name for an unknown number", () => {
  const error = new SystemError({ syscall: "fork", errno: 999 });
  assertEquals("path" in error, false);
  assertEquals(error.message, "fork: E999, unknown error");
});
