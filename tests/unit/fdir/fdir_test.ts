/** From observations to anomalies and responses, without a kernel. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  CHECK_NAMES,
  type CheckName,
  type CheckPolicy,
  DEFAULT_FDIR_POLICY,
  type FdirPolicy,
} from "../../../lib/fdir/checks.ts";
import {
  type FdirEffect,
  REPORTED_ANOMALIES,
  stepFdir,
} from "../../../lib/fdir/fdir.ts";
import {
  activeAnomalies,
  adoptFdir,
  createFdir,
  expectChange,
  type FdirState,
  isDegrading,
  releaseFdir,
} from "../../../lib/fdir/fdir_state.ts";
import type {
  FdirObservation,
  MachineSnapshot,
  ProcessObservation,
  ProcessSnapshot,
} from "../../../lib/fdir/snapshot.ts";

const SNAPSHOT: ProcessSnapshot = {
  startTicks: 100,
  mappings: ["1-2 r-xp 0 fe:01 7 /bin/web"],
  privileges: { NoNewPrivs: "1", Seccomp: "2", CapEff: "0" },
  cgroup: "/spaceos/web",
  namespaces: { mnt: "mnt:[1]", net: "net:[2]" },
};

const MACHINE: MachineSnapshot = {
  mounts: ["0:1 / /proc rw proc proc rw"],
  modules: ["virtio_blk 4096"],
  files: [],
  goodFiles: new Set(["/lib/libz.so"]),
  memoryErrors: { corrected: 3, uncorrected: 0 },
  availablePercent: 80,
  pressure: { cpu: 0, memory: 0, io: 0 },
  storage: { superblock: [], parameters: [], events: [] },
  clockOffsetMs: 1_000_000,
};

/** Stands for the definition of a service. */
const WEB = {};

function web(
  change: Partial<ProcessSnapshot> = {},
  instance = 1,
  sinceMs = 0,
  definition: object | null = WEB,
): ProcessObservation {
  return {
    subject: {
      service: "web",
      instance,
      pid: 40 + instance,
      cgroup: "/spaceos/web",
      sinceMs,
      definition,
    },
    snapshot: { ...SNAPSHOT, startTicks: 100 + instance, ...change },
  };
}

function look(
  processes: readonly ProcessObservation[] = [web()],
  machine: Partial<MachineSnapshot> = {},
): FdirObservation {
  return { processes, machine: { ...MACHINE, ...machine }, digests: null };
}

/** A machine that looks every 30 seconds. */
class Watched {
  state: FdirState;
  nowMs = 0;

  constructor(policy: FdirPolicy = DEFAULT_FDIR_POLICY) {
    this.state = createFdir(policy);
  }

  /** Looks, and gives what followed. */
  see(observation: FdirObservation = look()): readonly FdirEffect[] {
    this.nowMs += 30_000;
    const step = stepFdir(this.state, observation, this.nowMs);
    this.state = step.state;
    return step.effects;
  }

  get anomalies(): string[] {
    return activeAnomalies(this.state).map(({ check, subject, text }) =>
      `${check} ${subject}: ${text}`
    );
  }
}

function policyWith(
  checks: Partial<Record<CheckName, Partial<CheckPolicy>>>,
  change: Partial<FdirPolicy> = {},
): FdirPolicy {
  const merged = Object.fromEntries(
    CHECK_NAMES.map((
      name,
    ) => [name, { ...DEFAULT_FDIR_POLICY.checks[name], ...checks[name] }]),
  ) as Record<CheckName, CheckPolicy>;
  return { ...DEFAULT_FDIR_POLICY, checks: merged, ...change };
}

const FAULTS: readonly (readonly [CheckName, FdirObservation, string])[] = [
  [
    "mappings",
    look([
      web({
        mappings: [
          ...SNAPSHOT.mappings ?? [],
          "5-6 r-xp 0 fe:01 9 /tmp/evil.so",
        ],
      }),
    ]),
    "mappings web: + 5-6 r-xp 0 fe:01 9 /tmp/evil.so",
  ],
  [
    "mappings",
    look([web({ mappings: ["1-2 rwxp 0 fe:01 7 /bin/web"] })]),
    "mappings web: + 1-2 rwxp 0 fe:01 7 /bin/web, 1 more",
  ],
  [
    "mappings",
    look([web({ mappings: [] })]),
    "mappings web: - 1-2 r-xp 0 fe:01 7 /bin/web",
  ],
  [
    "privileges",
    look([web({ privileges: { NoNewPrivs: "1", Seccomp: "0", CapEff: "0" } })]),
    "privileges web: Seccomp is 0, was 2",
  ],
  [
    "privileges",
    look([
      web({ privileges: { NoNewPrivs: "0", Seccomp: "2", CapEff: "ff" } }),
    ]),
    "privileges web: NoNewPrivs is 0, was 1, 1 more",
  ],
  [
    "cgroup",
    look([web({ cgroup: "/" })]),
    "cgroup web: is in /, expected /spaceos/web",
  ],
  [
    "namespaces",
    look([web({ namespaces: { mnt: "mnt:[1]", net: "net:[9]" } })]),
    "namespaces web: net is net:[9], was net:[2]",
  ],
  [
    "mounts",
    look([web()], {
      mounts: [...MACHINE.mounts ?? [], "0:2 / /bin rw tmpfs x rw"],
    }),
    "mounts machine: + 0:2 / /bin rw tmpfs x rw",
  ],
  [
    "modules",
    look([web()], { modules: [] }),
    "modules machine: - virtio_blk 4096",
  ],
  [
    "files",
    look([web()], { files: ["/a is missing", "/b is missing"] }),
    "files image: /a is missing, 1 more",
  ],
  [
    "memory-errors",
    look([web()], { memoryErrors: { corrected: 3, uncorrected: 1 } }),
    "memory-errors machine: 1 uncorrected",
  ],
  [
    "memory-errors",
    look([web()], { memoryErrors: { corrected: 14, uncorrected: 0 } }),
    "memory-errors machine: 11 corrected, expected at most 10",
  ],
  [
    "memory",
    look([web()], { availablePercent: 4 }),
    "memory machine: 4.0 % available, expected at least 5 %",
  ],
  [
    "pressure",
    look([web()], { pressure: { cpu: 0, memory: 41, io: 0 } }),
    "pressure machine: memory 41.0 %, expected at most 40 %",
  ],
  [
    "superblock",
    look([web()], {
      storage: { superblock: ["differs"], parameters: [], events: [] },
    }),
    "superblock machine: differs",
  ],
  [
    "parameters",
    look([web()], {
      storage: { superblock: [], parameters: ["block 3 differs"], events: [] },
    }),
    "parameters machine: block 3 differs",
  ],
  [
    "events",
    look([web()], {
      storage: { superblock: [], parameters: [], events: ["block 17 differs"] },
    }),
    "events machine: block 17 differs",
  ],
  [
    "clock",
    look([web()], { clockOffsetMs: 1_003_000 }),
    "clock machine: stepped by 3.0 s",
  ],
  [
    "clock",
    look([web()], { clockOffsetMs: 997_000 }),
    "clock machine: stepped by -3.0 s",
  ],
];

for (const [check, fault, expected] of FAULTS) {
  Deno.test(`stepFdir finds a fault of ${check}, once, and its end: ${expected}`, () => {
    const { bad, clearAfter } = DEFAULT_FDIR_POLICY.checks[check];
    const watched = new Watched();
    assertEquals(watched.see(), []);
    assertEquals(watched.see(), []);
    let effects: readonly FdirEffect[] = [];
    const counters = { ...fault.machine.memoryErrors };
    for (let count = 1; count <= bad; count++) {
      assertEquals(effects, []);
      effects = watched.see(fault);
    }
    assertEquals(effects, [{
      kind: "record",
      code: "FDIR_ANOMALY",
      text: expected,
    }]);
    assertEquals(watched.anomalies, [expected]);
    assertEquals(isDegrading(watched.state), false);
    // While it stays it is not told again; counters that stay say nothing new.
    if (check !== "memory-errors") assertEquals(watched.see(fault), []);
    const calm = check === "memory-errors"
      ? look([web()], {
        memoryErrors: { corrected: 0, uncorrected: 0, ...counters },
      })
      : look();
    let cleared: readonly FdirEffect[] = [];
    for (let count = 0; count < clearAfter; count++) {
      assertEquals(cleared, []);
      cleared = watched.see(calm);
    }
    assertEquals(
      cleared.map((effect) => effect.kind === "record" && effect.code),
      ["FDIR_CLEARED"],
    );
    assertEquals(watched.anomalies, []);
  });
}

Deno.test("every check has a fault that is found", () => {
  assertEquals(
    [...new Set(FAULTS.map(([check]) => check))].sort(),
    [...CHECK_NAMES].sort(),
  );
});

Deno.test("stepFdir answers by count: one LOG, two DEGRADE, three SAFE_MODE", () => {
  const watched = new Watched();
  watched.see();
  const one = { modules: ["evil 1"] };
  const two = { ...one, mounts: ["other"] };
  const three = { ...two, clockOffsetMs: 0 };
  const codes = (effects: readonly FdirEffect[]) =>
    effects.map((effect) =>
      effect.kind === "record" ? effect.code : effect.kind
    );
  assertEquals(codes(watched.see(look([web()], one))), ["FDIR_ANOMALY"]);
  assertEquals(isDegrading(watched.state), false);
  assertEquals(codes(watched.see(look([web()], two))), [
    "FDIR_ANOMALY",
    "FDIR_DEGRADE",
  ]);
  assert(isDegrading(watched.state));
  assertEquals(codes(watched.see(look([web()], three))), [
    "FDIR_ANOMALY",
    "FDIR_SAFE_MODE",
    "safe-mode",
  ]);
  // It is asked for once, and again only when something new comes to it.
  assertEquals(codes(watched.see(look([web()], three))), []);
  const four = look([web({ cgroup: "/" })], three);
  assertEquals(codes(watched.see(four)), [
    "FDIR_ANOMALY",
    "FDIR_SAFE_MODE",
    "safe-mode",
  ]);
  for (let count = 0; count < 2; count++) watched.see();
  assertEquals(isDegrading(watched.state), false);
});

Deno.test("stepFdir does what a check's own response says", () => {
  const text = (effects: readonly FdirEffect[]) => effects.slice(1);
  const fault = look([web({ cgroup: "/" })]);
  const run = (
    response: CheckPolicy["response"],
    seen = fault,
    check: CheckName = "cgroup",
  ) => {
    const watched = new Watched(policyWith({ [check]: { response } }));
    watched.see();
    const effects = watched.see(seen);
    return { effects: text(effects), degrading: isDegrading(watched.state) };
  };
  assertEquals(run("LOG"), { effects: [], degrading: false });
  assertEquals(run("ISOLATE"), {
    effects: [
      { kind: "record", code: "FDIR_ISOLATE", text: "cgroup web" },
      { kind: "isolate", service: "web" },
    ],
    degrading: false,
  });
  assertEquals(run("RESTART").effects, [
    { kind: "record", code: "FDIR_RESTART", text: "cgroup web" },
    { kind: "restart", service: "web" },
  ]);
  assertEquals(run("DEGRADE"), {
    effects: [{ kind: "record", code: "FDIR_DEGRADE", text: "cgroup web" }],
    degrading: true,
  });
  assertEquals(run("SAFE_MODE").effects.at(-1)?.kind, "safe-mode");
  const mounted = look([web()], { mounts: [] });
  assertEquals(run("RESTART", mounted, "mounts").effects.at(-1), {
    kind: "reboot",
    reason: "mounts machine",
  });
  assertEquals(run("ISOLATE", mounted, "mounts"), {
    effects: [{ kind: "record", code: "FDIR_DEGRADE", text: "mounts machine" }],
    degrading: true,
  });
});

Deno.test("stepFdir judges a service by its own policy where it has one", () => {
  const off = { ...DEFAULT_FDIR_POLICY.checks.cgroup, enabled: false };
  const policy = policyWith({}, {
    services: new Map([["web", { cgroup: off }]]),
  });
  const watched = new Watched(policy);
  watched.see();
  assertEquals(watched.see(look([web({ cgroup: "/" })])), []);
});

Deno.test("stepFdir never takes a vanished process for an anomaly", () => {
  const watched = new Watched();
  watched.see();
  const gone: ProcessObservation = { ...web(), snapshot: null };
  for (let count = 0; count < 10; count++) {
    assertEquals(watched.see(look([gone])), []);
    assertEquals(watched.see(look([])), []);
  }
  // Nor does the reading of one that is going end an anomaly.
  watched.see(look([web()]));
  watched.see(look([web({ cgroup: "/" })]));
  for (let count = 0; count < 5; count++) watched.see(look([gone]));
  assertEquals(watched.anomalies.length, 1);
});

Deno.test("stepFdir waits until a process has settled, then holds it against itself", () => {
  const watched = new Watched();
  watched.nowMs = -30_000;
  // Seen 1 s after its start: still loading.
  watched.nowMs = 0;
  assertEquals(
    watched.see(look([web({ mappings: ["loader"] }, 1, 29_000)])),
    [],
  );
  assertEquals(watched.state.compared, 0);
  assertEquals(watched.see(look([web({}, 1, 29_000)])), []);
  assertEquals(watched.state.compared, 1);
  assertEquals(
    watched.see(look([web({ mappings: ["x"] }, 1, 29_000)])).length,
    1,
  );
});

Deno.test("stepFdir holds a new instance against what its predecessors may do, but not against their addresses", () => {
  const watched = new Watched();
  watched.see();
  const other = {
    mappings: ["8-9 r-xp 0 fe:01 7 /bin/web"],
    namespaces: { mnt: "mnt:[5]" },
  };
  assertEquals(watched.see(look([web(other, 2)])), []);
  const dropped = {
    ...other,
    privileges: { ...SNAPSHOT.privileges, Seccomp: "0" },
  };
  assertEquals(watched.see(look([web(dropped, 3)])), [{
    kind: "record",
    code: "FDIR_ANOMALY",
    text: "privileges web: Seccomp is 0, was 2",
  }]);
  // The same instance with another start is another process, too.
  const watchedAgain = new Watched();
  watchedAgain.see();
  assertEquals(watchedAgain.see(look([web({ ...other, startTicks: 7 })])), []);
});

Deno.test("stepFdir knows a service again that was down at a look, and forgets one that is there no more", () => {
  const dropped = { privileges: { ...SNAPSHOT.privileges, Seccomp: "0" } };
  const watched = new Watched();
  watched.see();
  for (let count = 0; count < 5; count++) {
    assertEquals(watched.see({ ...look([]), services: new Set(["web"]) }), []);
  }
  watched.see(look([web(dropped, 2)]));
  assertEquals(watched.anomalies, ["privileges web: Seccomp is 0, was 2"]);

  const forgetful = new Watched();
  forgetful.see();
  forgetful.see({ ...look([]), services: new Set(["other"]) });
  assertEquals([...forgetful.state.baselines.keys()], []);
  forgetful.see(look([web(dropped, 2)]));
  assertEquals(forgetful.anomalies, []);
});

Deno.test("stepFdir holds the first process of another definition against nothing, and the next against it", () => {
  const other = { privileges: { ...SNAPSHOT.privileges, Uid: "7 7 7 7" } };
  const definition = {};
  const watched = new Watched();
  watched.see();
  // The old one still runs while the new definition is in force.
  assertEquals(watched.see(look([web({}, 1, 0, null)])), []);
  assertEquals(watched.see(look([web(other, 2, 0, definition)])), []);
  watched.see(look([web({}, 3, 0, definition)]));
  assertEquals(watched.anomalies.length, 1);
  // One that nobody looked at before its definition was gone says nothing of the next.
  const late = new Watched();
  late.see(look([web({}, 1, 0, null)]));
  assertEquals(late.see(look([web(other, 2, 0, null)])), []);
});

Deno.test("stepFdir lets a program load the image's own files late, and only those", () => {
  const watched = new Watched();
  watched.see();
  const late = (line: string) =>
    look([web({ mappings: [...SNAPSHOT.mappings ?? [], line] })]);
  assertEquals(watched.see(late("5-6 r-xp 0 fe:01 9 /lib/libz.so")), []);
  assertEquals(watched.see(late("5-6 rwxp 0 fe:01 9 /lib/libz.so")).length, 1);
  assertEquals(
    new Watched().see(late("5-6 r-xp 0 fe:01 9 /lib/libz.so (deleted)")),
    [],
  );
});

Deno.test("stepFdir does not judge what can't be read", () => {
  const watched = new Watched();
  watched.see();
  const blind = {
    mounts: null,
    modules: null,
    files: null,
    memoryErrors: null,
    availablePercent: null,
    pressure: null,
    storage: null,
  };
  const process = web({ mappings: null, cgroup: null, namespaces: null });
  assertEquals(watched.see(look([process], blind)), []);
  assertEquals(watched.see(look()), []);
});

Deno.test("adoptFdir takes what is there for the reference, and expectChange one part of it", () => {
  const watched = new Watched(policyWith({ modules: { latching: true } }));
  watched.see();
  const changed = look([web({ mappings: ["x"] })], {
    modules: ["evil 1"],
    mounts: ["other"],
  });
  watched.see(changed);
  assertEquals(watched.anomalies.length, 3);
  watched.state = adoptFdir(watched.state);
  for (let count = 0; count < 3; count++) watched.see(changed);
  assertEquals(watched.anomalies, []);
  watched.state = expectChange(watched.state, "mounts");
  assertEquals(
    watched.see(
      look([web({ mappings: ["x"] })], {
        modules: ["evil 1"],
        mounts: ["third"],
      }),
    ),
    [],
  );
  watched.state = expectChange(watched.state, "clock");
  const stepped = { modules: ["evil 1"], mounts: ["third"], clockOffsetMs: 0 };
  assertEquals(watched.see(look([web({ mappings: ["x"] })], stepped)), []);
});

Deno.test("releaseFdir ends a latched anomaly whose cause is gone, and no other", () => {
  const watched = new Watched(policyWith({ modules: { latching: true } }));
  watched.see();
  watched.see(look([web()], { modules: [] }));
  for (let count = 0; count < 5; count++) watched.see();
  assertEquals(watched.anomalies.length, 1);
  watched.state = releaseFdir(watched.state);
  watched.see();
  assertEquals(watched.anomalies, []);
});

Deno.test("a fault of 500 services at once costs a handful of events", () => {
  const names = Array.from({ length: 500 }, (_, index) => `service-${index}`);
  const processes = (cgroup: string): ProcessObservation[] =>
    names.map((name, index) => ({
      subject: {
        service: name,
        instance: index,
        pid: index + 2,
        cgroup: `/spaceos/${name}`,
        sinceMs: 0,
        definition: WEB,
      },
      snapshot: { ...SNAPSHOT, cgroup: cgroup || `/spaceos/${name}` },
    }));
  const watched = new Watched();
  assertEquals(watched.see(look(processes(""))), []);
  const effects = watched.see(look(processes("/")));
  const records = effects.filter(({ kind }) => kind === "record");
  assertEquals(records.length, REPORTED_ANOMALIES + 2);
  const last = records.at(-2);
  assertMatch(last?.kind === "record" ? last.text : "", /^492 more/);
  assertEquals(watched.anomalies.length, 500);
});
