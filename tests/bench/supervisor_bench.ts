/**
 * The supervisor's pure steps over many services: 500 services started, made
 * ready and stopped in one machine against the same number in ten machines of
 * 50. A step costs what it changes, so the one should cost about what the ten
 * do.
 *
 * @module
 */

import { defineService } from "../../lib/supervisor/definition.ts";
import type { ServiceDefinition } from "../../lib/supervisor/service_definition.ts";
import {
  createSupervisor,
  nextDeadlineMs,
  stepSupervisor,
  type SupervisorEvent,
} from "../../lib/supervisor/supervisor.ts";
import type { Comparison } from "./harness.ts";

type Shape = (index: number) => string[];

const shapes: Record<string, Shape> = {
  "independent": () => [],
  "in a chain": (index) => index === 0 ? [] : [`s${index - 1}`],
  "all on one": (index) => index === 0 ? [] : ["s0"],
};

function services(count: number, shape: Shape): ServiceDefinition[] {
  return Array.from(
    { length: count },
    (_, index) =>
      defineService(`s${index}`, {
        command: ["/bin/true"],
        requires: shape(index),
      }),
  );
}

/** Starts all, answers every spawn, shuts down, answers every signal. */
function upAndDown(definitions: readonly ServiceDefinition[]): void {
  let state = createSupervisor(definitions);
  let nowMs = 0;
  let isOver = false;
  const events: SupervisorEvent[] = [{ kind: "start-all" }];
  for (const phase of ["up", "down"]) {
    if (phase === "down") events.push({ kind: "shutdown" });
    for (const event of events) {
      const step = stepSupervisor(state, event, nowMs++, 0.5);
      state = step.state;
      nextDeadlineMs(state);
      for (const effect of step.effects) {
        if (effect.kind === "spawn") {
          const { service, instance } = effect;
          events.push({
            kind: "spawned",
            service,
            instance,
            pid: instance,
            hasCgroup: true,
          });
        } else if (effect.kind === "signal" && effect.signal === "SIGTERM") {
          const { service, instance } = effect;
          const exit = { exitCode: 0, signal: null };
          events.push({ kind: "exited", service, instance, exit });
        } else if (effect.kind === "check-cgroup") {
          const { service, instance } = effect;
          events.push({
            kind: "cgroup",
            service,
            instance,
            isPopulated: false,
          });
        } else if (effect.kind === "all-stopped") {
          isOver = true;
        }
      }
    }
    events.length = 0;
  }
  if (!isOver) throw new Error("the services did not stop");
}

/** One comparison for each shape of graph. */
export const comparisons: readonly Comparison[] = Object.entries(shapes).map(
  ([name, shape]) => {
    const many = services(500, shape);
    const few = services(50, shape);
    return {
      title: `500 services up and down, ${name}`,
      baseline: "ten machines of 50",
      contenders: [
        {
          name: "ten machines of 50",
          run: (times) => {
            for (let time = 0; time < times * 10; time++) upAndDown(few);
          },
        },
        {
          name: "one machine of 500",
          run: (times) => {
            for (let time = 0; time < times; time++) upAndDown(many);
          },
        },
      ],
      targets: [{ contender: "one machine of 500", atLeast: 0.33 }],
      turns: 9,
      turnMs: 20,
    };
  },
);
