import { assertEquals } from "@std/assert";
import {
  type Line,
  LINE_LIMIT_BYTES,
  LineSplitter,
} from "../../../lib/init/line_splitter.ts";

function split(chunks: Uint8Array[]): Line[] {
  const lines: Line[] = [];
  const splitter = new LineSplitter();
  const take = (line: Line) => void lines.push(line);
  for (const chunk of chunks) splitter.push(chunk, take);
  splitter.flush(take);
  return lines;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (lines: Line[]) =>
  lines.map((line) => new TextDecoder().decode(line.bytes));

Deno.test("LineSplitter gives the same lines however the bytes are cut", () => {
  const input = bytes("one\n\ntwo\r\nthree\rx\nlast");
  const expected = ["one", "", "two", "three\rx", "last"];
  assertEquals(texts(split([input])), expected);
  assertEquals(texts(split([...input].map((b) => Uint8Array.of(b)))), expected);
  for (let cut = 0; cut <= input.length; cut++) {
    const parts = [input.subarray(0, cut), input.subarray(cut)];
    assertEquals(texts(split(parts)), expected);
  }
});

Deno.test("LineSplitter passes bytes that are no UTF-8 through", () => {
  const lines = split([Uint8Array.of(0xff, 0x00, 0xc3, 0x0a, 0x80)]);
  assertEquals(lines.map((line) => [...line.bytes]), [
    [0xff, 0x00, 0xc3],
    [0x80],
  ]);
});

Deno.test("LineSplitter splits a line that is too long, and loses no byte", () => {
  const input = new Uint8Array(3 * LINE_LIMIT_BYTES + 5).fill(0x61);
  const lines = split([input, bytes("\nnext\n")]);
  assertEquals(
    lines.map((line) => [line.bytes.length, line.ended]),
    [
      [LINE_LIMIT_BYTES, false],
      [LINE_LIMIT_BYTES, false],
      [LINE_LIMIT_BYTES, false],
      [5, true],
      [4, true],
    ],
  );
});

Deno.test("LineSplitter does not split a line of exactly the limit", () => {
  const input = new Uint8Array(LINE_LIMIT_BYTES + 1).fill(0x61);
  input[LINE_LIMIT_BYTES] = 0x0a;
  assertEquals(split([input]).map((line) => line.ended), [true]);
});

Deno.test("LineSplitter flushes nothing when nothing is left", () => {
  assertEquals(split([bytes("a\n")]).length, 1);
  assertEquals(split([]).length, 0);
});
