/**
 * Reading a JSON object that others made and whose unknown keys mean nothing
 * here, with the positions of what is wrong. Pure; imports only the
 * supervisor's own files.
 *
 * @module
 */

import { type JsonNode, JsonSyntaxError, parseJson } from "./json.ts";
import { type IssueSink, report } from "./schema.ts";

/**
 * Parses a text that should be an object.
 *
 * @param text The text.
 * @param sink Where mistakes go.
 * @returns The object, or null after a mistake was reported.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { parseObject } from "./json_object.ts";
 *
 * const sink = { file: "a.json", issues: [] };
 * assertEquals(parseObject("[]", sink), null);
 * assertEquals(sink.issues.length, 1);
 * ```
 */
export function parseObject(text: string, sink: IssueSink): JsonNode | null {
  const root = parseReported(text, sink);
  if (root === null || root.kind === "object") return root;
  report(sink, root, "$", "expected an object");
  return null;
}

/**
 * Parses a text that should be JSON.
 *
 * @param text The text.
 * @param sink Where a mistake goes.
 * @returns The value, or null after a mistake was reported.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { parseReported } from "./json_object.ts";
 *
 * const sink = { file: "a.json", issues: [] };
 * assertEquals(parseReported("[", sink), null);
 * assertEquals(sink.issues.length, 1);
 * ```
 */
export function parseReported(text: string, sink: IssueSink): JsonNode | null {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    report(
      sink,
      null,
      "",
      `not JSON: ${error.message}`,
      "error",
      error.position,
    );
    return null;
  }
}

/**
 * A member's value.
 *
 * @param node Anything.
 * @param key The key.
 * @returns The value, or null where there is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { parseJson } from "./json.ts";
 * import { memberOf } from "./json_object.ts";
 *
 * assertEquals(memberOf(parseJson('{ "a": true }'), "a")?.kind, "boolean");
 * ```
 */
export function memberOf(node: JsonNode, key: string): JsonNode | null {
  if (node.kind !== "object") return null;
  return node.members.find((member) => member.key === key)?.value ?? null;
}

/**
 * A text's characters.
 *
 * @param node Anything, or nothing.
 * @returns The characters of a text, or null.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { parseJson } from "./json.ts";
 * import { textOf } from "./json_object.ts";
 *
 * assertEquals(textOf(parseJson('"a"')), "a");
 * ```
 */
export function textOf(node: JsonNode | null): string | null {
  return node?.kind === "string" ? node.value : null;
}
