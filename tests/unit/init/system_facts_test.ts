import { assertEquals } from "@std/assert";
import { parseLoad, parseMemoryFacts } from "../../../lib/init/system_facts.ts";

Deno.test("parseMemoryFacts gives 0 for what is not there or not a number", () => {
  const none = { totalKib: 0, availableKib: 0 };
  assertEquals(parseMemoryFacts(""), none);
  assertEquals(parseMemoryFacts("XMemTotal: 5 kB\nMemTotal: x kB\n"), none);
});

Deno.test("parseMemoryFacts and parseLoad read what this kernel writes", () => {
  const memory = parseMemoryFacts(Deno.readTextFileSync("/proc/meminfo"));
  assertEquals(memory.totalKib > memory.availableKib, true);
  assertEquals(memory.availableKib > 0, true);
  const text = Deno.readTextFileSync("/proc/loadavg");
  const [whole = "", hundredths = ""] = (text.split(" ")[0] ?? "").split(".");
  // A machine that is being stormed has more than the field can say.
  assertEquals(
    parseLoad(text),
    Math.min(Number(whole + hundredths), 0xffff),
  );
});

Deno.test("parseLoad stays within the field that carries it", () => {
  assertEquals(parseLoad("99999.00 1 1"), 0xffff);
  assertEquals(parseLoad("garbage"), 0);
});
