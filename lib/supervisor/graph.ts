/**
 * The dependency graph of a set of services: what is wrong with it (cycles with
 * their path, names that nobody defines), and in which order it starts. Pure;
 * imports nothing. Every walk is iterative, so that a chain of any length is
 * safe, and takes time in proportion to services and edges.
 *
 * Three relations, each also an order (the named service comes first):
 *
 * | relation   | when the other fails or stops           | pulls the other up |
 * |------------|-----------------------------------------|--------------------|
 * | `requires` | this one is stopped, or can't start     | yes                |
 * | `wants`    | nothing; only its first outcome is awaited | yes             |
 * | `after`    | nothing; only its first outcome is awaited | no              |
 *
 * @module
 */

/** The part of a service definition that the graph is made of. */
export interface GraphNode {
  /** The service's name, unique in its set. */
  readonly name: string;
  /** Hard dependencies. */
  readonly requires: readonly string[];
  /** Soft dependencies. */
  readonly wants: readonly string[];
  /** Order only. */
  readonly after: readonly string[];
}

/** How one service refers to another. */
export type Relation = "requires" | "wants" | "after";

/** Something wrong with a set of services. */
export type GraphProblem =
  | {
    /** A service is, through others, its own dependency. */
    readonly kind: "cycle";
    /** The way around: each name refers to the next, and the last is the first again. */
    readonly path: readonly string[];
    /** Every service of the knot, in the order of the set: none of them can start. */
    readonly members: readonly string[];
  }
  | {
    /** A name that no service of the set has. */
    readonly kind: "missing";
    /** The service that refers to it. */
    readonly service: string;
    /** How it refers. */
    readonly relation: Relation;
    /** The name that nobody has. */
    readonly dependency: string;
  }
  | {
    /** Two services of one name. */
    readonly kind: "duplicate";
    /** That name. */
    readonly service: string;
  };

/** A set of services, resolved to indices into `names`. */
export interface ServiceGraph {
  /** The names, in the order given; of duplicates the first. */
  readonly names: readonly string[];
  /** Name to index. */
  readonly indexOf: ReadonlyMap<string, number>;
  /** What each service requires. */
  readonly requires: readonly (readonly number[])[];
  /** What each service wants. */
  readonly wants: readonly (readonly number[])[];
  /** What each service waits for without requiring it: `wants` and `after` together. */
  readonly soft: readonly (readonly number[])[];
  /** Which services require each one. */
  readonly requiredBy: readonly (readonly number[])[];
  /** Which services wait for each one without requiring it. */
  readonly softBy: readonly (readonly number[])[];
  /** What is wrong, in the order of the set. */
  readonly problems: readonly GraphProblem[];
}

/**
 * Resolves names, and finds everything that is wrong.
 *
 * A name that nobody has is left out of the edges; a cycle stays in them.
 *
 * @param nodes The services.
 * @returns The graph with its problems; it never throws.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { buildGraph, graphProblemText } from "./graph.ts";
 *
 * const graph = buildGraph([
 *   { name: "a", requires: ["b"], wants: [], after: [] },
 *   { name: "b", requires: [], wants: [], after: ["a"] },
 * ]);
 * assertEquals(graph.problems.map(graphProblemText), ["dependency cycle: a -> b -> a"]);
 * ```
 */
export function buildGraph(nodes: readonly GraphNode[]): ServiceGraph {
  const problems: GraphProblem[] = [];
  const indexOf = new Map<string, number>();
  const unique: GraphNode[] = [];
  for (const node of nodes) {
    if (indexOf.has(node.name)) {
      problems.push({ kind: "duplicate", service: node.name });
      continue;
    }
    indexOf.set(node.name, unique.length);
    unique.push(node);
  }
  const resolve = (node: GraphNode, relation: Relation): number[] => {
    const found = new Set<number>();
    for (const dependency of node[relation]) {
      const index = indexOf.get(dependency);
      if (index === undefined) {
        problems.push({
          kind: "missing",
          service: node.name,
          relation,
          dependency,
        });
      } else {
        found.add(index);
      }
    }
    return [...found];
  };
  const requires: number[][] = [];
  const wants: number[][] = [];
  const soft: number[][] = [];
  for (const node of unique) {
    const hard = resolve(node, "requires");
    const wanted = resolve(node, "wants");
    const waited = new Set([...wanted, ...resolve(node, "after")]);
    // Requiring a service says more than waiting for it.
    for (const index of hard) waited.delete(index);
    requires.push(hard);
    wants.push(wanted);
    soft.push([...waited]);
  }
  const names = unique.map((node) => node.name);
  problems.push(...findCycles(names, requires, soft));
  return {
    names,
    indexOf,
    requires,
    wants,
    soft,
    requiredBy: reversed(requires),
    softBy: reversed(soft),
    problems,
  };
}

/**
 * One line that says what is wrong.
 *
 * @param problem What was found.
 * @returns The line, without a full stop.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { graphProblemText } from "./graph.ts";
 *
 * assertEquals(
 *   graphProblemText({ kind: "missing", service: "web", relation: "requires", dependency: "db" }),
 *   'web requires "db", which no definition has',
 * );
 * ```
 */
export function graphProblemText(problem: GraphProblem): string {
  switch (problem.kind) {
    case "cycle":
      return `dependency cycle: ${problem.path.join(" -> ")}`;
    case "missing": {
      const verb = problem.relation === "after"
        ? "is ordered after"
        : problem.relation;
      return `${problem.service} ${verb} ${
        JSON.stringify(problem.dependency)
      }, which no definition has`;
    }
    case "duplicate":
      return `${problem.service} is defined more than once`;
  }
}

/**
 * The start order in levels: all services of a level can start at the same
 * time, once those of the levels before are ready. Reversed, it is the order of
 * shutdown. Services of a cycle, and those that wait for them, are in no level.
 *
 * @param graph The services.
 * @returns Names, level by level, each in the order of the set.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { buildGraph, startLevels } from "./graph.ts";
 *
 * const none = { wants: [], after: [] };
 * const graph = buildGraph([
 *   { name: "web", requires: ["db", "log"], ...none },
 *   { name: "db", requires: ["log"], ...none },
 *   { name: "log", requires: [], ...none },
 * ]);
 * assertEquals(startLevels(graph), [["log"], ["db"], ["web"]]);
 * ```
 */
export function startLevels(graph: ServiceGraph): string[][] {
  const open = graph.names.map((_, index) =>
    at(graph.requires, index).length + at(graph.soft, index).length
  );
  let level = open.flatMap((count, index) => count === 0 ? [index] : []);
  const levels: string[][] = [];
  while (level.length > 0) {
    levels.push(level.map((index) => graph.names[index] ?? ""));
    const next: number[] = [];
    for (const index of level) {
      for (
        const dependent of [
          ...at(graph.requiredBy, index),
          ...at(graph.softBy, index),
        ]
      ) {
        const left = (open[dependent] ?? 0) - 1;
        open[dependent] = left;
        if (left === 0) next.push(dependent);
      }
    }
    level = next.sort((a, b) => a - b);
  }
  return levels;
}

/**
 * The start order as text, for `spaceos-init graph`: a line for each service,
 * by level, with what it waits for.
 *
 * @param graph The services.
 * @returns The text, each line ended by a line feed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { buildGraph, graphText } from "./graph.ts";
 *
 * const graph = buildGraph([
 *   { name: "log", requires: [], wants: [], after: [] },
 *   { name: "db", requires: ["log"], wants: [], after: [] },
 * ]);
 * assertEquals(graphText(graph), "1  log\n2  db  requires log\n");
 * ```
 */
export function graphText(graph: ServiceGraph): string {
  const lines: string[] = [];
  const levels = startLevels(graph);
  const width = String(levels.length).length;
  const line = (mark: string, index: number): string => {
    const name = (other: number): string => graph.names[other] ?? "";
    const wanted = at(graph.wants, index);
    const parts: [string, readonly number[]][] = [
      ["requires", at(graph.requires, index)],
      ["wants", wanted],
      [
        "after",
        at(graph.soft, index).filter((other) => !wanted.includes(other)),
      ],
    ];
    const waits = parts.filter(([, others]) => others.length > 0)
      .map(([verb, others]) => `  ${verb} ${others.map(name).join(", ")}`).join(
        "",
      );
    return `${mark.padStart(width)}  ${name(index)}${waits}\n`;
  };
  const placed = new Set<number>();
  levels.forEach((names, level) => {
    for (const name of names) {
      const index = graph.indexOf.get(name);
      if (index === undefined) continue;
      placed.add(index);
      lines.push(line(String(level + 1), index));
    }
  });
  graph.names.forEach((_, index) => {
    if (!placed.has(index)) lines.push(line("-", index));
  });
  return lines.join("");
}

/**
 * Every service that some services need, themselves included: what `requires`
 * and `wants` pull up.
 *
 * @param graph The services.
 * @param roots Indices to begin with.
 * @returns Indices, each once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { buildGraph, pulledUpBy } from "./graph.ts";
 *
 * const graph = buildGraph([
 *   { name: "a", requires: ["b"], wants: [], after: [] },
 *   { name: "b", requires: [], wants: [], after: ["c"] },
 *   { name: "c", requires: [], wants: [], after: [] },
 * ]);
 * assertEquals(pulledUpBy(graph, [0]), [0, 1]);
 * ```
 */
export function pulledUpBy(
  graph: ServiceGraph,
  roots: readonly number[],
): number[] {
  const found = new Set(roots);
  // A Set's iteration also visits what is added during it.
  for (const index of found) {
    for (const other of at(graph.requires, index)) found.add(other);
    for (const other of at(graph.wants, index)) found.add(other);
  }
  return [...found];
}

function at(
  lists: readonly (readonly number[])[],
  index: number,
): readonly number[] {
  return lists[index] ?? [];
}

function reversed(lists: readonly (readonly number[])[]): number[][] {
  const result: number[][] = lists.map(() => []);
  lists.forEach((list, index) =>
    list.forEach((other) => result[other]?.push(index))
  );
  return result;
}

/**
 * Tarjan's strongly connected components, without recursion; of each knot, the
 * shortest way around from its first member is the path that is reported.
 */
function findCycles(
  names: readonly string[],
  requires: readonly (readonly number[])[],
  soft: readonly (readonly number[])[],
): GraphProblem[] {
  const edges = names.map((
    _,
    index,
  ) => [...at(requires, index), ...at(soft, index)]);
  const order = new Array<number>(names.length).fill(-1);
  const low = new Array<number>(names.length).fill(0);
  const onStack = new Array<boolean>(names.length).fill(false);
  const stack: number[] = [];
  const knots: number[][] = [];
  let counter = 0;
  const enter = (node: number): void => {
    order[node] = low[node] = counter++;
    stack.push(node);
    onStack[node] = true;
  };
  for (let root = 0; root < names.length; root++) {
    if (order[root] !== -1) continue;
    const walk: { readonly node: number; next: number }[] = [{
      node: root,
      next: 0,
    }];
    enter(root);
    for (let frame = walk.at(-1); frame !== undefined; frame = walk.at(-1)) {
      const node = frame.node;
      const other = edges[node]?.[frame.next++];
      if (other !== undefined) {
        if (order[other] === -1) {
          enter(other);
          walk.push({ node: other, next: 0 });
        } else if (onStack[other]) {
          low[node] = Math.min(low[node] ?? 0, order[other] ?? 0);
        }
        continue;
      }
      walk.pop();
      const parent = walk.at(-1);
      if (parent !== undefined) {
        low[parent.node] = Math.min(low[parent.node] ?? 0, low[node] ?? 0);
      }
      if (low[node] !== order[node]) continue;
      const knot = stack.splice(stack.lastIndexOf(node));
      for (const member of knot) onStack[member] = false;
      if (knot.length > 1 || edges[node]?.includes(node)) {
        knots.push(knot.sort((a, b) => a - b));
      }
    }
  }
  knots.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
  return knots.map((knot) => ({
    kind: "cycle",
    path: wayAround(knot, edges).map((index) => names[index] ?? ""),
    members: knot.map((index) => names[index] ?? ""),
  }));
}

/** The shortest way from a knot's first member back to it, breadth first. */
function wayAround(
  knot: readonly number[],
  edges: readonly (readonly number[])[],
): number[] {
  const first = knot[0] ?? 0;
  const members = new Set(knot);
  const cameFrom = new Map<number, number>();
  const queue = [first];
  for (const node of queue) {
    for (const other of at(edges, node)) {
      if (other === first) {
        const path = [first];
        for (
          let step = node;
          step !== first;
          step = cameFrom.get(step) ?? first
        ) path.push(step);
        path.push(first);
        return path.reverse();
      }
      if (!members.has(other) || cameFrom.has(other)) continue;
      cameFrom.set(other, node);
      queue.push(other);
    }
  }
  return [first, first];
}
