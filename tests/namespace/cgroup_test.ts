import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInit } from "./namespace.ts";

Deno.test({
  name:
    "Cgroup holds, freezes, kills and forgets a service, and no fork gets out of it",
  ignore: Deno.uid() !== 0, // cgroup2 is mounted anew
  async fn() {
    const result = await runInit({ program: "cgroups.ts" });
    assertEquals(result.code, 0, result.errorText);
    const said: Record<string, unknown> = Object.assign({}, ...result.facts);
    assertEquals(said["refusedControllers"], ["no-such-controller"]);
    assertEquals(said["createdAgain"], []);
    assertEquals(said["emptyPopulated"], false);
    assertEquals(said["members"], 1);
    assertEquals(said["populated"], true);
    assertEquals(said["frozen"], true);
    assertEquals(said["thawed"], true);
    assertStringIncludes(`${said["removeBusy"]}`, "EBUSY");
    assertEquals(said["killed"], ["SIGKILL"]);
    assertEquals(said["outside"], 0, "a fork was left outside of its cgroup");
    assertEquals(said["stormOver"], 0);
    assertEquals(said["gone"], [false, false]);
  },
});
