/**
 * Breaks the init on purpose, one line at a time, and plays seeds of the whole
 * init against each broken copy until one of its rules is broken, too: a
 * mutation that lives means a rule that is missing. Run as a program it prints
 * the table; `mutations_test.ts` runs a few of them, or all in the long run.
 *
 * @module
 */
import {
  currentEnvironment,
  REPOSITORY,
} from "../../../rootfs/toolchain/environment.ts";

/** One line that is changed. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** The text as it stands; once in its file. */
  readonly from: string;
  readonly to: string;
}

/** How a mutation was caught, or that it was not. */
export interface Outcome {
  readonly mutation: Mutation;
  /** The seed whose play broke a rule, and the rule; null when none did. */
  readonly caught: { readonly seed: number; readonly rule: string } | null;
  readonly seconds: number;
}

const CORE = "lib/init/core.ts";
const SHELL = "lib/init/shell.ts";

/** The mutations; the first few, which are caught soon, are those of every run. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "a flush is left out",
    file: "lib/storage/committer.ts",
    from:
      "await Promise.all(runs.map((run) => device.write(run.block, run.image)));\n    await device.flush();",
    to:
      "await Promise.all(runs.map((run) => device.write(run.block, run.image)));",
  },
  {
    name: "an EVR goes out before its record is durable",
    file: "lib/init/records.ts",
    from: "void this.#store(record, false).finally(() =>",
    to:
      "void this.#store(record, false);\n    void Promise.resolve().finally(() =>",
  },
  {
    name: "the shutdown has no deadline",
    file: "lib/init/shutdown.ts",
    from: "if (nowMs < state.deadlineMs) return state;",
    to: "if (nowMs >= 0) return state;",
  },
  {
    name: "a request is answered twice",
    file: "lib/init/host_session.ts",
    from: "    writeAnswer(\n      request,",
    to:
      '    writeAnswer(request, status, result ?? NO_BYTES, (frame) =>\n      this.#sendTo("answer", frame));\n    writeAnswer(\n      request,',
  },
  {
    name: "services start before what they require is up",
    file: "lib/supervisor/rules.ts",
    from: 'if (!isAvailable(turn, other)) result = "waiting";',
    to: 'if (!isAvailable(turn, other)) result = "ready";',
  },
  {
    name: "the mode is changed and not recorded",
    file: CORE,
    from: 'this.record("MODE_CHANGED", `${state.mode} -> ${mode}`);',
    to: "",
  },
  {
    name: "the watchdog is petted whatever is wrong",
    file: CORE,
    from: 'if (starving === null) this.effects.push({ kind: "pet" });',
    to: 'this.effects.push({ kind: "pet" });',
  },
  {
    name: "the backoff ends a little early",
    file: "lib/supervisor/service.ts",
    from: "return nowMs < state.untilMs\n",
    to: "return nowMs < state.untilMs - 50\n",
  },
  {
    name: "a stopped process is asked to stop, and not to go on",
    file: "lib/supervisor/termination.ts",
    from: '  if (signal !== "SIGKILL") {\n    sendSignal(',
    to: '  if (signal === "SIGKILL") {\n    sendSignal(',
  },
  {
    name: "the last record of a group is not written",
    file: "lib/storage/events.ts",
    from: "image.set(bytes, used * EVENT_RECORD_SIZE_BYTES);",
    to: "if (used !== 3) image.set(bytes, used * EVENT_RECORD_SIZE_BYTES);",
  },
  {
    name: "a problem does not degrade the mode",
    file: "lib/init/core_condition.ts",
    from: "const isMissing = state.problems.size > 0 ||",
    to: "const isMissing = state.problems.size > 99 ||",
  },
  {
    name: "READY waits for ever",
    file: CORE,
    from: "if (!late && isMoving(supervisor)) return;",
    to: "if (isMoving(supervisor)) return;",
  },
  {
    name: "a boot is healthy at once",
    file: CORE,
    from: "if (this.nowMs < provingSinceMs + HEALTHY_AFTER_MS) return;",
    to: "if (this.nowMs < provingSinceMs) return;",
  },
  {
    name: "HEALTH is due from when it was due, not from now",
    file: CORE,
    from: "nextHealthMs: this.nowMs + this.state.settings.healthIntervalMs,",
    to:
      "nextHealthMs: this.state.nextHealthMs + 2 * this.state.settings.healthIntervalMs,",
  },
  {
    name: "safe mode is asked for and not entered",
    file: CORE,
    from: 'if (safeMode) this.supervise({ kind: "enter-safe-mode" });',
    to: "",
  },
  {
    name: "a second request for a shutdown begins another",
    file: "lib/init/core_turn.ts",
    from:
      '    if (this.state.shutdown !== null) {\n      this.moveShutdown({ kind: "again", action });',
    to:
      '    if (this.state.shutdown?.stage === "power") {\n      this.moveShutdown({ kind: "again", action });',
  },
  {
    name: "three failed boots lead nowhere",
    file: "lib/init/boot_counter.ts",
    from: "return this.#failedBoots >= FAILED_BOOT_LIMIT;",
    to: "return this.#failedBoots > FAILED_BOOT_LIMIT;",
  },
  {
    name: "a healthy boot leaves the count as it was",
    file: SHELL,
    from: "return void this.#counter.healthy();",
    to: "return;",
  },
  {
    name: "an orderly end before it is healthy counts as a failed boot",
    file: SHELL,
    from: "if (readyMs !== null && !healthy) await this.#counter.withdraw();",
    to: "",
  },
  {
    name: "the shell waits by the wall clock",
    file: SHELL,
    from: "    return Math.floor(this.#machine.boottimeMs());",
    to: "    return Math.floor(this.#machine.realtimeMs() % 1e9);",
  },
  {
    name: "exits are taken one at a SIGCHLD",
    file: SHELL,
    from: "const exits = this.#machine.drainChildExits(EXIT_BATCH);",
    to: "const exits = this.#machine.drainChildExits(1);",
  },
  {
    name: "the storage stage never ends",
    file: "lib/init/shutdown_stages.ts",
    from: 'this.#parts.onDone("storage");',
    to: "",
  },
  {
    name: "a missed start is never noticed",
    file: "lib/supervisor/service.ts",
    from:
      "  if (deadlineMs === null || nowMs < deadlineMs) return unchanged(state);",
    to: "  if (deadlineMs !== null || nowMs < 0) return unchanged(state);",
  },
  {
    name: "a start limit is one too few",
    file: "lib/supervisor/service.ts",
    from: "if (times.length >= limit) {",
    to: "if (times.length + 1 >= limit) {",
  },
  {
    name: "nobody is killed who does not go",
    file: "lib/supervisor/termination.ts",
    from: 'sendSignal(turn, index, "SIGKILL", "cgroup");',
    to: "",
  },
  {
    name: "who depends on a service is not waited for when it stops",
    file: "lib/supervisor/rules.ts",
    from:
      "    if (!isDown(turn, other)) return false;\n  }\n  for (const other of graph.softBy",
    to: "  }\n  for (const other of graph.softBy",
  },
  {
    name: "the journal is skipped for a block that holds others' records",
    file: "lib/storage/committer.ts",
    from: "writes.push({ block: journalBlock, image: encodeJournal(entry) });",
    to: "writes.push({ block, image });",
  },
  {
    name: "a journal that is ahead is not restored",
    file: "lib/storage/recovery.ts",
    from: '  if (decision === null) return done("spent", targetBlock);',
    to: '  if (decision !== null) return done("spent", targetBlock);',
  },
  {
    name: "a parameter is acknowledged before it is durable",
    file: "lib/storage/writer.ts",
    from: '    return this.#submit({ kind: "set", parameterId, value });',
    to:
      '    void this.#submit({ kind: "set", parameterId, value });\n    return Promise.resolve({ parameterId, value, generation: 0 });',
  },
  {
    name: "the link forgets its place in a frame when it is read in pieces",
    file: "lib/host/framer.ts",
    from: "      this.#filledBytes += take;",
    to: "      this.#filledBytes += take === 255 ? 254 : take;",
  },
  {
    name: "a hang-up leaves half a frame behind",
    file: "lib/host/link.ts",
    from: "    if (this.#isLeaving) this.#framer.reset();\n    else if",
    to: "    if (this.#isLeaving);\n    else if",
  },
  {
    name: "moved events take the place of the newest",
    file: "lib/storage/events.ts",
    from: "if (isEmpty === true && sequence === null) return candidate;",
    to: "if (isEmpty !== undefined) return candidate;",
  },
  {
    name: "a journal that can't be read is trusted",
    file: "lib/storage/recovery.ts",
    from: "if (!isUsable) usableJournal = null;",
    to: "",
  },
  {
    name: "the room for an answer is never given back",
    file: "lib/init/host_session.ts",
    from: "    this.#keptFrames -= ticket.frames;\n",
    to: "",
  },
  {
    name: "a refusal is not said",
    file: "lib/init/host_session.ts",
    from: "      this.#refuse(frame, FrameErrorCode.HOST_BUSY);\n",
    to: "",
  },
  {
    name: "answers wait for ever that nobody came for",
    file: "lib/host/link.ts",
    from: "    this.#isHostAwaited = false;\n    this.#queue.dropOwed();\n",
    to: "    this.#isHostAwaited = false;\n",
  },
  {
    name: "answers wait for ever for a host that came and went unseen",
    file: "lib/host/link.ts",
    from: "    if (!this.#isConnected) this.#hasReadAlone = true;\n",
    to: "",
  },
];

/** How many seeds a mutation may live through at most. */
const MAXIMUM_SEEDS = 20_000;

/** What a broken copy needs of the repository. */
const COPIED = ["lib", "mod.ts", "tests/simulation", "deno.json"];

/**
 * Plays seeds against a copy with one mutation.
 *
 * @param mutation The mutation.
 * @param seeds How many seeds at most.
 * @throws {Error} When the text that is to be changed does not stand in its
 * file exactly once.
 */
export async function tryMutation(
  mutation: Mutation,
  seeds: number = MAXIMUM_SEEDS,
): Promise<Outcome> {
  const startMs = performance.now();
  const folder = await Deno.makeTempDir({ prefix: "spaceos-mutation-" });
  try {
    await copyRepository(folder);
    const path = `${folder}/${mutation.file}`;
    const text = await Deno.readTextFile(path);
    const parts = text.split(mutation.from);
    if (parts.length !== 2) {
      throw new Error(
        `"${mutation.from}" stands ${
          parts.length - 1
        } times in ${mutation.file}, expected once`,
      );
    }
    await Deno.writeTextFile(path, parts.join(mutation.to));
    const caught = await hunt(folder, seeds);
    return {
      mutation,
      caught,
      seconds: (performance.now() - startMs) / 1000,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function copyRepository(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/tests`, { recursive: true });
  for (const path of COPIED) {
    const { success } = await new Deno.Command("cp", {
      args: ["-r", `${REPOSITORY}/${path}`, `${folder}/${path}`],
    }).output();
    if (!success) throw new Error(`${path} could not be copied`);
  }
  await Deno.symlink(`${REPOSITORY}/rootfs`, `${folder}/rootfs`);
}

/** Plays in a process of its own: a broken init may not come back. */
async function hunt(
  folder: string,
  seeds: number,
): Promise<Outcome["caught"]> {
  const { configArguments, variables } = currentEnvironment();
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--allow-all",
      "--no-lock",
      ...configArguments,
      `${folder}/tests/simulation/init/hunt.ts`,
      String(seeds),
    ],
    env: { ...variables },
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(HUNT_LIMIT_MS),
  });
  const { code, stdout, stderr } = await command.output();
  const said = new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
  if (code === 0 && said !== "") return JSON.parse(said);
  // It hung, or threw where nothing may be thrown: that is caught, too.
  const error = new TextDecoder().decode(stderr).trim().split("\n")[0] ?? "";
  return { seed: 0, rule: error === "" ? "it never comes to an end" : error };
}

/** How long a broken init is given, in milliseconds. */
const HUNT_LIMIT_MS = 300_000;

/** The outcomes as a table. */
export function formatOutcomes(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ mutation, caught }) =>
    `| ${mutation.name} | ${mutation.file} | ${caught?.seed ?? "–"} | ${
      caught?.rule.slice(0, 100) ?? "LIVES"
    } |`
  );
  return [
    "| mutation | file | seed | what it broke |",
    "|---|---|---|---|",
    ...rows,
  ]
    .join("\n");
}

if (import.meta.main) {
  const wanted = Deno.args[0] ?? "";
  const outcomes: Outcome[] = [];
  for (const mutation of MUTATIONS) {
    if (!mutation.name.includes(wanted)) continue;
    outcomes.push(await tryMutation(mutation));
    console.error(formatOutcomes(outcomes.slice(-1)).split("\n").at(-1));
  }
  console.log(formatOutcomes(outcomes));
  const living = outcomes.filter(({ caught }) => caught === null).length;
  console.log(`${outcomes.length - living} caught, ${living} live`);
  Deno.exit(living === 0 ? 0 : 1);
}
