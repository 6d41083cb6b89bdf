/**
 * A small language for the shape of a configuration file. From one description
 * follow the check of a file, with every mistake reported, and its defaults;
 * in `schema_output.ts` also a JSON Schema and the reference. Pure; imports `json.ts` and `nearest.ts`.
 *
 * @module
 */

import type { JsonNode, JsonPosition } from "./json.ts";
import { nearestName } from "./nearest.ts";

/** The shape of a value. */
export type Shape =
  | {
    /** A text. */
    readonly kind: "string";
    /** What it is, for "expected …". */
    readonly expectation: string;
    /** What it must match as a whole. */
    readonly pattern?: RegExp;
    /** Least length in UTF-16 units, 0 when left out. */
    readonly minimumLength?: number;
    /** Most length in UTF-16 units. */
    readonly maximumLength: number;
  }
  | {
    /** A number; whole for `integer`. */
    readonly kind: "integer" | "number";
    /** Least value. */
    readonly minimum: number;
    /** Most value. */
    readonly maximum: number;
  }
  | {
    /** `true` or `false`. */
    readonly kind: "boolean";
  }
  | {
    /** One of some words. */
    readonly kind: "enumeration";
    /** Each word with what it means. */
    readonly words: ReadonlyMap<string, string>;
  }
  | {
    /** Several values of one shape. */
    readonly kind: "array";
    /** The shape of each. */
    readonly items: Shape;
    /** Least number, 0 when left out. */
    readonly minimumItems?: number;
    /** Most number. */
    readonly maximumItems: number;
    /** Whether a value may stand only once (for strings and numbers). */
    readonly isSet?: boolean;
  }
  | {
    /** An object whose keys the user names. */
    readonly kind: "map";
    /** The shape of a key. */
    readonly keys: Extract<Shape, { kind: "string" | "enumeration" }>;
    /** The shape of each value. */
    readonly values: Shape;
    /** Most members. */
    readonly maximumMembers: number;
  }
  | {
    /** An object with fixed keys. */
    readonly kind: "object";
    /** The keys. */
    readonly fields: Fields;
  }
  | {
    /** A value, or `null`. */
    readonly kind: "nullable";
    /** What `null` means. */
    readonly nullMeans: string;
    /** The value's shape. */
    readonly of: Shape;
  }
  | {
    /** The first shape whose JSON type fits. */
    readonly kind: "either";
    /** Shapes of different JSON types. */
    readonly of: readonly Shape[];
  };

/** One key of an object. */
export interface Field {
  /** What it does, in whole sentences; Markdown. */
  readonly description: string;
  /** What its value looks like. */
  readonly shape: Shape;
  /** The value when the key is left out; without it the key is required. */
  readonly fallback?: unknown;
}

/** The keys of an object, in the order of the documentation. */
export type Fields = Readonly<Record<string, Field>>;

/** A mistake in a file, or something in it that deserves a second look. */
export interface Issue {
  /** Whether the file can't be used, or can. */
  readonly severity: "error" | "warning";
  /** The file. */
  readonly file: string;
  /** Where in it; null when it is about the file as a whole. */
  readonly position: JsonPosition | null;
  /** Which value, as a JSON path (RFC 9535): `$.readiness.kind`, `$.command[0]`. */
  readonly path: string;
  /** The value that was met, as JSON, cut to 64 characters; the empty string if there is none. */
  readonly value: string;
  /** What was expected, or what is wrong, in words. */
  readonly expectation: string;
}

/**
 * A mistake that is about a file as a whole.
 *
 * @param file The file.
 * @param expectation What was expected, or what is wrong.
 * @returns The issue, an error.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { issueOfFile, issueText } from "./schema.ts";
 *
 * const issue = issueOfFile("web.json", "web is defined twice");
 * assertEquals(issueText(issue), "web.json: error: web is defined twice");
 * ```
 */
export function issueOfFile(file: string, expectation: string): Issue {
  return {
    severity: "error",
    file,
    position: null,
    path: "",
    value: "",
    expectation,
  };
}

/** Where issues go. */
export interface IssueSink {
  /** The file being checked. */
  readonly file: string;
  /** The issues so far; at most {@linkcode maximumIssues}. */
  readonly issues: Issue[];
}

/** Most issues that are kept for one file. */
export const maximumIssues = 100;

/**
 * One line for an issue, as compilers print them: `file:line:column: path: …`.
 *
 * @param issue The issue.
 * @returns The line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { issueText } from "./schema.ts";
 *
 * assertEquals(
 *   issueText({
 *     severity: "error",
 *     file: "web.json",
 *     position: { line: 3, column: 9 },
 *     path: "$.nice",
 *     value: "99",
 *     expectation: "expected a whole number from -20 to 19",
 *   }),
 *   "web.json:3:9: error: $.nice: expected a whole number from -20 to 19, met 99",
 * );
 * ```
 */
export function issueText(issue: Issue): string {
  const place = issue.position === null
    ? issue.file
    : `${issue.file}:${issue.position.line}:${issue.position.column}`;
  const met = issue.value === "" ? "" : `, met ${issue.value}`;
  const path = issue.path === "" ? "" : `${issue.path}: `;
  return `${place}: ${issue.severity}: ${path}${issue.expectation}${met}`;
}

/**
 * Reports an issue, unless the file has too many already.
 *
 * @param sink Where it goes.
 * @param node The value, or null when there is none.
 * @param path Its JSON path.
 * @param expectation What was expected, or what is wrong.
 * @param severity An error when left out.
 * @param position Where it stands; the value's when left out.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { type IssueSink, report } from "./schema.ts";
 *
 * const sink: IssueSink = { file: "a.json", issues: [] };
 * report(sink, null, "$", "expected an object");
 * assertEquals(sink.issues.length, 1);
 * ```
 */
export function report(
  sink: IssueSink,
  node: JsonNode | null,
  path: string,
  expectation: string,
  severity: Issue["severity"] = "error",
  position: JsonPosition | null = node?.position ?? null,
): void {
  if (sink.issues.length >= maximumIssues) return;
  sink.issues.push({
    severity,
    file: sink.file,
    position,
    path,
    value: node === null ? "" : excerpt(node),
    expectation,
  });
}

/**
 * Checks a value against a shape and fills in what it leaves out. Every
 * mistake is reported, not only the first.
 *
 * @param shape What is expected.
 * @param node The value.
 * @param path Its JSON path.
 * @param sink Where mistakes go.
 * @returns The value with defaults; meaningless when an error was reported.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { parseJson } from "./json.ts";
 * import { type IssueSink, resolveShape } from "./schema.ts";
 *
 * const sink: IssueSink = { file: "a.json", issues: [] };
 * const value = resolveShape(
 *   { kind: "integer", minimum: 0, maximum: 9 },
 *   parseJson("12"),
 *   "$.n",
 *   sink,
 * );
 * assertEquals(value, 12);
 * assertEquals(sink.issues[0]?.expectation, "expected a whole number from 0 to 9");
 * ```
 */
export function resolveShape(
  shape: Shape,
  node: JsonNode,
  path: string,
  sink: IssueSink,
): unknown {
  switch (shape.kind) {
    case "nullable":
      return node.kind === "null"
        ? null
        : resolveShape(shape.of, node, path, sink);
    case "either": {
      const fitting = shape.of.find((one) => jsonKindOf(one) === node.kind);
      if (fitting !== undefined) return resolveShape(fitting, node, path, sink);
      break;
    }
    case "boolean":
      if (node.kind === "boolean") return node.value;
      break;
    case "integer":
    case "number":
      if (
        node.kind === "number" && node.value >= shape.minimum &&
        node.value <= shape.maximum &&
        (shape.kind === "number" || Number.isInteger(node.value))
      ) return node.value;
      report(sink, node, path, `expected ${expectationOf(shape)}`);
      return node.kind === "number" ? node.value : shape.minimum;
    case "string":
      if (node.kind === "string" && fitsString(shape, node.value)) {
        return node.value;
      }
      break;
    case "enumeration": {
      if (node.kind === "string" && shape.words.has(node.value)) {
        return node.value;
      }
      const near = node.kind === "string"
        ? nearestName(node.value, shape.words.keys())
        : null;
      report(sink, node, path, `expected ${expectationOf(shape)}${hint(near)}`);
      return null;
    }
    case "array":
      if (node.kind === "array") return resolveArray(shape, node, path, sink);
      break;
    case "map":
      if (node.kind === "object") return resolveMap(shape, node, path, sink);
      break;
    case "object":
      if (node.kind === "object") {
        return resolveFields(shape.fields, node, path, sink);
      }
      break;
  }
  report(sink, node, path, `expected ${expectationOf(shape)}`);
  return null;
}

/**
 * The value of a shape's fields when a file gives none of them.
 *
 * @param fields The keys.
 * @returns Each key that has a default, with it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { fallbacksOf } from "./schema.ts";
 *
 * const fields = {
 *   nice: { description: "", shape: { kind: "integer", minimum: -20, maximum: 19 }, fallback: 0 },
 * } as const;
 * assertEquals(fallbacksOf(fields), { nice: 0 });
 * ```
 */
export function fallbacksOf(fields: Fields): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    if ("fallback" in field) result[key] = field.fallback;
  }
  return result;
}

/**
 * What a shape expects, as the end of the sentence "expected …".
 *
 * @param shape The shape.
 * @returns For example "a whole number from 1 to 64".
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { expectationOf } from "./schema.ts";
 *
 * assertEquals(expectationOf({ kind: "boolean" }), "true or false");
 * ```
 */
export function expectationOf(shape: Shape): string {
  switch (shape.kind) {
    case "boolean":
      return "true or false";
    case "integer":
      return `a whole number from ${shape.minimum} to ${shape.maximum}`;
    case "number":
      return `a number from ${shape.minimum} to ${shape.maximum}`;
    case "string":
      return shape.expectation;
    case "enumeration": {
      const words = [...shape.words.keys()];
      return words.length > 12
        ? `a name such as ${words[0]}`
        : `one of ${words.join(", ")}`;
    }
    case "array": {
      const least = shape.minimumItems ?? 0;
      const count = least === 0
        ? `at most ${shape.maximumItems}`
        : `${least} to ${shape.maximumItems}`;
      return `an array of ${count} values, each ${expectationOf(shape.items)}`;
    }
    case "map":
      return `an object of at most ${shape.maximumMembers} members`;
    case "object":
      return `an object with keys of ${Object.keys(shape.fields).join(", ")}`;
    case "nullable":
      return `${expectationOf(shape.of)}, or null (${shape.nullMeans})`;
    case "either":
      return shape.of.map(expectationOf).join(", or ");
  }
}

function resolveArray(
  shape: Extract<Shape, { kind: "array" }>,
  node: Extract<JsonNode, { kind: "array" }>,
  path: string,
  sink: IssueSink,
): unknown[] {
  const count = node.items.length;
  if (count < (shape.minimumItems ?? 0) || count > shape.maximumItems) {
    report(
      sink,
      node,
      path,
      `expected ${expectationOf(shape)}, counted ${count}`,
    );
  }
  const seen = new Set<unknown>();
  return node.items.slice(0, shape.maximumItems).map((item, index) => {
    const itemPath = `${path}[${index}]`;
    const value = resolveShape(shape.items, item, itemPath, sink);
    if (shape.isSet && seen.has(value)) {
      report(sink, item, itemPath, "expected each value only once");
    }
    seen.add(value);
    return value;
  });
}

function resolveMap(
  shape: Extract<Shape, { kind: "map" }>,
  node: Extract<JsonNode, { kind: "object" }>,
  path: string,
  sink: IssueSink,
): Record<string, unknown> {
  if (node.members.length > shape.maximumMembers) {
    report(
      sink,
      node,
      path,
      `expected ${expectationOf(shape)}, counted ${node.members.length}`,
    );
  }
  const result: Record<string, unknown> = Object.create(null);
  for (
    const { key, position, value } of node.members.slice(
      0,
      shape.maximumMembers,
    )
  ) {
    const keyPath = memberPath(path, key);
    resolveShape(
      shape.keys,
      { kind: "string", position, value: key },
      keyPath,
      sink,
    );
    result[key] = resolveShape(shape.values, value, keyPath, sink);
  }
  return result;
}

function resolveFields(
  fields: Fields,
  node: Extract<JsonNode, { kind: "object" }>,
  path: string,
  sink: IssueSink,
): Record<string, unknown> {
  const result = fallbacksOf(fields);
  const met = new Set<string>();
  for (const { key, position, value } of node.members) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (field === undefined) {
      report(
        sink,
        value,
        memberPath(path, key),
        unknownKey(key, fields),
        "error",
        position,
      );
      continue;
    }
    met.add(key);
    result[key] = resolveShape(field.shape, value, memberPath(path, key), sink);
  }
  for (const [key, field] of Object.entries(fields)) {
    if (met.has(key) || "fallback" in field) continue;
    if (sink.issues.length < maximumIssues) {
      sink.issues.push({
        severity: "error",
        file: sink.file,
        position: node.position,
        path: memberPath(path, key),
        value: "nothing",
        expectation: `the key is required; expected ${
          expectationOf(field.shape)
        }`,
      });
    }
  }
  return result;
}

function unknownKey(key: string, fields: Fields): string {
  const known = Object.keys(fields);
  const near = nearestName(key, known);
  if (near !== null) return `unknown key, expected a known one${hint(near)}`;
  return known.length > 12
    ? "unknown key, expected one of the reference"
    : `unknown key, expected one of ${known.join(", ")}`;
}

function fitsString(
  shape: Extract<Shape, { kind: "string" }>,
  value: string,
): boolean {
  return value.length >= (shape.minimumLength ?? 0) &&
    value.length <= shape.maximumLength &&
    (shape.pattern === undefined || shape.pattern.test(value)) &&
    // No text of a definition can hold a NUL: it would end a C string early.
    !value.includes("\0");
}

function memberPath(path: string, key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key)
    ? `${path}.${key}`
    : `${path}[${JSON.stringify(key)}]`;
}

function jsonKindOf(shape: Shape): JsonNode["kind"] | null {
  switch (shape.kind) {
    case "string":
    case "enumeration":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
    case "array":
    case "object":
      return shape.kind;
    case "map":
      return "object";
    case "nullable":
    case "either":
      return null;
  }
}

function hint(near: string | null): string {
  return near === null ? "" : ` (did you mean ${JSON.stringify(near)}?)`;
}

function excerpt(node: JsonNode): string {
  switch (node.kind) {
    case "null":
      return "null";
    case "boolean":
    case "number":
      return String(node.value);
    case "string": {
      const text = JSON.stringify(node.value.slice(0, 80));
      return text.length > 64 ? `${text.slice(0, 60)}…"` : text;
    }
    case "array":
      return node.items.length === 0
        ? "[]"
        : `an array of ${node.items.length}`;
    case "object":
      return node.members.length === 0
        ? "{}"
        : `an object of ${node.members.length}`;
  }
}
