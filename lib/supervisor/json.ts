/**
 * Reads JSON (RFC 8259) into a tree in which every value knows its line and
 * column, because a mistake in a definition must be shown where it stands.
 * Stricter than `JSON.parse`: a key that stands twice in one object is an
 * error, and size and depth are bounded. Pure; imports nothing.
 *
 * @module
 */

/** Where something stands in a text; both count from 1, columns in UTF-16 units. */
export interface JsonPosition {
  /** The line. */
  readonly line: number;
  /** The column. */
  readonly column: number;
}

/** One member of an object. */
export interface JsonMember {
  /** The key. */
  readonly key: string;
  /** Where the key stands. */
  readonly position: JsonPosition;
  /** The value. */
  readonly value: JsonNode;
}

/** A value, and where it stands. */
export type JsonNode =
  & {
    /** Where the value begins. */
    readonly position: JsonPosition;
  }
  & (
    | {
      /** `null`. */
      readonly kind: "null";
    }
    | {
      /** `true` or `false`. */
      readonly kind: "boolean";
      /** Which. */
      readonly value: boolean;
    }
    | {
      /** A number. */
      readonly kind: "number";
      /** As a double. */
      readonly value: number;
    }
    | {
      /** A string. */
      readonly kind: "string";
      /** Without quotes and escapes. */
      readonly value: string;
    }
    | {
      /** An array. */
      readonly kind: "array";
      /** Its elements. */
      readonly items: readonly JsonNode[];
    }
    | {
      /** An object. */
      readonly kind: "object";
      /** Its members in order; no key twice. */
      readonly members: readonly JsonMember[];
    }
  );

/** The text is not JSON, or breaks a bound. */
export class JsonSyntaxError extends Error {
  /** The class's name. */
  override readonly name: string = "JsonSyntaxError";
  /** Where reading stopped. */
  readonly position: JsonPosition;

  /**
   * Makes the error.
   *
   * @param message What was met and what was expected.
   * @param position Where.
   */
  constructor(message: string, position: JsonPosition) {
    super(message);
    this.position = position;
  }
}

/** Most nesting of arrays and objects. */
export const maximumJsonDepth = 32;

/**
 * Reads a JSON text.
 *
 * @param text The text; a byte order mark is not accepted.
 * @returns The value.
 * @throws {JsonSyntaxError} If the text is not JSON, names a key twice in one
 * object, or nests deeper than {@linkcode maximumJsonDepth}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { parseJson } from "./json.ts";
 *
 * const node = parseJson('{\n  "a": [1]\n}');
 * if (node.kind !== "object") throw new Error("not an object");
 * assertEquals(node.members[0]?.value.position, { line: 2, column: 8 });
 * ```
 */
export function parseJson(text: string): JsonNode {
  return new Reader(text).document();
}

/**
 * The plain value of a tree, as `JSON.parse` would give it; every object has
 * no prototype, so that no key is special.
 *
 * @param node The tree.
 * @returns The value.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { jsonValue, parseJson } from "./json.ts";
 *
 * assertEquals(JSON.stringify(jsonValue(parseJson('{"a":[1,null]}'))), '{"a":[1,null]}');
 * ```
 */
export function jsonValue(node: JsonNode): unknown {
  switch (node.kind) {
    case "null":
      return null;
    case "boolean":
    case "number":
    case "string":
      return node.value;
    case "array":
      return node.items.map(jsonValue);
    case "object": {
      const result: Record<string, unknown> = Object.create(null);
      for (const { key, value } of node.members) result[key] = jsonValue(value);
      return result;
    }
  }
}

const numberPattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// deno-lint-ignore no-control-regex -- RFC 8259 forbids exactly these unescaped
const plainPattern = /[^"\\\u0000-\u001f]+/y;
const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

class Reader {
  readonly #text: string;
  #offset = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonNode {
    const node = this.#value(0);
    this.#space();
    if (this.#offset < this.#text.length) this.#fail("the end of the file");
    return node;
  }

  #value(depth: number): JsonNode {
    this.#space();
    const position = this.#position();
    const first = this.#text[this.#offset];
    if (first === '"') {
      return { kind: "string", position, value: this.#string() };
    }
    if (first === "{" || first === "[") {
      if (depth >= maximumJsonDepth) {
        throw new JsonSyntaxError(
          `nests deeper than ${maximumJsonDepth} levels`,
          position,
        );
      }
      this.#offset++;
      return first === "{"
        ? this.#object(depth, position)
        : this.#array(depth, position);
    }
    if (this.#word("null")) return { kind: "null", position };
    if (this.#word("true")) return { kind: "boolean", position, value: true };
    if (this.#word("false")) return { kind: "boolean", position, value: false };
    numberPattern.lastIndex = this.#offset;
    const number = numberPattern.exec(this.#text)?.[0];
    if (number === undefined) return this.#fail("a value");
    this.#offset += number.length;
    return { kind: "number", position, value: Number(number) };
  }

  #array(depth: number, position: JsonPosition): JsonNode {
    const items: JsonNode[] = [];
    this.#space();
    if (this.#skip("]")) return { kind: "array", position, items };
    while (true) {
      items.push(this.#value(depth + 1));
      this.#space();
      if (this.#skip("]")) return { kind: "array", position, items };
      if (!this.#skip(",")) this.#fail('"," or "]"');
    }
  }

  #object(depth: number, position: JsonPosition): JsonNode {
    const members: JsonMember[] = [];
    const lines = new Map<string, number>();
    this.#space();
    if (this.#skip("}")) return { kind: "object", position, members };
    while (true) {
      this.#space();
      const keyPosition = this.#position();
      if (this.#text[this.#offset] !== '"') {
        this.#fail("a key in double quotes");
      }
      const key = this.#string();
      const line = lines.get(key);
      if (line !== undefined) {
        throw new JsonSyntaxError(
          `the key ${JSON.stringify(key)} stands twice, first in line ${line}`,
          keyPosition,
        );
      }
      lines.set(key, keyPosition.line);
      this.#space();
      if (!this.#skip(":")) this.#fail('":" after the key');
      members.push({
        key,
        position: keyPosition,
        value: this.#value(depth + 1),
      });
      this.#space();
      if (this.#skip("}")) return { kind: "object", position, members };
      if (!this.#skip(",")) this.#fail('"," or "}"');
    }
  }

  #string(): string {
    const start = this.#position();
    this.#offset++;
    let result = "";
    while (true) {
      plainPattern.lastIndex = this.#offset;
      const plain = plainPattern.exec(this.#text)?.[0] ?? "";
      result += plain;
      this.#offset += plain.length;
      const next = this.#text[this.#offset];
      if (next === undefined || next === "\n" || next === "\r") {
        throw new JsonSyntaxError(
          "the string that begins here does not end in its line",
          start,
        );
      }
      if (next === '"') {
        this.#offset++;
        return result;
      }
      if (next !== "\\") {
        this.#fail("no control character in a string (use an escape)");
      }
      result += this.#escape();
    }
  }

  #escape(): string {
    const letter = this.#text[this.#offset + 1] ?? "";
    const plain = escapes.get(letter);
    if (plain !== undefined) {
      this.#offset += 2;
      return plain;
    }
    const digits = this.#text.slice(this.#offset + 2, this.#offset + 6);
    if (letter !== "u" || !/^[0-9a-fA-F]{4}$/.test(digits)) {
      this.#fail('an escape (\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX)');
    }
    this.#offset += 6;
    return String.fromCharCode(parseInt(digits, 16));
  }

  #space(): void {
    while (true) {
      const next = this.#text[this.#offset];
      if (next === "\n") {
        this.#line++;
        this.#lineStart = this.#offset + 1;
      } else if (next !== " " && next !== "\t" && next !== "\r") {
        return;
      }
      this.#offset++;
    }
  }

  #skip(character: string): boolean {
    if (this.#text[this.#offset] !== character) return false;
    this.#offset++;
    return true;
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#offset)) return false;
    this.#offset += word.length;
    return true;
  }

  #position(): JsonPosition {
    return { line: this.#line, column: this.#offset - this.#lineStart + 1 };
  }

  #fail(expected: string): never {
    const rest =
      this.#text.slice(this.#offset, this.#offset + 12).split("\n")[0] ?? "";
    const met = this.#offset >= this.#text.length
      ? "the end of the file"
      : rest === ""
      ? "the end of the line"
      : rest.startsWith("//") || rest.startsWith("/*")
      ? "a comment (JSON has none)"
      : JSON.stringify(rest);
    throw new JsonSyntaxError(
      `expected ${expected}, met ${met}`,
      this.#position(),
    );
  }
}
