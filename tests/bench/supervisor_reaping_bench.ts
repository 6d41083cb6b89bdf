/**
 * Orphans reaped in a second, in container mode against the inits of
 * containers. A command makes orphans that wait, lets go of all of them at
 * once, and looks when the last number is gone: so long they were the init's.
 *
 * @module
 */
import { requireProgram } from "../../rootfs/toolchain/debian_program.ts";
import { compileInit, EXECUTABLE } from "./compiled_init.ts";
import type { Comparison, Contender } from "./harness.ts";

const ORPHANS = 3_000;

/** How often one process 1 goes through it; the first time only warms up. */
const ROUNDS = 4;

/**
 * Prints the time of each round in nanoseconds. It keeps to what Debian's
 * perl-base has, which is there on every machine: 228 is clock_gettime(2), 1
 * CLOCK_MONOTONIC.
 */
const STORM = `
  sub nanoseconds {
    my $time = pack("qq", 0, 0);
    syscall(228, 1, $time);
    my ($seconds, $rest) = unpack("qq", $time);
    return $seconds * 1e9 + $rest;
  }
  $| = 1;
  for (1..${ROUNDS}) {
    pipe(my $gate, my $hold) or die; pipe(my $names, my $say) or die;
    my $mother = fork;
    if (!$mother) {
      close $hold;
      for (1..${ORPHANS}) {
        my $orphan = fork;
        if (!$orphan) { sysread($gate, my $byte, 1); exit 0; }
        syswrite($say, pack("L", $orphan));
      }
      exit 0;
    }
    close $gate; close $say;
    my @orphans;
    while (sysread($names, my $number, 4)) { push @orphans, unpack("L", $number); last if @orphans == ${ORPHANS}; }
    waitpid($mother, 0);
    my $began = nanoseconds();
    close $hold;
    while (@orphans) { if (kill 0, $orphans[-1]) { select(undef, undef, undef, 0.0002) } else { pop @orphans } }
    printf "%.0f\\n", nanoseconds() - $began;
  }`;

/** The median round of a process 1, per orphan, in nanoseconds. */
async function stormNs(init: readonly string[]): Promise<number> {
  const { stdout, success } = await new Deno.Command("unshare", {
    args: [
      ...["--pid", "--fork", "--kill-child", "--mount-proc"],
      ...[...init, "/usr/bin/perl", "-e", STORM],
    ],
    stdin: "null",
    stderr: "inherit",
  }).output();
  const rounds = new TextDecoder().decode(stdout).trim().split("\n")
    .map(Number).slice(1).sort((a, b) => a - b);
  if (!success || rounds.length !== ROUNDS - 1) {
    throw new Error(`${init[0]}: the storm was not survived`);
  }
  return (rounds[(ROUNDS - 1) >> 1] ?? NaN) / ORPHANS;
}

const contender = (name: string, init: readonly string[]): Contender => ({
  name,
  run: async (times) => {
    let totalNs = 0;
    for (let time = 0; time < times; time++) totalNs += await stormNs(init);
    return totalNs;
  },
});

/** The comparison; what it needs is installed and compiled first. */
export async function comparisons(): Promise<Comparison[]> {
  await compileInit();
  const tini = await requireProgram("/usr/bin/tini", "tini");
  const dumbInit = await requireProgram("/usr/bin/dumb-init", "dumb-init");
  const catatonit = await requireProgram("/usr/bin/catatonit", "catatonit");
  return [{
    title: `one of ${ORPHANS} orphans that end at once, from its end to reaped`,
    baseline: "tini",
    contenders: [
      contender("spaceos-init", [EXECUTABLE, "--"]),
      contender("tini", [tini, "--"]),
      contender("dumb-init", [dumbInit, "--"]),
      contender("catatonit", [catatonit, "--"]),
    ],
    targets: [{ contender: "spaceos-init", atLeast: 1 }],
    times: 1,
    turns: 5,
  }];
}
