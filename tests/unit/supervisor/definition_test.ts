import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  defineService,
  definitionJsonSchema,
  definitionReference,
  parseDefinition,
  policyOf,
} from "../../../lib/supervisor/definition.ts";
import {
  definitionFields,
  signalNames,
} from "../../../lib/supervisor/definition_fields.ts";
import {
  checkReport,
  loadDefinitions,
} from "../../../lib/supervisor/definition_set.ts";
import { nearestName } from "../../../lib/supervisor/nearest.ts";
import { issueText } from "../../../lib/supervisor/schema.ts";
import { defaultServicePolicy } from "../../../lib/supervisor/service_types.ts";

function issuesOf(value: unknown, file = "web.json"): string[] {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return parseDefinition(file, text).issues.map(issueText);
}

/** The one issue of a definition with these keys, without its place. */
function issueOf(keys: Record<string, unknown>): string {
  const issues = issuesOf({ command: ["/bin/web"], ...keys });
  assertEquals(issues.length, 1, JSON.stringify(issues));
  return (issues[0] ?? "").replace(/^web\.json:\d+:\d+: /, "");
}

Deno.test("parseDefinition fills in every default", () => {
  const { definition, issues } = parseDefinition(
    "/x/web.json",
    '{"command":["/bin/web","-v"]}',
  );
  assertEquals(issues, []);
  assertEquals(JSON.parse(JSON.stringify(definition)), {
    name: "web",
    description: "",
    command: ["/bin/web", "-v"],
    environment: {},
    workingDirectory: "/",
    type: "process",
    start: "boot",
    requires: [],
    wants: [],
    after: [],
    readiness: { kind: "spawned", fd: null, path: null, timeoutMs: 60000 },
    restart: "always",
    successCodes: [0],
    successSignals: [],
    backoff: {
      initialMs: 500,
      factor: 2,
      maximumMs: 60000,
      jitter: 0.1,
      resetAfterMs: 60000,
    },
    restartLimit: { maximum: 10, windowMs: 600000 },
    health: { watchdogMs: null },
    stop: { signal: "SIGTERM", timeoutMs: 10000, scope: "group" },
    user: null,
    group: null,
    supplementaryGroups: null,
    ambientCapabilities: [],
    noNewPrivileges: true,
    limits: {},
    nice: 0,
    oomScoreAdjust: 0,
    umask: 0o022,
    cgroup: {
      memoryMaxBytes: null,
      memoryHighBytes: null,
      cpuWeight: null,
      pidsMaximum: null,
    },
    stdin: "null",
    stdout: "log",
    stderr: "log",
    critical: false,
    safeMode: false,
    pre: [],
    post: [],
  });
});

Deno.test("parseDefinition takes every key at once", () => {
  const written = {
    $schema: "./service.schema.json",
    description: "the web",
    command: ["/bin/web"],
    environment: { HOME: "/var/web", EMPTY: "" },
    workingDirectory: "/var/web",
    type: "process",
    start: "demand",
    requires: ["db"],
    wants: ["cache.1"],
    after: ["net_up"],
    readiness: { kind: "notify-fd", fd: 3, timeoutMs: 5000 },
    restart: "on-failure",
    successCodes: [0, 7],
    successSignals: ["SIGTERM"],
    backoff: {
      initialMs: 10,
      factor: 1.5,
      maximumMs: 100,
      jitter: 0,
      resetAfterMs: 1000,
    },
    restartLimit: { maximum: null, windowMs: 1000 },
    health: { watchdogMs: 2000 },
    stop: { signal: "SIGINT", timeoutMs: 0, scope: "cgroup" },
    user: "www-data",
    group: 33,
    supplementaryGroups: ["disk", 100],
    ambientCapabilities: ["CAP_NET_BIND_SERVICE"],
    noNewPrivileges: false,
    limits: {
      nofile: 1024,
      core: "unlimited",
      nproc: { soft: 5, hard: "unlimited" },
    },
    nice: -5,
    oomScoreAdjust: -900,
    umask: "077",
    cgroup: {
      memoryMaxBytes: 67108864,
      memoryHighBytes: 4096,
      cpuWeight: 50,
      pidsMaximum: 9,
    },
    stdin: "console",
    stdout: "null",
    stderr: "console",
    critical: true,
    safeMode: true,
    pre: [["/bin/a"], ["/bin/b", "c"]],
    post: [["/bin/d"]],
  };
  assertEquals(
    Object.keys(written).sort(),
    Object.keys(definitionFields).sort(),
  );
  const { definition, issues } = parseDefinition(
    "web.json",
    JSON.stringify(written),
  );
  assertEquals(issues.map(issueText), []);
  const { $schema: _, ...rest } = written;
  assertEquals(JSON.parse(JSON.stringify(definition)), {
    ...rest,
    name: "web",
    umask: 0o77,
    readiness: { ...written.readiness, path: null },
    limits: {
      nofile: { soft: 1024, hard: 1024 },
      core: { soft: null, hard: null },
      nproc: { soft: 5, hard: null },
    },
  });
});

Deno.test("parseDefinition gives a oneshot its own defaults", () => {
  const { definition } = parseDefinition(
    "a.json",
    '{"command":["/a"],"type":"oneshot"}',
  );
  assertEquals(definition?.restart, "never");
  assertEquals(definition?.readiness.kind, "exit");
});

Deno.test("parseDefinition reports every mistake of a file, each with its place", () => {
  assertEquals(
    issuesOf(`{
  "command": "/bin/web",
  "restart": "allways",
  "nice": 20.5,
  "readiness": { "kind": "sd_notify", "timeout": 5 },
  "requires": ["DB", "a", "a"],
  "umask": 18
}`),
    [
      'web.json:2:14: error: $.command: expected an array of 1 to 1024 values, each a text of at most 32768 characters, without NUL, met "/bin/web"',
      'web.json:3:14: error: $.restart: expected one of always, on-failure, never (did you mean "always"?), met "allways"',
      "web.json:4:11: error: $.nice: expected a whole number from -20 to 19, met 20.5",
      'web.json:5:26: error: $.readiness.kind: expected one of spawned, exit, notify-fd, sd-notify, path (did you mean "sd-notify"?), met "sd_notify"',
      'web.json:5:39: error: $.readiness.timeout: unknown key, expected a known one (did you mean "timeoutMs"?), met 5',
      'web.json:6:16: error: $.requires[0]: expected a service name: 1 to 64 of a-z 0-9 _ . -, beginning with a letter or digit, met "DB"',
      'web.json:6:27: error: $.requires[2]: expected each value only once, met "a"',
      'web.json:7:12: error: $.umask: expected an octal mask in quotes, such as "0022", met 18',
    ],
  );
});

Deno.test("parseDefinition reports a syntax error with line and column", () => {
  assertEquals(issuesOf('{\n  "command": ["/bin/web"],\n}'), [
    'web.json:3:1: error: not JSON: expected a key in double quotes, met "}"',
  ]);
});

Deno.test("parseDefinition checks each key's value", () => {
  const table: [Record<string, unknown>, string][] = [
    [{ command: [] }, "$.command: expected an array of 1 to 1024"],
    [
      { command: ["web"] },
      "$.command[0]: expected the program's absolute path",
    ],
    [{ command: ["/a", "b\0c"] }, "$.command[1]: expected a text"],
    [{ pre: [["sh"]] }, "$.pre[0][0]: expected the program's absolute path"],
    [{ post: [[]] }, "$.post[0]: expected an array of 1"],
    [
      { environment: { "A=B": "" } },
      '$.environment["A=B"]: expected a variable\'s name',
    ],
    [{ environment: { A: 1 } }, "$.environment.A: expected a text"],
    [
      { workingDirectory: "tmp" },
      "$.workingDirectory: expected an absolute path",
    ],
    [{ type: "forking" }, "$.type: expected one of process, oneshot"],
    [
      { type: "oneshot", restart: "always" },
      "$.restart: expected on-failure or never",
    ],
    [
      { type: "oneshot", readiness: { kind: "spawned" } },
      "$.readiness.kind: expected exit",
    ],
    [
      { type: "oneshot", health: { watchdogMs: 500 } },
      "$.health.watchdogMs: expected null",
    ],
    [{
      readiness: { kind: "exit" },
      stop: { scope: "cgroup" },
      health: { watchdogMs: 500 },
    }, "$.health.watchdogMs: expected null"],
    [{ start: "shutdown" }, "$.start: expected boot or demand"],
    [{ readiness: { kind: "exit" } }, "$.stop.scope: expected cgroup"],
    [
      { readiness: { kind: "notify-fd" } },
      "$.readiness.fd: expected a descriptor number",
    ],
    [
      { readiness: { kind: "notify-fd", fd: 2 } },
      "$.readiness.fd: expected a whole number from 3",
    ],
    [{ readiness: { fd: 3 } }, "$.readiness.fd: expected null"],
    [
      { readiness: { kind: "path" } },
      "$.readiness.path: expected an absolute path",
    ],
    [
      { readiness: { kind: "spawned", path: "/a" } },
      "$.readiness.path: expected null",
    ],
    [
      { readiness: { timeoutMs: 0 } },
      "$.readiness.timeoutMs: expected a whole number from 1",
    ],
    [
      { successCodes: [256] },
      "$.successCodes[0]: expected a whole number from 0 to 255",
    ],
    [
      { successSignals: ["TERM"] },
      "$.successSignals[0]: expected a name such as SIGHUP",
    ],
    [
      { backoff: { factor: 0.5 } },
      "$.backoff.factor: expected a number from 1 to 100",
    ],
    [
      { backoff: { initialMs: 90_000 } },
      "$.backoff.maximumMs: expected at least initialMs, 90000",
    ],
    [
      { restartLimit: { maximum: 1001 } },
      "$.restartLimit.maximum: expected a whole number",
    ],
    [{ stop: { signal: "SIGTREM" } }, '(did you mean "SIGTERM"?)'],
    [
      { stop: { scope: "all" } },
      "$.stop.scope: expected one of process, group, cgroup",
    ],
    [{ user: -1 }, "$.user: expected a whole number from 0 to 4294967294"],
    [{ user: true }, "$.user: expected the name of a user, or a whole number"],
    [{ user: "a b" }, '$.user: expected the name of a user, met "a b"'],
    [
      { ambientCapabilities: ["CAP_FLY"] },
      "$.ambientCapabilities[0]: expected a name such as",
    ],
    [{ limits: { files: 3 } }, "$.limits.files: expected a name such as as"],
    [
      { limits: { nofile: -1 } },
      "$.limits.nofile: expected a whole number from 0",
    ],
    [
      { limits: { nofile: { soft: 9, hard: 8 } } },
      "$.limits.nofile.soft: expected at most the hard",
    ],
    [
      { limits: { nofile: { soft: "unlimited", hard: 8 } } },
      "$.limits.nofile.soft: expected at most",
    ],
    [
      { limits: { nofile: { soft: 9 } } },
      "$.limits.nofile.hard: the key is required",
    ],
    [{ umask: "0888" }, "$.umask: expected an octal mask"],
    [
      { cgroup: { memoryMaxBytes: 8192, memoryHighBytes: 9000 } },
      "expected at most memoryMaxBytes",
    ],
    [
      { cgroup: { cpuWeight: 0 } },
      "$.cgroup.cpuWeight: expected a whole number from 1 to 10000",
    ],
    [{ stdin: "log" }, "$.stdin: expected one of null, console"],
    [{ critical: 1 }, "$.critical: expected true or false, met 1"],
    [
      { critical: true, restart: "never" },
      "warning: $.critical: a critical service that is never",
    ],
  ];
  for (const [keys, expected] of table) {
    assertStringIncludes(issueOf(keys), expected);
  }
});

Deno.test("parseDefinition takes no key of Object.prototype for a known one", () => {
  for (const key of ["__proto__", "constructor", "toString"]) {
    assertStringIncludes(
      issuesOf(`{"command":["/a"],"${key}":{}}`)[0] ?? "",
      `$.${key}: unknown key`,
    );
  }
});

Deno.test("parseDefinition checks the file's name", () => {
  for (
    const file of [
      "Web.json",
      ".json",
      "web.txt",
      "-a.json",
      `${"a".repeat(65)}.json`,
    ]
  ) {
    assertStringIncludes(
      issuesOf('{"command":["/a"]}', file)[0] ?? "",
      "expected a file name",
    );
  }
  assertEquals(
    issuesOf('{"command":["/a"]}', `/etc/x/${"a".repeat(64)}.json`),
    [],
  );
});

Deno.test("parseDefinition bounds the file and the number of issues", () => {
  assertStringIncludes(
    issuesOf(" ".repeat(70_000))[0] ?? "",
    "expected at most 65536 bytes",
  );
  const many = Object.fromEntries(
    Array.from({ length: 500 }, (_, n) => [`k${n}`, 0]),
  );
  assertEquals(issuesOf(many).length, 100);
});

Deno.test("parseDefinition throws on no file, however mutated", () => {
  const text =
    '{"command":["/a"],"readiness":{"kind":"path","path":"/b"},"limits":{"nofile":1}}';
  let seed = 3;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed >>> 9) % below;
  };
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    "null",
    "1e99",
    "-1",
    "\u0000",
    '"kind"',
    "\ud800",
  ];
  for (let round = 0; round < 5000; round++) {
    const at = random(text.length);
    const mutated = text.slice(0, at) + pieces[random(pieces.length)] +
      text.slice(at + random(6));
    const { definition, issues } = parseDefinition("a.json", mutated);
    assert(
      (definition === null) ===
        issues.some((issue) => issue.severity === "error"),
    );
  }
});

Deno.test("defineService gives the defaults of the type, and what differs", () => {
  const service = defineService("a", { command: ["/a"], restart: "never" });
  assertEquals(service.name, "a");
  assertEquals(service.restart, "never");
  assertEquals(
    policyOf(defineService("a", { command: ["/a"] })),
    defaultServicePolicy,
  );
});

Deno.test("definitionJsonSchema describes every key with its default", () => {
  const schema = definitionJsonSchema() as {
    properties: Record<string, { description: string; default?: unknown }>;
  };
  assertEquals(Object.keys(schema.properties), Object.keys(definitionFields));
  for (const [key, property] of Object.entries(schema.properties)) {
    assert(property.description.length > 10, key);
    assertEquals("default" in property, key !== "command", key);
  }
  JSON.stringify(schema);
});

Deno.test("definitionReference has a row of four cells for every key", () => {
  const rows = definitionReference().trimEnd().split("\n");
  for (const row of rows) assertEquals(row.split("|").length, 6, row);
  for (const key of Object.keys(definitionFields).slice(1)) {
    assert(rows.some((row) => row.startsWith(`| \`${key}\` |`)), key);
  }
});

Deno.test("signalNames are in the order of their numbers", () => {
  assertEquals(signalNames.length, 31);
  assertEquals([1, 9, 15, 17, 31].map((number) => signalNames[number - 1]), [
    "SIGHUP",
    "SIGKILL",
    "SIGTERM",
    "SIGCHLD",
    "SIGSYS",
  ]);
});

Deno.test("nearestName finds inserts, losses, replacements and swaps, and nothing far", () => {
  const names = ["command", "critical", "cgroup", "nice"];
  for (const word of ["comand", "commmand", "cimmand", "commadn", "COMMAND"]) {
    assertEquals(nearestName(word, names), "command", word);
  }
  assertEquals(nearestName("wants", names), null);
  assertEquals(nearestName("", names), null);
  assertEquals(nearestName("x".repeat(100_000), names), null);
});

Deno.test("loadDefinitions reports what only shows in company, with its place", () => {
  const set = loadDefinitions([
    {
      file: "d/web.json",
      text:
        '{"command":["/w"],\n"requires":["bd"],"wants":["gone"],"after":["far"]}',
    },
    { file: "d/db.json", text: '{"command":["/d"],"requires":["log"]}' },
    {
      file: "d/log.json",
      text: '{"command":["/l"],"after":["db"],"safeMode":true}',
    },
    {
      file: "d/rescue.json",
      text: '{"command":["/r"],"safeMode":true,"requires":["log","db"]}',
    },
    { file: "e/db.json", text: '{"command":["/d"]}' },
    { file: "d/bad.json", text: "{}" },
  ]);
  assertEquals(set.definitions.map((definition) => definition.name), [
    "db",
    "log",
    "rescue",
    "web",
  ]);
  assertEquals(checkReport(set), {
    text: [
      "d/bad.json:1:1: error: $.command: the key is required; expected an array of 1 to 1024 values, each a text of at most 32768 characters, without NUL, met nothing",
      "e/db.json: error: db is defined already, in d/db.json",
      'd/web.json:2:13: error: $.requires[0]: no definition has this name (did you mean "db"?), met "bd"',
      'd/web.json:2:28: warning: $.wants[0]: no definition has this name, met "gone"',
      'd/web.json:2:45: warning: $.after[0]: no definition has this name, met "far"',
      "d/db.json: error: dependency cycle: db -> log -> db",
      'd/rescue.json:1:53: warning: $.requires[1]: a service of safe mode requires one that is not; safe mode will run that one, too, met "db"',
      "4 services, 4 errors, 3 warnings",
      "",
    ].join("\n"),
    exitCode: 1,
  });
});

Deno.test("loadDefinitions bounds the number of services", () => {
  const files = Array.from(
    { length: 1025 },
    (_, n) => ({ file: `s${n}.json`, text: '{"command":["/a"]}' }),
  );
  const set = loadDefinitions(files);
  assertEquals(set.definitions.length, 1024);
  assertEquals(set.issues.length, 1);
});

Deno.test("loadDefinitions finds nothing wrong with the services of the image", () => {
  const folder = new URL(
    "../../../rootfs/overlay/etc/spaceos/services.d/",
    import.meta.url,
  );
  const files = [...Deno.readDirSync(folder)].map(({ name }) => ({
    file: name,
    text: Deno.readTextFileSync(new URL(name, folder)),
  }));
  assert(files.length > 0);
  assertEquals(loadDefinitions(files).issues.map(issueText), []);
});
