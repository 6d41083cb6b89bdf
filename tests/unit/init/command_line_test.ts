import { assertEquals } from "@std/assert";
import {
  diskCandidates,
  parseCommandLine,
  splitCommandLine,
} from "../../../lib/init/command_line.ts";

Deno.test("splitCommandLine keeps quoted blanks together and stops at --", () => {
  assertEquals(splitCommandLine(""), []);
  assertEquals(splitCommandLine("  a  b\tc\n"), ["a", "b", "c"]);
  assertEquals(splitCommandLine('x="1 2"3 ""'), ["x=1 23", ""]);
  assertEquals(splitCommandLine('a "unclosed b'), ["a", "unclosed b"]);
  assertEquals(splitCommandLine("a -- spaceos.safe"), ["a"]);
});

Deno.test("parseCommandLine gives defaults on an empty line", () => {
  assertEquals(parseCommandLine(""), {
    safeMode: false,
    logLevel: "info",
    servicesPath: "/etc/spaceos/services.d",
    watchdogTimeoutSeconds: 30,
    named: [],
    warnings: [],
  });
});

Deno.test("parseCommandLine takes the last word of a key", () => {
  const options = parseCommandLine(
    "spaceos.disk=/dev/vda spaceos.disk=/dev/vdb spaceos.safe spaceos.log=debug spaceos.services=/run/s spaceos.watchdog=0 spaceos.page=/a spaceos.page=ivshmem",
  );
  assertEquals(options, {
    diskPath: "/dev/vdb",
    pagePath: "ivshmem",
    safeMode: true,
    logLevel: "debug",
    servicesPath: "/run/s",
    watchdogTimeoutSeconds: 0,
    named: [
      "disk",
      "disk",
      "safe",
      "log",
      "services",
      "watchdog",
      "page",
      "page",
    ],
    warnings: [],
  });
  assertEquals(parseCommandLine("spaceos.safe spaceos.safe=0").safeMode, false);
});

Deno.test("parseCommandLine ignores other words and warns about its own that are wrong", () => {
  const wrong = [
    "spaceos.disk",
    "spaceos.disk=vda",
    "spaceos.safe=yes",
    "spaceos.log=loud",
    "spaceos.services=here",
    "spaceos.watchdog=-1",
    "spaceos.watchdog=3601",
    "spaceos.watchdog=1e3",
    "spaceos.page",
    "spaceos.page=page",
    "spaceos.disc=/dev/vda",
    "spaceos.__proto__=1",
    "spaceos.constructor",
    "spaceos.",
  ];
  const options = parseCommandLine(`quiet disk=1 ${wrong.join(" ")}`);
  assertEquals(options.warnings.length, wrong.length);
  for (const [index, word] of wrong.entries()) {
    assertEquals(
      options.warnings[index]?.startsWith(
        `kernel command line: "${word}" ignored: expected `,
      ),
      true,
      options.warnings[index],
    );
  }
  assertEquals({ ...options, warnings: [] }, parseCommandLine(""));
});

Deno.test("diskCandidates is the named disk alone, or the two usual ones", () => {
  assertEquals(diskCandidates(parseCommandLine("")), [
    "/dev/vda1",
    "/dev/vda",
  ]);
  assertEquals(
    diskCandidates(parseCommandLine("spaceos.disk=/dev/sda")),
    ["/dev/sda"],
  );
});
