/**
 * Ends a process with all that came of it, wherever that has gone: children of
 * children, those in sessions and namespaces of their own, and those whose
 * parents have ended, which are known by a mark in their environment. It imports
 * nothing.
 */

/** The parent of each process that there is; proc_pid_stat(5). */
function parentOfEach(): Map<number, number> {
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      // The name of the program, in parentheses, may hold anything.
      const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      parents.set(Number(name), Number(parent));
    } catch {
      // It has ended meanwhile.
    }
  }
  return parents;
}

function environmentHas(pid: number, mark: string): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0")
      .includes(mark);
  } catch {
    return false;
  }
}

/**
 * A process, and all that came of it.
 *
 * @param root the process
 * @param mark `NAME=value`, as only its environment has it, and what inherited that
 * @returns the ids of those that are there now, without this program's own
 */
export function processFamily(root: number, mark: string): Set<number> {
  const parents = parentOfEach();
  const family = new Set([root]);
  for (const pid of parents.keys()) {
    if (environmentHas(pid, mark)) family.add(pid);
  }
  for (let size = 0; size < family.size;) {
    size = family.size;
    for (const [pid, parent] of parents) {
      if (family.has(parent)) family.add(pid);
    }
  }
  family.delete(Deno.pid);
  return family;
}

/** How often the family is looked at again while it still grows. */
const ROUNDS = 20;

/**
 * Kills a process and all that came of it. They are stopped first, so that none
 * makes another meanwhile.
 *
 * @param root the process
 * @param mark `NAME=value`, as only its environment has it, and what inherited that
 */
export function killFamily(root: number, mark: string): void {
  const stopped = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    const sizeBefore = stopped.size;
    for (const pid of processFamily(root, mark)) {
      if (stopped.has(pid)) continue;
      stopped.add(pid);
      send(pid, "SIGSTOP");
    }
    if (stopped.size === sizeBefore) break;
  }
  for (const pid of stopped) send(pid, "SIGKILL");
}

function send(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
