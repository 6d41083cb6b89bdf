/** The README's generated parts are those that the code makes now. */
import { assertEquals, assertThrows } from "@std/assert";
import { withGeneratedParts } from "../../../rootfs/readme.ts";
import { REPOSITORY } from "../../../rootfs/toolchain/environment.ts";
import { ToolchainError } from "../../../rootfs/toolchain/report.ts";

const readme = Deno.readTextFileSync(`${REPOSITORY}/README.md`);

Deno.test("README.md is in step with the code; if not, run `deno task readme`", () => {
  assertEquals(withGeneratedParts(readme), readme);
});

Deno.test("withGeneratedParts names a part that has no place, and a place that has no part", () => {
  assertThrows(
    () => withGeneratedParts(readme.replace("generated: events", "events")),
    ToolchainError,
    'no place for the generated part "events"',
  );
  assertThrows(
    () => withGeneratedParts(readme.replaceAll("events -->", "weather -->")),
    ToolchainError,
    'a generated part "weather", expected one of',
  );
});

Deno.test("README.md links only to headings and files that are there", () => {
  const headings = new Set(
    [...readme.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
      title.toLowerCase().replaceAll(/[^a-z0-9 _-]/g, "").replaceAll(" ", "-")
    ),
  );
  const broken = [...readme.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^https?:/.test(target))
    .filter((target) => {
      if (target.startsWith("#")) return !headings.has(target.slice(1));
      try {
        Deno.statSync(`${REPOSITORY}/${target}`);
        return false;
      } catch {
        return true;
      }
    });
  assertEquals(broken, []);
});
