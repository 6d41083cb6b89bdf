import { assert, assertEquals, assertThrows } from "@std/assert";
import { CommandError } from "../../../cmd/command_line/error.ts";
import {
  parseArguments,
  parseInteger,
  parseSize,
} from "../../../cmd/command_line/options.ts";
import { printable, showBytes } from "../../../cmd/command_line/output.ts";

const TABLE = {
  size: { value: "SIZE", help: "" },
  last: { value: "N", help: "", letter: "n" },
  force: { help: "", letter: "f" },
};

Deno.test("parseArguments reads options before, between and behind operands", () => {
  const args = parseArguments(
    ["--size", "1M", "a", "-f", "b", "-n5", "--", "--force"],
    TABLE,
  );
  assertEquals(args.operands, ["a", "b", "--force"]);
  assertEquals(args.text("size"), "1M");
  assertEquals(args.integer("last", 0, 9), 5);
  assert(args.has("force"));
  assertEquals(parseArguments(["-"], TABLE).operands, ["-"]);
  assertEquals(parseArguments(["--size="], TABLE).text("size"), "");
});

Deno.test("parseArguments names the option that it does not understand", () => {
  const cases: [string[], string][] = [
    [["--bogus"], "unknown option --bogus"],
    [["--bogus=1"], "unknown option --bogus"],
    [["-x"], "unknown option -x"],
    [["--toString"], "unknown option --toString"],
    [["--size"], "--size needs a value: SIZE"],
    [["--force=yes"], '--force takes no value, got "yes"'],
    [["--size", "1", "--size=2"], "--size is given twice"],
  ];
  for (const [args, message] of cases) {
    const error = assertThrows(() => parseArguments(args, TABLE), CommandError);
    assertEquals(error.message, message);
    assertEquals(error.exitCode, 64);
  }
});

Deno.test("parseInteger and parseSize refuse what is no number and name the range", () => {
  assertEquals(parseInteger("ID", "0xFF", 0, 255), 255);
  for (const text of ["", "256", "-1", "1.5", "1e2", "0x", " 1", "ten"]) {
    assertThrows(
      () => parseInteger("ID", text, 0, 255),
      CommandError,
      `ID is ${JSON.stringify(text)}, expected an integer of 0..255`,
    );
  }
  assertEquals(parseSize("--size", "64K"), 65_536);
  assertEquals(parseSize("--size", "2GiB"), 2 ** 31);
  assertEquals(parseSize("--size", "512"), 512);
  for (const text of ["", "0", "1k", "-1M", "1.5M", "M", "9999999999T"]) {
    assertThrows(() => parseSize("--size", text), CommandError, "a size");
  }
});

Deno.test("printable lets no control character reach a terminal", () => {
  assertEquals(
    printable("a\x1b[31mb\n\x9b1m\u2028é"),
    "a\\x1b[31mb\\x0a\\x9b1m\\u2028é",
  );
  assertEquals(showBytes(new Uint8Array([0x1b, 0x5b])), "0x1b5b");
  assertEquals(showBytes(new Uint8Array()), "(empty)");
  assertEquals(showBytes(new Uint8Array([0xff])), "0xff");
  assertEquals(
    showBytes(new TextEncoder().encode("two\nlines")),
    "two\\x0alines",
  );
});
