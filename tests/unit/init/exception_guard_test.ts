import { assertEquals } from "@std/assert";
import { currentEnvironment } from "../../../rootfs/toolchain/environment.ts";

Deno.test("ExceptionGuard keeps a program alive through throws in every place", async () => {
  const { configArguments, variables } = currentEnvironment();
  const url = new URL("../../fixtures/exception_storm.ts", import.meta.url);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-lock", "--no-check"],
      ...configArguments,
      decodeURIComponent(url.pathname),
    ],
    env: variables,
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout)], [
    0,
    "Maximum call stack size exceeded; async; listener; microtask; no error object; rejection; timer\n",
  ]);
});
