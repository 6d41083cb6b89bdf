/**
 * What a look for faults costs: 200 processes read and held against their
 * references, beside the SHA-256 of the same three files of each, which is
 * what upstream's FDIR does; and judging 500 services at once beside ten times
 * 50.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { DEFAULT_FDIR_POLICY } from "../../lib/fdir/checks.ts";
import { Collector } from "../../lib/fdir/collector.ts";
import { stepFdir } from "../../lib/fdir/fdir.ts";
import { createFdir, type FdirState } from "../../lib/fdir/fdir_state.ts";
import type {
  ProcessObservation,
  ProcessSubject,
} from "../../lib/fdir/snapshot.ts";
import type { Comparison } from "./harness.ts";
import { QUIET_MACHINE } from "../fixtures/quiet_machine.ts";

const PROCESS_COUNT = 200;

function subject(pid: number, index: number): ProcessSubject {
  return {
    service: `s${index}`,
    instance: index + 1,
    pid,
    cgroup: null,
    sinceMs: 0,
    definition: null,
  };
}

/** A state that has a reference for each process, and their observation. */
function judged(count: number): [FdirState, ProcessObservation[]] {
  const mappings = Array.from(
    { length: 12 },
    (_, index) =>
      `7f00${index}000-7f00${index}fff r-xp 00000000 fe:01 ${index} /usr/lib/x86_64-linux-gnu/lib${index}.so`,
  );
  const processes = Array.from({ length: count }, (_, index) => ({
    subject: subject(index + 2, index),
    snapshot: {
      startTicks: index,
      mappings,
      privileges: { Seccomp: "2", NoNewPrivs: "1", CapEff: "0" },
      cgroup: "/",
      namespaces: { mnt: "mnt:[1]", net: "net:[2]" },
    },
  }));
  const look = { processes, machine: QUIET_MACHINE, digests: null };
  const { state } = stepFdir(createFdir(DEFAULT_FDIR_POLICY), look, 10_000);
  return [state, processes];
}

function judging(): Comparison {
  const [many, manyProcesses] = judged(500);
  const [few, fewProcesses] = judged(50);
  const judge = (state: FdirState, processes: ProcessObservation[]) =>
    stepFdir(
      state,
      { processes, machine: QUIET_MACHINE, digests: null },
      40_000,
    );
  return {
    title: "judging a look at 500 services",
    baseline: "ten looks at 50",
    contenders: [
      {
        name: "ten looks at 50",
        run: (times) => {
          for (let time = 0; time < 10 * times; time++) {
            judge(few, fewProcesses);
          }
        },
      },
      {
        name: "one look at 500",
        run: (times) => {
          for (let time = 0; time < times; time++) judge(many, manyProcesses);
        },
      },
    ],
    targets: [{ contender: "one look at 500", atLeast: 0.5 }],
  };
}

function looking(): Comparison {
  const children = Array.from(
    { length: PROCESS_COUNT },
    () => new Deno.Command("sleep", { args: ["1000"] }).spawn(),
  );
  globalThis.addEventListener("unload", () => {
    for (const child of children) child.kill("SIGKILL");
  });
  for (const child of children) child.unref();
  const subjects = children.map(({ pid }, index) => subject(pid, index));
  const collector = new Collector({
    proc: "/proc",
    sys: "/sys",
    nowMs: () => performance.now(),
    pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
  });
  let state = createFdir(DEFAULT_FDIR_POLICY);
  const digest = (path: string): string =>
    createHash("sha256").update(Deno.readTextFileSync(path)).digest("hex");
  return {
    title: `a look at ${PROCESS_COUNT} processes`,
    baseline: "digests of three files each",
    contenders: [
      {
        name: "digests of three files each",
        run: (times) => {
          for (let time = 0; time < times; time++) {
            for (const { pid } of children) {
              for (const name of ["maps", "status", "cgroup"]) {
                digest(`/proc/${pid}/${name}`);
              }
            }
          }
        },
      },
      {
        name: "snapshots, judged",
        run: async (times) => {
          for (let time = 0; time < times; time++) {
            const processes = await collector.processes(subjects);
            const look = { processes, machine: QUIET_MACHINE, digests: null };
            state = stepFdir(state, look, 10_000).state;
          }
        },
      },
    ],
    targets: [{
      contender: "snapshots, judged",
      atLeast: 0.5,
      otherwise:
        "`maps` is read on another thread, because a process may hold up its reader; namespaces and start times are read besides",
    }],
  };
}

/** Both comparisons. */
export const comparisons = (): readonly Comparison[] => [judging(), looking()];
