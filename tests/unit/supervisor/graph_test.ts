import { assert, assertEquals } from "@std/assert";
import {
  buildGraph,
  type GraphNode,
  graphProblemText,
  graphText,
  pulledUpBy,
  startLevels,
} from "../../../lib/supervisor/graph.ts";

function node(name: string, edges: Partial<GraphNode> = {}): GraphNode {
  return { name, requires: [], wants: [], after: [], ...edges };
}

Deno.test("startLevels puts independent services in one level and dependents after them", () => {
  const graph = buildGraph([
    node("app", { requires: ["db"], wants: ["cache"], after: ["net"] }),
    node("db", { requires: ["disk"] }),
    node("cache"),
    node("net"),
    node("disk"),
  ]);
  assertEquals(graph.problems, []);
  assertEquals(startLevels(graph), [["cache", "net", "disk"], ["db"], ["app"]]);
});

Deno.test("buildGraph reports the path of a cycle, whatever relations it goes through", () => {
  const graph = buildGraph([
    node("x"),
    node("a", { requires: ["b"] }),
    node("b", { wants: ["c"] }),
    node("c", { after: ["a"] }),
  ]);
  assertEquals(graph.problems.map(graphProblemText), [
    "dependency cycle: a -> b -> c -> a",
  ]);
  assertEquals(startLevels(graph), [["x"]]);
});

Deno.test("buildGraph reports a service that depends on itself", () => {
  const graph = buildGraph([node("a", { requires: ["a"] })]);
  assertEquals(graph.problems.map(graphProblemText), [
    "dependency cycle: a -> a",
  ]);
});

Deno.test("buildGraph reports each knot once, by its shortest way around", () => {
  const graph = buildGraph([
    node("a", { requires: ["b"] }),
    node("b", { requires: ["c", "a"] }),
    node("c", { requires: ["a"] }),
    node("p", { after: ["q"] }),
    node("q", { after: ["p"] }),
  ]);
  assertEquals(graph.problems.map(graphProblemText), [
    "dependency cycle: a -> b -> a",
    "dependency cycle: p -> q -> p",
  ]);
  const first = graph.problems[0];
  assert(first?.kind === "cycle");
  assertEquals(first.members, ["a", "b", "c"]);
});

Deno.test("buildGraph names a missing dependency, its relation and who asks for it", () => {
  const graph = buildGraph([
    node("a", { requires: ["gone"], wants: ["lost"], after: ["far"] }),
  ]);
  assertEquals(graph.problems.map(graphProblemText), [
    'a requires "gone", which no definition has',
    'a wants "lost", which no definition has',
    'a is ordered after "far", which no definition has',
  ]);
  assertEquals(startLevels(graph), [["a"]]);
});

Deno.test("buildGraph reports a name that is defined twice and keeps the first", () => {
  const graph = buildGraph([
    node("a"),
    node("b"),
    node("a", { requires: ["b"] }),
  ]);
  assertEquals(graph.problems.map(graphProblemText), [
    "a is defined more than once",
  ]);
  assertEquals(graph.requires, [[], []]);
});

Deno.test("buildGraph counts a dependency once when it is both required and ordered after", () => {
  const graph = buildGraph([
    node("a", { requires: ["b", "b"], wants: ["b"], after: ["b"] }),
    node("b"),
  ]);
  assertEquals(graph.requires[0], [1]);
  assertEquals(graph.soft[0], []);
  assertEquals(graph.requiredBy[1], [0]);
});

Deno.test("buildGraph and startLevels take a chain of 50,000 services without recursion", () => {
  const count = 50_000;
  const nodes = Array.from(
    { length: count },
    (_, n) => node(`s${n}`, n === 0 ? {} : { requires: [`s${n - 1}`] }),
  );
  const graph = buildGraph(nodes);
  assertEquals(graph.problems.length, 0);
  assertEquals(startLevels(graph).length, count);
  const ring = buildGraph([
    node("s0", { after: [`s${count - 1}`] }),
    ...nodes.slice(1),
  ]);
  const problem = ring.problems[0];
  assert(problem?.kind === "cycle");
  assertEquals(problem.path.length, count + 1);
});

Deno.test("startLevels agrees with the edges on random graphs without cycles", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 200; round++) {
    const count = 1 + random(20);
    const nodes = Array.from({ length: count }, (_, n) => {
      const pick = (): string[] =>
        n === 0 ? [] : [`s${random(n)}`].slice(random(2));
      return node(`s${n}`, { requires: pick(), wants: pick(), after: pick() });
    });
    const graph = buildGraph(nodes);
    assertEquals(graph.problems, []);
    const levelOf = new Map(
      startLevels(graph).flatMap((names, level) =>
        names.map((name) => [name, level] as const)
      ),
    );
    assertEquals(levelOf.size, count);
    for (const { name, requires, wants, after } of nodes) {
      const earlier = [...requires, ...wants, ...after].map((other) =>
        levelOf.get(other) ?? 0
      );
      // As early as possible, and after everything it names.
      assertEquals(
        levelOf.get(name),
        earlier.length === 0 ? 0 : Math.max(...earlier) + 1,
      );
    }
  }
});

Deno.test("graphText lists levels, relations and what can't be placed", () => {
  const graph = buildGraph([
    node("log"),
    node("db", { requires: ["log"], wants: ["net"], after: ["disk"] }),
    node("net"),
    node("disk"),
    node("a", { requires: ["b"] }),
    node("b", { requires: ["a"] }),
  ]);
  assertEquals(
    graphText(graph),
    [
      "1  log",
      "1  net",
      "1  disk",
      "2  db  requires log  wants net  after disk",
      "-  a  requires b",
      "-  b  requires a",
      "",
    ].join("\n"),
  );
});

Deno.test("pulledUpBy follows requires and wants, not after", () => {
  const graph = buildGraph([
    node("a", { requires: ["b"], after: ["d"] }),
    node("b", { wants: ["c"] }),
    node("c"),
    node("d"),
  ]);
  assertEquals(pulledUpBy(graph, [0]), [0, 1, 2]);
});
