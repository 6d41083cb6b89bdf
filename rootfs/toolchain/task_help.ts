/**
 * The help of the tasks that have no program of their own. It imports nothing
 * outside rootfs/toolchain.
 */
import { LIMIT_VARIABLE, SUITES } from "./test_limit.ts";

/** What all tasks take from the environment. */
const ENVIRONMENT =
  `  SPACEOS_NETWORK     open or closed: what the machine reaches, instead of a
                      probe of at most 3 seconds. On closed machines only the
                      npm registry and Debian's packages are used.
  SPACEOS_PROGRESS    off: say nothing of what is being built or fetched.`;

/** The help of `deno task help`. */
export const HELP = `NAME
  deno task - build, boot, test and measure spaceos-init

SYNOPSIS
  deno task NAME [ARGUMENT...]
  npx -y deno@2.4.2 task NAME [ARGUMENT...]    without deno on the PATH

TASKS
  boot [OPTION...]     build the image and boot it in QEMU
  image [OPTION...]    build kernel, initrd, command line and disk
  compile [NAME...]    compile the programs into rootfs/out/bin
  test [SUITE...]      run the tests
  test:long [SUITE...] the same with many more simulated cases
  bench [NAME...]      measure side by side with peers
  disk COMMAND         spaceos-disk: make, show, check and repair volumes
  ctl COMMAND          spaceosctl: talk to a running VM
  check                formatting, lint, types, documentation, and what JSR
                       would say of a publication
  readme               write the generated parts of README.md anew
  help                 this text

  deno task NAME --help tells more of each.

EXIT STATUS
  0  done
  1  failed; boot, disk and ctl tell more by theirs
  2  wrong usage

ENVIRONMENT
${ENVIRONMENT}

EXAMPLES
  deno task boot
  deno task test unit
  deno task image --help`;

const SUITE_LINES = Object.entries(SUITES).map(
  ([name, { description, usualMinutes, limitMinutes }]) =>
    `  ${name.padEnd(11)}${description.padEnd(38)}${
      String(usualMinutes).padStart(4)
    }${String(limitMinutes).padStart(7)}`,
).join("\n");

/** The help of `deno task test` and `deno task test:long`. */
export const TEST_HELP = `NAME
  test - run the tests

SYNOPSIS
  deno task test [SUITE...]
  deno task test:long [SUITE...]

DESCRIPTION
  Runs all suites, or those that are named, one after the other, and ends with
  what failed and the line "N passed, N failed". test:long simulates millions
  of cases instead of thousands. What tests need and the machine lacks (QEMU, a
  kernel, a browser, ...) is fetched from Debian.

  A suite that is not done at its limit is killed, with all that it started, and
  counts as failed; the report names the test that began last. test:long allows
  ten times as much.

SUITES                                 minutes: usual  limit
${SUITE_LINES}

EXIT STATUS
  0  every test passed
  1  a test failed, or a suite could not be run
  2  there is no such suite

ENVIRONMENT
  ${LIMIT_VARIABLE}  the limit of every suite in minutes instead; 0 for none
  SPACEOS_SEED        the one seed that the simulations run
${ENVIRONMENT}

EXAMPLES
  deno task test
  deno task test unit simulation
  SPACEOS_SEED=42 deno task test simulation`;

/** The help of `deno task check`. */
export const CHECK_HELP = `NAME
  check - judge the source text

SYNOPSIS
  deno task check

DESCRIPTION
  Runs, one after the other, however the others end:
    fmt      deno fmt --check
    lint     deno lint, with the rules of JSR
    check    deno check of all sources, and of the documentation's examples
    doc      deno doc --lint of the library
    pages    deno doc --html of the library
    publish  deno publish --dry-run. Where jsr.io is not reached, it runs on a
             copy whose jsr: imports are replaced by stand-ins: that judges all
             but the imports themselves

EXIT STATUS
  0  all is clean
  1  something is not
  2  wrong usage

ENVIRONMENT
${ENVIRONMENT}

EXAMPLES
  deno task check`;

/** Whether a command line asks for help. */
export function asksForHelp(args: readonly string[]): boolean {
  return args.includes("--help") || args.includes("-h");
}
