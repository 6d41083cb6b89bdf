/** How long a suite may take, and that each suite has its limit written down. */
import { assertEquals, assertThrows } from "@std/assert";
import { ToolchainError } from "../../../rootfs/toolchain/report.ts";
import { limitOf, SUITES } from "../../../rootfs/toolchain/test_limit.ts";
import { findSuites } from "../../../rootfs/toolchain/test_run.ts";

Deno.test("SUITES has each suite, and a limit far above its usual time", () => {
  assertEquals(
    Object.keys(SUITES),
    findSuites().map(({ name }) => name),
  );
  for (const { usualMinutes, limitMinutes } of Object.values(SUITES)) {
    assertEquals(limitMinutes >= 5 * usualMinutes, true);
  }
});

Deno.test("limitOf allows the long variants more, and yields to the variable", () => {
  const unit = SUITES["unit"]?.limitMinutes ?? 0;
  assertEquals(limitOf("unit", {}), unit);
  assertEquals(limitOf("unit", { SPACEOS_TEST_LIMIT: "" }), unit);
  assertEquals(limitOf("unit", { SPACEOS_TEST_LONG: "1" }), 10 * unit);
  assertEquals(limitOf("unit", { SPACEOS_TEST_LIMIT: "0.5" }), 0.5);
  assertEquals(limitOf("unit", { SPACEOS_TEST_LIMIT: "0" }), undefined);
  assertEquals((limitOf("a new one", {}) ?? 0) > 0, true);
  for (const wrong of ["soon", "-1", "1e3", "20001"]) {
    assertThrows(
      () => limitOf("unit", { SPACEOS_TEST_LIMIT: wrong }),
      ToolchainError,
      `SPACEOS_TEST_LIMIT is "${wrong}", expected minutes in 0..20000`,
    );
  }
});
