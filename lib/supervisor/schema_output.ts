/**
 * What else follows from the description of a configuration file's shape: a
 * JSON Schema for editors, and the reference in the documentation. Pure;
 * imports only `schema.ts`.
 *
 * @module
 */

import { expectationOf, type Fields, type Shape } from "./schema.ts";

/**
 * A shape as a JSON Schema (draft 2020-12), without `$schema` and `$id`.
 *
 * @param shape The shape.
 * @returns The schema, ready for `JSON.stringify`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { jsonSchemaOf } from "./schema_output.ts";
 *
 * assertEquals(jsonSchemaOf({ kind: "integer", minimum: 0, maximum: 9 }), {
 *   type: "integer",
 *   minimum: 0,
 *   maximum: 9,
 * });
 * ```
 */
export function jsonSchemaOf(shape: Shape): Record<string, unknown> {
  switch (shape.kind) {
    case "boolean":
      return { type: "boolean" };
    case "integer":
    case "number":
      return {
        type: shape.kind,
        minimum: shape.minimum,
        maximum: shape.maximum,
      };
    case "string":
      return {
        type: "string",
        ...(shape.pattern === undefined
          ? {}
          : { pattern: shape.pattern.source }),
        ...(shape.minimumLength === undefined
          ? {}
          : { minLength: shape.minimumLength }),
        maxLength: shape.maximumLength,
      };
    case "enumeration":
      return {
        oneOf: [...shape.words].map(([word, description]) => ({
          const: word,
          description,
        })),
      };
    case "array":
      return {
        type: "array",
        items: jsonSchemaOf(shape.items),
        ...(shape.minimumItems === undefined
          ? {}
          : { minItems: shape.minimumItems }),
        maxItems: shape.maximumItems,
        ...(shape.isSet ? { uniqueItems: true } : {}),
      };
    case "map":
      return {
        type: "object",
        propertyNames: shape.keys.kind === "enumeration"
          ? { enum: [...shape.keys.words.keys()] }
          : jsonSchemaOf(shape.keys),
        additionalProperties: jsonSchemaOf(shape.values),
        maxProperties: shape.maximumMembers,
      };
    case "object": {
      const entries = Object.entries(shape.fields);
      const required = entries.filter(([, field]) => !("fallback" in field))
        .map(([key]) => key);
      return {
        type: "object",
        properties: Object.fromEntries(entries.map(([key, field]) => [key, {
          description: field.description,
          ...jsonSchemaOf(field.shape),
          ...("fallback" in field ? { default: field.fallback } : {}),
        }])),
        ...(required.length === 0 ? {} : { required }),
        additionalProperties: false,
      };
    }
    case "nullable":
      return {
        anyOf: [
          { type: "null", description: shape.nullMeans },
          jsonSchemaOf(shape.of),
        ],
      };
    case "either":
      return { anyOf: shape.of.map(jsonSchemaOf) };
  }
}

/**
 * The keys of an object as a Markdown reference: a heading, the kind of value,
 * the default and the description of each, nested keys after their parent.
 *
 * @param fields The keys.
 * @param prefix What stands before each key, for example `readiness.`.
 * @returns Markdown, ended by a line feed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { referenceOf } from "./schema_output.ts";
 *
 * const text = referenceOf({
 *   nice: {
 *     description: "Scheduling priority.",
 *     shape: { kind: "integer", minimum: -20, maximum: 19 },
 *     fallback: 0,
 *   },
 * });
 * assertEquals(
 *   text,
 *   "| key | value | default | meaning |\n|---|---|---|---|\n" +
 *     "| `nice` | a whole number from -20 to 19 | `0` | Scheduling priority. |\n",
 * );
 * ```
 */
export function referenceOf(fields: Fields, prefix = ""): string {
  return `| key | value | default | meaning |\n|---|---|---|---|\n${
    rowsOf(fields, prefix)
  }`;
}

function rowsOf(fields: Fields, prefix: string): string {
  let rows = "";
  for (const [key, field] of Object.entries(fields)) {
    const fallback = "fallback" in field
      ? `\`${JSON.stringify(field.fallback)}\``
      : "required";
    const inner = field.shape.kind === "object" ? field.shape.fields : null;
    const value = inner === null ? expectationOf(field.shape) : "an object";
    let meaning = field.description;
    if (field.shape.kind === "enumeration" && field.shape.words.size <= 12) {
      meaning += ` ${
        [...field.shape.words].map(([word, text]) => `\`${word}\`: ${text}`)
          .join("; ")
      }.`;
    }
    rows += `| \`${prefix}${key}\` | ${value} | ${
      inner === null ? fallback : ""
    } | ${meaning} |\n`;
    if (inner !== null) rows += rowsOf(inner, `${prefix}${key}.`);
  }
  return rows;
}
