/**
 * What other inits have met, and the test of ours that holds it. The test below
 * reads this table and looks each test up, so that none is lost without notice.
 *
 * | what happens | met by | held by |
 * |---|---|---|
 * | SIGCHLDs that fall together with the main child's end | catatonit 4, erlinit 52, dumb-init 44 | namespace/container_test.ts: runContainer ends with the code of a command that ends among its orphans |
 * | exits behind the few SIGCHLDs of a stopped init | erlinit 52 | namespace/reaping_test.ts: setupSignals finds 500 exits behind the few signals |
 * | two waiters steal each other's statuses | the runtime's own Deno.Command | unit/structure_test.ts: nothing in lib spawns through the runtime |
 * | an exit is told twice, or of an earlier process | containerd 13539 | simulation/supervisor/services.ts: an exit that is told twice counts once |
 * | an exit before its process is registered | dumb-init 104 | namespace/reaping_test.ts: miss no exit that comes before its process is registered |
 * | a pid that is another's by now | OpenIPC 2245, pitchfork 878 | namespace/supervisor_hostile_test.ts: an exit is its own process's although the number was given to another |
 * | the signal mask is inherited | erlinit 33 | namespace/spawn_test.ts: spawn starts a child clean |
 * | ignored signals and mask in a container | dumb-init 25 | namespace/container_test.ts: runContainer gives the command the signal mask and ignored signals |
 * | descriptors leak into services | systemd 4507, icinga2 2847 | namespace/supervisor_definition_test.ts: a child of the init starts clean |
 * | a sync that never ends | systemd 10080, systemd 30025 | simulation/init/peers_test.ts: a sync that never ends does not keep the machine up |
 * | a reboot that fails or hangs | systemd 28256 | simulation/init/peers_test.ts: a reboot that fails is tried again, and then the watchdog's |
 * | a shutdown stuck behind a service | finit 227, finit 397 | namespace/supervisor_stop_test.ts: a stopped service that ignores its stop signal is killed |
 * | a shutdown while a service still starts | dinit 225, finit 432 | namespace/supervisor_stop_test.ts: SIGTERM while services still start |
 * | a shutdown while nothing answers | finit 227 | unit/init/core_test.ts: stepInit reaches power although nothing answers and no process dies |
 * | SIGTERM before anything is ready for it | dumb-init 136 | namespace/supervisor_stop_test.ts: SIGTERM as early as the init can take it |
 * | a second SIGTERM | finit 397 | namespace/supervisor_stop_test.ts: a second SIGTERM cuts the time-outs |
 * | services stopped by SIGSTOP | dumb-init 25 | namespace/supervisor_stop_test.ts: a service stopped by SIGSTOP goes down at its stop signal |
 * | a service that is killed a thousand times | finit 227 | namespace/supervisor_storm_test.ts: a service that is killed 1000 times in a row |
 * | a notification after its sender's death | systemd 2737 | namespace/supervisor_readiness_test.ts: what is said after the death of a process |
 * | a dependency cycle | every init with dependencies | unit/supervisor/graph_test.ts: buildGraph reports the path of a cycle |
 * | a cycle that comes with a reload | every init with reloads | unit/supervisor/supervisor_test.ts: refuses a reload with a cycle |
 * | definitions are reloaded under running services | finit, dinit, s6-rc | namespace/supervisor_reload_test.ts: SIGHUP starts new services, stops removed ones |
 *
 * The numbers are those of issues and pull requests in the projects'
 * repositories on GitHub.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";

const TESTS = new URL("../", import.meta.url);

interface Row {
  readonly scenario: string;
  readonly file: string;
  readonly test: string;
}

function rows(): Row[] {
  const text = Deno.readTextFileSync(new URL(import.meta.url));
  return [
    ...text.matchAll(/^ \* \| ([^|]+) \| [^|]+ \| (\S+\.ts): ([^|]+) \|$/gm),
  ]
    .map(([, scenario = "", file = "", test = ""]) => ({
      scenario,
      file,
      test: test.trim(),
    }));
}

Deno.test("each scenario that peers have met is held by a test of ours", () => {
  const table = rows();
  assert(table.length >= 20, `${table.length} scenarios were read`);
  const missing = table.filter(({ file, test }) =>
    !Deno.readTextFileSync(new URL(file, TESTS)).includes(test)
  );
  assertEquals(missing, []);
});
