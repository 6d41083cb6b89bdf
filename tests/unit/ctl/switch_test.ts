import { assert, assertEquals } from "@std/assert";
import {
  parseSwitchArguments,
  runSwitch,
  SWITCH_EXAMPLE,
} from "../../../cmd/spaceosctl/switch.ts";
import { readSwitchConfig } from "../../../cmd/spaceosctl/switch_config.ts";
import { close, read, write } from "../../../lib/linux/file.ts";
import { connectStream } from "../../../lib/linux/socket.ts";
import { type IssueSink, issueText } from "../../../lib/supervisor/schema.ts";
import { encodeFrame, FrameType } from "../../../lib/wire/frame.ts";

const database = {
  users: [{ name: "eye", userId: 900, groupId: 901, home: "/", shell: "" }],
  groups: [{ name: "video", groupId: 44, members: [] }],
};

function readText(text: string) {
  const sink: IssueSink = { file: "switch.json", issues: [] };
  const config = readSwitchConfig(text, sink, database);
  return { config, lines: sink.issues.map(issueText) };
}

/** A configuration with one tenant, and other values. */
const withTenant = (tenant: unknown, rest: object = {}) =>
  JSON.stringify({ directory: "/run/s", tenants: { a: tenant }, ...rest });

Deno.test("the documented example is a configuration", () => {
  const { config, lines } = readText(SWITCH_EXAMPLE);
  assertEquals(lines, []);
  assertEquals(config?.plan.tenants.map(({ name, apids }) => [name, apids]), [
    ["camera", { first: 0x10, last: 0x1F }],
    ["processor", { first: 0x20, last: 0x2F }],
  ]);
  assertEquals(config?.plan.uplink?.apids, [{ first: 1, last: 15 }]);
  assertEquals(config?.sockets["camera"], { mode: 0o600 });
});

Deno.test("names and permissions become what the kernel wants", () => {
  const { config, lines } = readText(withTenant({
    apids: "16",
    mode: "0660",
    user: "eye",
    group: "video",
  }));
  assertEquals(lines, []);
  assertEquals(config?.sockets["a"], {
    mode: 0o660,
    userId: 900,
    groupId: 44,
  });
  assertEquals(config?.uplinkPath, null);
});

Deno.test("a mistake is told with its place, its path, what was met and what was expected", () => {
  const cases: [string, string][] = [
    ["[]", "switch.json:1:1: error: $: expected an object, met []"],
    ["{", "not JSON"],
    [withTenant({}), "$.tenants.a.apids: the key is required; expected ids"],
    [
      withTenant({ apids: "0x010", sendto: [] }),
      '$.tenants.a.sendto: unknown key, expected a known one (did you mean "sendTo"?), met []',
    ],
    [
      withTenant({ apids: "0x01F..0x010" }),
      '$.tenants.a.apids: expected ids such as "0x010..0x01F", from lower to higher, each 0x000..0x7FF, met "0x01F..0x010"',
    ],
    [
      withTenant({ apids: "0x000" }),
      `$.tenants.a.apids: expected ids in 0x010..0x7FF, since those before it are the system's, met "0x000"`,
    ],
    [
      withTenant({ apids: "0x010", sendTo: ["0x020", "0x900"] }),
      "$.tenants.a.sendTo[1]: expected ids such as",
    ],
    [
      withTenant({ apids: "0x010", mode: "0888" }),
      "$.tenants.a.mode: expected permissions in octal",
    ],
    [
      withTenant({ apids: "0x010", user: "nobody here" }),
      '$.tenants.a.user: expected a user of this machine, met "nobody here"',
    ],
    [
      withTenant({ apids: "0x010" }, { directory: "run" }),
      '$.directory: expected an absolute path of at most 107 bytes, met "run"',
    ],
    [
      withTenant({ apids: "0x010" }, { directory: `/${"d".repeat(101)}` }),
      '$.directory: expected a folder in which "a.sock" has a path of at most 107 bytes',
    ],
    [
      withTenant({ apids: "0x010" }, {
        uplink: { socket: "/run/vm", apids: ["0x00F..0x010"] },
      }),
      '$.uplink.apids[0]: expected ids of its own; a has 0x010 already, met "0x00F..0x010"',
    ],
  ];
  for (const [text, expected] of cases) {
    const { config, lines } = readText(text);
    assertEquals(config, null, text);
    assert(
      lines.some((line) => line.includes(expected)),
      `${text}: ${lines.join("\n")}`,
    );
  }
  const overlapping = readText(`{
  "directory": "/run/s",
  "tenants": {
    "camera": { "apids": "0x010..0x01F" },
    "processor": { "apids": "0x01F..0x02F" }
  }
}`);
  assertEquals(overlapping.lines, [
    'switch.json:5:29: error: $.tenants.processor.apids: expected ids of its own; camera has 0x010..0x01F already, met "0x01F..0x02F"',
  ]);
});

Deno.test("the command line is read strictly", () => {
  assertEquals(parseSwitchArguments(["run", "--config", "f", "-v"]), {
    action: "run",
    configPath: "f",
    isVerbose: true,
  });
  assertEquals(parseSwitchArguments(["run", "--help"]), "help");
  for (
    const args of [
      [],
      ["walk"],
      ["run"],
      ["run", "--config"],
      ["run", "--config="],
      ["run", "f"],
      ["run", "--config=f", "--config", "g"],
      ["example", "x"],
    ]
  ) {
    const parsed = parseSwitchArguments(args);
    assert(typeof parsed === "object" && "usage" in parsed, args.join(" "));
  }
});

Deno.test("the command runs a switch until a signal ends it, and says how it failed", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "switch-command-" });
  const config = `${folder}/switch.json`;
  Deno.writeTextFileSync(
    config,
    SWITCH_EXAMPLE.replaceAll("/run/", `${folder}/`),
  );
  const ended = runSwitch(["run", "--config", config]);
  const path = (name: string) => `${folder}/spaceos-switch/${name}.sock`;
  const camera = connectStream(path("camera"));
  const processor = connectStream(path("processor"));
  const bytes = encodeFrame({
    type: FrameType.TM,
    apid: 0x10,
    destinationApid: 0x20,
    payload: Uint8Array.of(1),
  });
  // Refused until the other is there, too; then it arrives.
  const buffer = new Uint8Array(256);
  while (read(processor, buffer) !== 256) {
    write(camera, bytes);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals(buffer, bytes);
  assertEquals(await runSwitch(["run", "--config", config]), 3);
  Deno.kill(Deno.pid, "SIGUSR1");
  Deno.kill(Deno.pid, "SIGTERM");
  assertEquals(await ended, 0);
  close(camera);
  close(processor);
  assertEquals([...Deno.readDirSync(`${folder}/spaceos-switch`)], []);
  assertEquals(await runSwitch(["check", "--config", config]), 0);
  assertEquals(await runSwitch(["check", "--config", "/dev/zero"]), 3);
  Deno.writeTextFileSync(config, "{}");
  assertEquals(await runSwitch(["check", "--config", config]), 2);
  assertEquals(await runSwitch(["check"]), 64);
  Deno.removeSync(folder, { recursive: true });
});
