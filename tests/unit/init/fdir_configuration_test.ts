/** The configuration of FDIR: what is understood, and how mistakes are named. */
import { assertEquals } from "@std/assert";
import { DEFAULT_FDIR_POLICY } from "../../../lib/fdir/checks.ts";
import { parseFdirConfiguration } from "../../../lib/init/fdir_configuration.ts";
import { issueText } from "../../../lib/supervisor/schema.ts";

const issues = (text: string) =>
  parseFdirConfiguration("/etc/spaceos/fdir.json", text).issues.map((issue) =>
    issueText(issue).replace("/etc/spaceos/", "")
  );

Deno.test("an empty configuration is the default policy", () => {
  assertEquals(parseFdirConfiguration("f", "{}"), {
    policy: DEFAULT_FDIR_POLICY,
    issues: [],
  });
});

Deno.test("parseFdirConfiguration changes what is named, and nothing else", () => {
  const { policy, issues } = parseFdirConfiguration(
    "f",
    `{
      "safeModeAt": 5,
      "limits": { "clockStepMs": 500 },
      "checks": {
        "cgroup": { "response": "ISOLATE", "latching": true },
        "memory": { "bad": 2, "of": 5 }
      },
      "services": { "web": { "cgroup": { "response": "RESTART" }, "mappings": { "enabled": false } } }
    }`,
  );
  assertEquals(issues, []);
  const { checks, limits } = DEFAULT_FDIR_POLICY;
  assertEquals(policy.safeModeAt, 5);
  assertEquals(policy.degradeAt, 2);
  assertEquals(policy.limits, { ...limits, clockStepMs: 500 });
  assertEquals(policy.checks.cgroup, {
    ...checks.cgroup,
    response: "ISOLATE",
    latching: true,
  });
  assertEquals(policy.checks.memory, { ...checks.memory, bad: 2, of: 5 });
  assertEquals(policy.checks.files, checks.files);
  const web = policy.services.get("web");
  // A service's check is that of all, changed.
  assertEquals(web?.cgroup, {
    ...policy.checks.cgroup,
    response: "RESTART",
  });
  assertEquals(web?.mappings?.enabled, false);
});

Deno.test("parseFdirConfiguration names file, place, path, value and expectation of each mistake", () => {
  assertEquals(
    issues(
      '{ "degradeAt": 0,\n  "checks": { "cgroup": { "response": "PANIC" } },\n  "limits": { "x": 1 } }',
    ),
    [
      "fdir.json:1:16: error: $.degradeAt: expected a whole number from 1 to 1000, met 0",
      'fdir.json:2:39: error: $.checks.cgroup.response: expected one of COUNT, LOG, ISOLATE, RESTART, DEGRADE, SAFE_MODE, met "PANIC"',
      "fdir.json:3:15: error: $.limits.x: unknown key, expected one of memoryAvailablePercent, memoryPressurePercent, ioPressurePercent, cpuPressurePercent, correctedErrors, clockStepMs, met 1",
    ],
  );
  assertEquals(issues('{ "checks": { "cgroup": { "bad": 3 } } }'), [
    "fdir.json:1:34: error: $.checks.cgroup.bad: expected at most of, 1, met 3",
  ]);
  assertEquals(
    issues('{ "services": { "web": { "memory": {} } } }')[0]?.includes(
      "$.services.web.memory",
    ),
    true,
  );
  assertEquals(issues('{ "degradeAt": 4 }'), [
    "fdir.json:1:16: error: $.safeModeAt: expected at least degradeAt, 4, met 4",
  ]);
});

Deno.test("a configuration with a mistake is not in force at all, whatever it holds", () => {
  for (
    const text of [
      "",
      "[]",
      "null",
      "{",
      '{"a":{}}',
      '{ "safeModeAt": 1e99 }',
      '{ "services": { "A b": {} } }',
      '{ "__proto__": {} }',
      "x".repeat(100_000),
      '{"checks":'.repeat(40),
    ]
  ) {
    const { policy, issues } = parseFdirConfiguration("f", text);
    assertEquals(policy, DEFAULT_FDIR_POLICY, text.slice(0, 40));
    assertEquals(issues.length > 0, true, text.slice(0, 40));
  }
});
