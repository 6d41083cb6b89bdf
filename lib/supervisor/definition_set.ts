/**
 * All definitions of a machine together: each file checked, then what only
 * shows in company (names defined twice, missing dependencies, cycles, services
 * of safe mode that need others). The pure half of `spaceos-init check` and
 * `spaceos-init graph`. Imports only the supervisor's own files.
 *
 * @module
 */

import { nodeAt, parseDefinition } from "./definition.ts";
import type { ServiceDefinition } from "./service_definition.ts";
import { maximumServices } from "./definition_fields.ts";
import {
  buildGraph,
  type GraphProblem,
  graphProblemText,
  type ServiceGraph,
} from "./graph.ts";
import type { JsonNode } from "./json.ts";
import { nearestName } from "./nearest.ts";
import { type Issue, issueOfFile, issueText } from "./schema.ts";

/** A definition file that was read. */
export interface DefinitionFile {
  /** Its path. */
  readonly file: string;
  /** Its text. */
  readonly text: string;
}

/** The services of a machine, and everything that was found on the way. */
export interface DefinitionSet {
  /** The services whose own definition has no error, in the order of their names. */
  readonly definitions: readonly ServiceDefinition[];
  /** Their graph; services of a cycle or with a missing dependency are in it. */
  readonly graph: ServiceGraph;
  /** What was found, file by file. */
  readonly issues: readonly Issue[];
}

/**
 * Checks definition files one by one and together.
 *
 * @param files The files of `/etc/spaceos/services.d`, in any order.
 * @param others Definitions from elsewhere, such as OCI bundles.
 * @returns What can be used, and what was found. Nothing throws.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { loadDefinitions } from "./definition_set.ts";
 * import { issueText } from "./schema.ts";
 *
 * const set = loadDefinitions([
 *   { file: "web.json", text: '{ "command": ["/bin/web"], "requires": ["bd"] }' },
 *   { file: "db.json", text: '{ "command": ["/bin/db"] }' },
 * ]);
 * assertEquals(set.issues.map(issueText), [
 *   'web.json:1:41: error: $.requires[0]: no definition has this name (did you mean "db"?), met "bd"',
 * ]);
 * ```
 */
export function loadDefinitions(
  files: readonly DefinitionFile[],
  others: readonly ServiceDefinition[] = [],
): DefinitionSet {
  const issues: Issue[] = [];
  const definitions: ServiceDefinition[] = [];
  const origin = new Map<
    string,
    { readonly file: string; readonly root: JsonNode | null }
  >();
  const add = (
    definition: ServiceDefinition,
    file: string,
    root: JsonNode | null,
  ): void => {
    const first = origin.get(definition.name);
    if (first !== undefined) {
      issues.push(
        issueOfFile(
          file,
          `${definition.name} is defined already, in ${first.file}`,
        ),
      );
    } else if (definitions.length >= maximumServices) {
      issues.push(
        issueOfFile(file, `expected at most ${maximumServices} services`),
      );
    } else {
      origin.set(definition.name, { file, root });
      definitions.push(definition);
    }
  };
  for (
    const { file, text } of [...files].sort((a, b) => a.file < b.file ? -1 : 1)
  ) {
    const parsed = parseDefinition(file, text);
    issues.push(...parsed.issues);
    if (parsed.definition !== null) add(parsed.definition, file, parsed.root);
  }
  for (const definition of others) {
    add(definition, `${definition.name} (bundle)`, null);
  }
  const graph = buildGraph(definitions);
  const names = definitions.map((definition) => definition.name);
  for (const problem of graph.problems) {
    issues.push(graphIssue(problem, definitions, names, origin));
  }
  issues.push(...safeModeIssues(definitions, origin));
  issues.push(...privilegeIssues(definitions, origin));
  return { definitions, graph, issues };
}

/**
 * The report of `spaceos-init check`: a line for each issue, and a sum.
 *
 * @param set What was loaded.
 * @returns The text, and the exit code: 0 without errors, else 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { checkReport, loadDefinitions } from "./definition_set.ts";
 *
 * const set = loadDefinitions([{ file: "web.json", text: '{ "command": ["/bin/web"] }' }]);
 * assertEquals(checkReport(set), { text: "1 service, 0 errors, 0 warnings\n", exitCode: 0 });
 * ```
 */
export function checkReport(
  set: DefinitionSet,
): { readonly text: string; readonly exitCode: 0 | 1 } {
  const errors =
    set.issues.filter((issue) => issue.severity === "error").length;
  const warnings = set.issues.length - errors;
  const lines = set.issues.map((issue) => `${issueText(issue)}\n`).join("");
  const sum = [
    counted(set.definitions.length, "service"),
    counted(errors, "error"),
    counted(warnings, "warning"),
  ].join(", ");
  return { text: `${lines}${sum}\n`, exitCode: errors === 0 ? 0 : 1 };
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function graphIssue(
  problem: GraphProblem,
  definitions: readonly ServiceDefinition[],
  names: readonly string[],
  origin: ReadonlyMap<
    string,
    { readonly file: string; readonly root: JsonNode | null }
  >,
): Issue {
  const service = problem.kind === "cycle"
    ? problem.path[0] ?? ""
    : problem.service;
  const { file, root } = origin.get(service) ?? { file: service, root: null };
  if (problem.kind !== "missing") {
    return issueOfFile(file, graphProblemText(problem));
  }
  const list =
    definitions.find((one) => one.name === service)?.[problem.relation] ?? [];
  const path = `$.${problem.relation}[${list.indexOf(problem.dependency)}]`;
  const near = nearestName(problem.dependency, names);
  const hint = near === null ? "" : ` (did you mean ${JSON.stringify(near)}?)`;
  return {
    // Who only wants a service, or only comes after it, can do without it.
    severity: problem.relation === "requires" ? "error" : "warning",
    file,
    position: root === null ? null : nodeAt(root, path).position,
    path,
    value: JSON.stringify(problem.dependency),
    expectation: `no definition has this name${hint}`,
  };
}

/** One that may gain privileges takes the promise from all others. */
function privilegeIssues(
  definitions: readonly ServiceDefinition[],
  origin: ReadonlyMap<
    string,
    { readonly file: string; readonly root: JsonNode | null }
  >,
): Issue[] {
  const others = definitions.filter((one) => one.noNewPrivileges).length;
  if (others === 0) return [];
  return definitions.flatMap(({ name, noNewPrivileges }) => {
    const { file, root } = origin.get(name) ?? { file: name, root: null };
    // A bundle's processes get theirs from its config.json.
    if (noNewPrivileges || root === null) return [];
    const path = "$.noNewPrivileges";
    return [{
      severity: "warning",
      file,
      position: nodeAt(root, path).position,
      path,
      value: "false",
      expectation:
        `as long as this is so, the ${counted(others, "service")} that ` +
        "expect true do not have it either",
    }];
  });
}

function safeModeIssues(
  definitions: readonly ServiceDefinition[],
  origin: ReadonlyMap<
    string,
    { readonly file: string; readonly root: JsonNode | null }
  >,
): Issue[] {
  const byName = new Map(
    definitions.map((definition) => [definition.name, definition]),
  );
  const issues: Issue[] = [];
  for (const definition of definitions) {
    if (!definition.safeMode) continue;
    definition.requires.forEach((dependency, index) => {
      if (byName.get(dependency)?.safeMode !== false) return;
      const { file, root } = origin.get(definition.name) ??
        { file: definition.name, root: null };
      const path = `$.requires[${index}]`;
      issues.push({
        severity: "warning",
        file,
        position: root === null ? null : nodeAt(root, path).position,
        path,
        value: JSON.stringify(dependency),
        expectation:
          "a service of safe mode requires one that is not; safe mode will run that one, too",
      });
    });
  }
  return issues;
}
