import { assertEquals, assertThrows } from "@std/assert";
import { withCredentials } from "../../../lib/linux/credentials.ts";
import { SystemError } from "../../../lib/linux/error.ts";
import {
  type Libc,
  overrideLibc,
  setErrno,
  syscallNumbers,
} from "../../../lib/linux/libc.ts";

const numbers = syscallNumbers();
const names: Record<number, string> = {
  [numbers.setgroups]: "setgroups",
  [numbers.setresuid]: "setresuid",
  [numbers.setresgid]: "setresgid",
};

/** A thread's credentials behind the libc table, with the calls as lines. */
function thread(
  refuses: readonly string[] = [],
): { calls: string[]; undo: Disposable } {
  const calls: string[] = [];
  const note = (line: string): number => {
    calls.push(line);
    return refuses.includes(line) ? setErrno(1) : 0;
  };
  const fill = (value: number) => (...places: unknown[]): number => {
    for (const place of places) (place as Uint32Array)[0] = value;
    return 0;
  };
  const functions: Partial<Libc> = {
    getresuid: fill(0),
    getresgid: fill(0),
    getgroups: (size, list) => {
      if (size > 0) (list as Uint32Array).set([0, 4]);
      return 2;
    },
    capget: (_header, sets) => {
      (sets as Uint32Array).set([0xFFFF, 0xFFFF, 0, 0xFF, 0xFF, 0]);
      return 0;
    },
    capset: (_header, sets) => {
      const words = sets as Uint32Array;
      return note(`capset inheritable ${words[2]} ${words[5]}`);
    },
    prctl: (operation, argument2, argument3) => {
      if (operation === 3) return 1; // dumpable
      if (operation === 2) return 0; // death signal: the buffer stays 0
      return note(`prctl ${operation} ${argument2} ${argument3}`);
    },
    syscall: (number, size, list) =>
      note(
        `${names[Number(number)]} ${size} ${
          list === null ? "" : [...list as Uint32Array]
        }`,
      ),
    syscallPlain: (number, a, b, c) =>
      note(`${names[Number(number)]} ${a} ${b} ${c}`),
  };
  return { calls, undo: overrideLibc(functions) };
}

const camera = {
  userId: 900,
  groupId: 901,
  supplementaryGroupIds: [44, 902],
  ambientCapabilities: ["CAP_NET_BIND_SERVICE", "CAP_SYSLOG"],
} as const;

const forward = [
  "capset inheritable 1024 4",
  "setgroups 2 44,902",
  "setresgid 901 901 901",
  "setresuid 900 900 0",
  "prctl 47 2 10",
  "prctl 47 2 34",
];
const back = [
  "prctl 47 4 0",
  "setresuid 0 0 0",
  "setresgid 0 0 0",
  "setgroups 2 0,4",
  "capset inheritable 0 0",
  "prctl 4 1 0",
];

Deno.test("withCredentials takes them in an order that the kernel allows, and undoes it backwards", () => {
  const { calls, undo } = thread();
  using _ = undo;
  assertEquals(
    withCredentials(camera, () => calls.push("spawn")),
    forward.length + 1,
  );
  assertEquals(calls, [...forward, "spawn", ...back]);
});

Deno.test("withCredentials undoes as much as it did when a step or the action fails", () => {
  for (let failing = 0; failing < forward.length; failing++) {
    const { calls, undo } = thread([forward[failing] ?? ""]);
    using _ = undo;
    assertThrows(
      () => withCredentials(camera, () => calls.push("spawn")),
      SystemError,
      "EPERM",
    );
    assertEquals(calls.includes("spawn"), false);
    assertEquals(calls.slice(0, failing + 1), forward.slice(0, failing + 1));
    // What failed may have been done in part; undoing it as well does no harm.
    const undone = calls.slice(failing + 1);
    assertEquals(undone, back.slice(back.length - undone.length));
  }
  const { calls, undo } = thread();
  using _ = undo;
  assertThrows(
    () =>
      withCredentials(camera, () => {
        throw new Error("no such program");
      }),
    Error,
    "no such program",
  );
  assertEquals(calls, [...forward, ...back]);
});

Deno.test("withCredentials says loudly when a thread can't be made itself again", () => {
  const { calls, undo } = thread(["setresuid 0 0 0"]);
  using _ = undo;
  assertThrows(
    () => withCredentials({ userId: 900 }, () => 0),
    SystemError,
    "this thread is left with other credentials than its own",
  );
  // The steps behind the one that failed are not left out.
  assertEquals(calls.slice(-3), [
    "setresuid 0 0 0",
    "setgroups 2 0,4",
    "prctl 4 1 0",
  ]);
});

Deno.test("withCredentials drops supplementary groups with a user or group, unless they are given", () => {
  for (const credentials of [{ userId: 900 }, { groupId: 901 }]) {
    const { calls, undo } = thread();
    using _ = undo;
    withCredentials(credentials, () => 0);
    assertEquals(calls[0], "setgroups 0 ");
  }
});

Deno.test("withCredentials makes no call at all for nobody else", () => {
  const { calls, undo } = thread();
  using _ = undo;
  assertEquals(withCredentials({}, () => 7), 7);
  assertEquals(withCredentials({ ambientCapabilities: [] }, () => 8), 8);
  assertEquals(calls, []);
});
