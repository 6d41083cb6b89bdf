/**
 * What this project relies on in @std/cli; see std_assert_test.ts.
 */
import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

Deno.test("parseArgs reads long options, values and positional arguments", () => {
  const args = parseArgs([
    "--name=a b",
    "--size",
    "12",
    "file",
    "7",
    "--verbose",
  ]);
  assertEquals(args, {
    _: ["file", 7],
    name: "a b",
    size: 12,
    verbose: true,
  });
});

Deno.test("parseArgs keeps booleans apart from what follows", () => {
  const args = parseArgs(["--json", "file", "--force=false"], {
    boolean: ["json", "force", "follow"],
  });
  const json: boolean = args.json;
  assertEquals(json, true);
  assertEquals(args.force, false);
  assertEquals(args.follow, false);
  assertEquals(args._, ["file"]);
});

Deno.test("parseArgs keeps string options as text and leaves absent ones out", () => {
  const args = parseArgs(["--id", "007", "--empty", "--other=1"], {
    string: ["id", "empty", "absent"],
  });
  const id: string | undefined = args.id;
  assertEquals(id, "007");
  assertEquals(args.empty, "");
  assertEquals(args.absent, undefined);
});

Deno.test("parseArgs keeps positional arguments as text when _ is a string option", () => {
  const args: { _: unknown } = parseArgs(["007"], { string: ["_"] });
  assertEquals(args._, ["007"]);
});

Deno.test("parseArgs collects repeated options in order, and the last one wins elsewhere", () => {
  const args = parseArgs(["--add", "a", "--add=b", "--one=1", "--one=2"], {
    string: ["add", "one", "none"],
    collect: ["add", "none"],
  });
  const add: string[] = args.add;
  assertEquals(add, ["a", "b"]);
  assertEquals(args.none, []);
  assertEquals(args.one, "2");
});

Deno.test("parseArgs sets defaults and lets arguments replace them", () => {
  const args = parseArgs(["--memory=256"], {
    string: ["memory", "disk"],
    boolean: ["color"],
    default: { memory: "128", disk: "d", color: true },
  });
  const disk: string = args.disk;
  assertEquals([args.memory, disk, args.color], ["256", "d", true]);
});

Deno.test("parseArgs knows aliases in both directions", () => {
  const args = parseArgs(["-h", "-o", "x"], {
    boolean: ["help"],
    string: ["output"],
    alias: { help: "h", o: ["output"] },
  });
  assertEquals([args.help, args.h, args.output, args.o], [
    true,
    true,
    "x",
    "x",
  ]);
});

Deno.test("parseArgs negates only what is negatable", () => {
  const args = parseArgs(["--no-color", "--no-cache"], {
    boolean: ["color"],
    negatable: ["color"],
    default: { color: true },
  });
  assertEquals(args.color, false);
  assertEquals(Object.hasOwn(args, "no-cache"), true);
});

Deno.test("parseArgs takes joined short options apart", () => {
  const args: unknown = parseArgs(["-ab", "-n5", "-x=y"], {
    boolean: ["a", "b"],
  });
  assertEquals(args, { _: [], a: true, b: true, n: 5, x: "y" });
});

Deno.test("parseArgs ends at the double dash", () => {
  assertEquals(parseArgs(["a", "--", "--b", "-c"])._, ["a", "--b", "-c"]);
  const apart = parseArgs(["a", "--", "--b"], { "--": true });
  const rest: string[] = apart["--"];
  assertEquals([apart._, rest], [["a"], ["--b"]]);
});

Deno.test("parseArgs stops early at the first positional argument", () => {
  const args = parseArgs(["--json", "status", "--json", "-x"], {
    boolean: ["json"],
    stopEarly: true,
  });
  assertEquals(args._, ["status", "--json", "-x"]);
});

Deno.test("parseArgs reports unknown options and leaves refused ones out", () => {
  const met: string[] = [];
  const args = parseArgs(["--known", "--wrong=1", "file"], {
    boolean: ["known"],
    unknown: (arg: string, key?: string): false | undefined => {
      met.push(arg);
      return key === undefined ? undefined : false;
    },
  });
  assertEquals(met, ["--wrong=1", "file"]);
  assertEquals(args._, ["file"]);
  assertEquals(Object.hasOwn(args, "wrong"), false);
});

Deno.test("parseArgs lets no argument reach a prototype", () => {
  parseArgs(["--__proto__.polluted=1", "--constructor.prototype.polluted=1"]);
  assertEquals("polluted" in {}, false);
});
