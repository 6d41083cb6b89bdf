import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { drawLayout, tabulateLayout } from "../../../lib/wire/diagram.ts";
import { parameterResponseLayout } from "../../../lib/wire/parameter_message.ts";
import { SAMPLES } from "./samples.ts";

Deno.test("drawLayout names every field of every layout once, in lines of one width", () => {
  for (const { layout } of SAMPLES) {
    const diagram = drawLayout(layout.describe());
    const lines = diagram.split("\n");
    const width = lines[1]?.length;
    for (const { name } of layout.describe()) {
      // A byte's column shows the first 15 letters of a name.
      assertStringIncludes(diagram, name.slice(0, 15));
    }
    for (const line of lines.slice(1)) {
      assert(/^(0x[0-9A-F]{2,4} *)?[ |+-]/.test(line), line);
      if (layout.sizeBytes % 4 === 0) assertEquals(line.length, width, line);
    }
  }
});

Deno.test("drawLayout opens the line between the rows of one field and nowhere else", () => {
  assertEquals(
    drawLayout(parameterResponseLayout.describe()).split("\n").slice(6),
    [
      "0x08   |              len              |             value             |",
      "       +---------------+---------------+                               |",
      "       |                              ...                              |",
      "       |                                                               |",
      "0xF4   |                                                               |",
      "       +---------------+---------------+---------------+---------------+",
    ],
  );
});

Deno.test("tabulateLayout has a row for each field", () => {
  for (const { layout } of SAMPLES) {
    const rows = tabulateLayout(layout.describe()).split("\n");
    assertEquals(rows.length, layout.describe().length + 2);
  }
});
