/**
 * Every file that somebody else writes: service definitions, OCI bundles, the
 * switch's configuration, users and groups. Texts are made from the tables that
 * the checks are made of, so that most are nearly right and reach the rules
 * behind the shapes; then some are broken. Nothing may throw, every mistake has
 * a place in the text, and what is taken keeps the rules.
 */
import { assert, assertEquals } from "@std/assert";
import {
  readSwitchConfig,
  SWITCH_CONFIG_FIELDS,
} from "../../../cmd/spaceosctl/switch_config.ts";
import { FrameSwitch } from "../../../lib/host/switch.ts";
import { parseGroups, parseUsers } from "../../../lib/linux/user_database.ts";
import {
  maximumDefinitionBytes,
  parseDefinition,
} from "../../../lib/supervisor/definition.ts";
import { definitionFields } from "../../../lib/supervisor/definition_fields.ts";
import {
  checkReport,
  loadDefinitions,
} from "../../../lib/supervisor/definition_set.ts";
import { graphText, startLevels } from "../../../lib/supervisor/graph.ts";
import {
  JsonSyntaxError,
  jsonValue,
  parseJson,
} from "../../../lib/supervisor/json.ts";
import { ociServices } from "../../../lib/supervisor/oci_bundle.ts";
import {
  type Fields,
  type Issue,
  issueText,
  maximumIssues,
  type Shape,
} from "../../../lib/supervisor/schema.ts";
import {
  createSupervisor,
  stepSupervisor,
} from "../../../lib/supervisor/supervisor.ts";
import type { Random } from "../random.ts";
import { fuzz, LIMITS, mutateText, shrinkText, type Target } from "./fuzz.ts";

/** Texts that mean something somewhere. */
const WORDS: readonly string[] = [
  "/bin/a",
  "/",
  "a",
  "b",
  "c",
  "SIGTERM",
  "SIGKILL",
  "root",
  "CAP_NET_ADMIN",
  "READY",
  "0600",
  "0x010..0x01F",
  "0x020",
  "0x7FF..0x001",
  "x=y",
  "1.2.3",
];

/** A value of a shape, or nearly. */
function drawShape(random: Random, shape: Shape, depth = 0): unknown {
  if (random.chance(1, 150) || depth > 8) return drawAnything(random);
  switch (shape.kind) {
    case "boolean":
      return random.chance(1, 2);
    case "integer":
    case "number": {
      const edge = random.pick([
        shape.minimum,
        shape.maximum,
        shape.minimum - 1,
        shape.maximum + 1,
        0,
      ]);
      return random.chance(1, 4)
        ? edge
        : shape.minimum + random.below(Math.min(100, shape.maximum) + 1);
    }
    case "string": {
      const fitting = WORDS.filter((word) => shape.pattern?.test(word) ?? true);
      return random.pick(fitting.length > 0 ? fitting : WORDS);
    }
    case "enumeration":
      return random.pick([...shape.words.keys()]);
    case "array": {
      const count = (shape.minimumItems ?? 0) + random.below(3);
      return Array.from(
        { length: count },
        () => drawShape(random, shape.items, depth + 1),
      );
    }
    case "map":
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [
          String(drawShape(random, shape.keys, depth + 1)),
          drawShape(random, shape.values, depth + 1),
        ]),
      );
    case "object":
      return drawFields(random, shape.fields, depth + 1);
    case "nullable":
      return random.chance(1, 3) ? null : drawShape(random, shape.of, depth);
    case "either":
      return drawShape(random, random.pick(shape.of), depth);
  }
}

/** An object of some of the keys: those that are required, mostly. */
function drawFields(
  random: Random,
  fields: Fields,
  depth = 0,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    const isNeeded = !("fallback" in field);
    if (!random.chance(isNeeded ? 39 : 4, 40)) continue;
    result[key] = drawShape(random, field.shape, depth);
  }
  return result;
}

function drawAnything(random: Random): unknown {
  return random.pick<unknown>([
    null,
    true,
    0,
    -1,
    1e300,
    0.5,
    "",
    "\0",
    [],
    {},
    [[]],
    { a: 1 },
    "x".repeat(200),
  ]);
}

const DICTIONARY: readonly string[] = [
  ...Object.keys(definitionFields).map((key) => `"${key}":`),
  ...'{ } [ ] , : null true 1e9 "a" /* // \\u0000 \\uD800'.split(" "),
  "[".repeat(40),
];

/** A file of some fields, as text, broken or not. */
function drawFile(random: Random, fields: Fields): string {
  const text = JSON.stringify(
    drawFields(random, fields),
    null,
    random.pick([0, 2]),
  );
  return random.chance(1, 2) ? text : mutateText(random, text, DICTIONARY);
}

const texts = (
  name: string,
  draw: (random: Random) => string,
  check: (text: string) => void,
): Target<string> => ({
  name,
  draw,
  check,
  shrink: shrinkText,
  show: JSON.stringify,
});

/** Each issue is bounded, has words, and stands in the text. */
function checkIssues(issues: readonly Issue[], text: string): void {
  assert(issues.length <= maximumIssues + 1);
  const lines = text.split(/\r\n|\r|\n/);
  for (const issue of issues) {
    assert(issue.expectation.length > 0);
    assert(issueText(issue).length < 10_000, "a line that nobody reads");
    if (issue.position === null) continue;
    const { line, column } = issue.position;
    assert(line >= 1 && line <= lines.length, `line ${line}`);
    assert(column >= 1 && column <= text.length + 1, `column ${column}`);
  }
}

Deno.test("JSON is read as JSON.parse reads it, or refused with a place", () => {
  let taken = 0;
  fuzz(texts(
    "JSON",
    (random) => drawFile(random, definitionFields),
    (text) => {
      let mine: unknown;
      try {
        mine = jsonValue(parseJson(text));
      } catch (error) {
        assert(error instanceof JsonSyntaxError);
        assert(error.position.line >= 1 && error.position.column >= 1);
        return;
      }
      taken++;
      assertEquals(JSON.stringify(mine), JSON.stringify(JSON.parse(text)));
    },
  ));
  assert(taken > 0);
});

Deno.test("a definition is taken whole or refused with its mistakes, and can be run", () => {
  let taken = 0;
  fuzz(texts(
    "definitions",
    (random) => drawFile(random, definitionFields),
    (text) => {
      const { definition, issues } = parseDefinition("web.json", text);
      checkIssues(issues, text);
      const hasError = issues.some(({ severity }) => severity === "error");
      assertEquals(definition === null, hasError);
      const set = loadDefinitions([{ file: "web.json", text }]);
      checkReport(set);
      graphText(set.graph);
      startLevels(set.graph);
      if (definition === null) return;
      taken++;
      assert(definition.command.every((word) => !word.includes("\0")));
      // The machine takes it: it starts, and goes down again.
      let state = createSupervisor(set.definitions);
      const kinds = ["start-all", "tick", "shutdown", "tick"] as const;
      for (const [index, kind] of kinds.entries()) {
        state = stepSupervisor(state, { kind }, index * 1000, 0.5).state;
      }
    },
  ));
  assert(taken > 0);
});

Deno.test("definitions that name each other are checked together, whatever the graph", () => {
  fuzz(texts(
    "definition sets",
    (random) => {
      const files = Array.from({ length: random.below(7) }, (_, index) => {
        const names = () =>
          Array.from(
            { length: random.below(3) },
            () => random.pick("abcdefgz".split("")),
          );
        return [
          `${"abcdefg"[index]}.json`,
          {
            command: ["/bin/a"],
            requires: names(),
            after: names(),
            wants: names(),
            conflicts: names(),
            safeMode: random.chance(1, 3),
          },
        ];
      });
      return mutateText(random, JSON.stringify(files), ['"a"', '"b"']);
    },
    (text) => {
      let files: unknown;
      try {
        files = JSON.parse(text);
      } catch {
        return;
      }
      if (!Array.isArray(files)) return;
      const set = loadDefinitions(
        files.filter((file) => Array.isArray(file)).map((file) => ({
          file: String(file[0]),
          text: JSON.stringify(file[1]) ?? "",
        })),
      );
      graphText(set.graph);
      const started = startLevels(set.graph).flat();
      assertEquals(new Set(started).size, started.length);
      checkReport(set);
    },
  ));
});

Deno.test("a file that is too long or too deep is refused before it costs anything", () => {
  for (
    const text of [
      "[".repeat(maximumDefinitionBytes),
      `{"command":${"[".repeat(60_000)}`,
      `"${"x".repeat(maximumDefinitionBytes)}`,
      " ".repeat(10_000_000),
      `{${'"a":1,'.repeat(10_000)}`,
    ]
  ) {
    const { definition, issues } = parseDefinition("web.json", text);
    assertEquals(definition, null);
    checkIssues(issues, text);
  }
});

/** The shape of the parts of an OCI configuration that are looked at. */
const ociFields: Fields = (() => {
  const text: Shape = { kind: "string", expectation: "", maximumLength: 99 };
  const list: Shape = { kind: "array", items: text, maximumItems: 9 };
  const field = (shape: Shape) => ({ description: "", shape });
  return {
    ociVersion: field(text),
    process: field({
      kind: "object",
      fields: { args: field(list), cwd: field(text), env: field(list) },
    }),
    root: field({
      kind: "object",
      fields: { path: field(text), readonly: field({ kind: "boolean" }) },
    }),
    mounts: field({
      kind: "array",
      maximumItems: 9,
      items: {
        kind: "object",
        fields: {
          destination: field(text),
          type: field(text),
          source: field(text),
          options: field(list),
        },
      },
    }),
    mkdir: field(list),
    bindNS: field({ kind: "object", fields: { net: field(text) } }),
    namespace: field(text),
  };
})();

Deno.test("an OCI bundle becomes a service or mistakes, whatever its files say", () => {
  for (const stage of ["onboot", "services", "onshutdown"] as const) {
    fuzz(
      texts(
        `OCI ${stage}`,
        (random) => drawFile(random, ociFields),
        (text) => {
          for (const runtimeConfig of [null, text]) {
            const { definitions, issues } = ociServices([{
              stage,
              path: "/containers/services/web",
              config: text,
              runtimeConfig,
              hasLower: true,
            }], { command: "/usr/bin/runc", noPivot: false });
            assert(definitions.length <= 1);
            checkIssues(issues, text);
          }
        },
      ),
      { ...LIMITS, cases: LIMITS.cases / 2 },
    );
  }
});

Deno.test("a switch's configuration is a plan that works, or mistakes with their places", () => {
  const database = { users: [], groups: [] };
  let taken = 0;
  fuzz(texts(
    "switch configuration",
    (random) => drawFile(random, SWITCH_CONFIG_FIELDS),
    (text) => {
      const sink = { file: "switch.json", issues: [] as Issue[] };
      const config = readSwitchConfig(text, sink, database);
      checkIssues(sink.issues, text);
      assertEquals(config === null, sink.issues.length > 0);
      if (config === null) return;
      taken++;
      new FrameSwitch(config.plan);
      for (const { mode } of Object.values(config.sockets)) {
        assert(mode !== undefined && mode <= 0o777);
      }
    },
  ));
  assert(taken > 0);
});

Deno.test("users and groups are read from any text, and no line becomes root by mistake", () => {
  fuzz(texts(
    "passwd",
    (random) =>
      mutateText(
        random,
        "root:x:0:0:root:/root:/bin/sh\ncamera:x:900:901::/:\nvideo:x:44:camera,a\n",
        [":", "\n", "0", "-1", "4294967296", "0x0", "00", " 0"],
      ),
    (text) => {
      for (const { userId, groupId } of parseUsers(text)) {
        for (const id of [userId, groupId]) {
          assert(Number.isInteger(id) && id >= 0 && id < 2 ** 32, `${id}`);
        }
      }
      for (const { groupId } of parseGroups(text)) {
        assert(Number.isInteger(groupId) && groupId >= 0, `${groupId}`);
      }
    },
  ));
});
