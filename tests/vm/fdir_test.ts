/**
 * Faults in a real machine: each is done by a program in the guest, or to the
 * disk from outside, and must be on the console, in the event log and in the
 * answer of FDIR_CHECK at the next look.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  CHECK_CODES,
  CHECK_NAMES,
  type CheckName,
} from "../../lib/fdir/checks.ts";
import { eventCodes } from "../../lib/wire/event_code.ts";
import { INIT_PARAMETERS } from "../../lib/init/config.ts";
import { decodeEventRecord } from "../../lib/wire/event.ts";
import {
  decodeFdirResult,
  type FdirResult,
} from "../../lib/wire/fdir_result.ts";
import { FrameType } from "../../lib/wire/frame.ts";
import { decodeHealth, SystemMode } from "../../lib/wire/health.ts";
import { ParameterStatus } from "../../lib/wire/parameter_message.ts";
import { CommandCode } from "../../lib/wire/telecommand.ts";
import { requireKernel } from "../../rootfs/toolchain/kernel_package.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { Host } from "./host.ts";
import { Machine } from "./machine.ts";
import {
  overlaid,
  type OverlaidImage,
  programFile,
  serviceFile,
  textFile,
} from "./overlay.ts";

const FAULT_PROGRAM = new URL("../fixtures/fault.pl", import.meta.url);
const MODULE = "/tmp-module.ko";

/** A service of the fault program; those of faults are started by the host. */
function fault(
  name: string,
  args: readonly string[],
  more = {},
): ReturnType<typeof serviceFile> {
  return serviceFile(name, {
    command: ["/usr/bin/perl", "/fault.pl", ...args],
    noNewPrivileges: false,
    ...more,
  });
}

/** A fault that the host starts by the name of its service. */
const onDemand = (name: string, ...args: string[]) =>
  fault(name, args, { type: "oneshot", start: "demand", restart: "never" });

/** It tells when it is up: what it is then is its reference, however slow the machine. */
const victim = (name: string) =>
  fault(name, ["victim", name], {
    restart: "always",
    safeMode: true,
    readiness: { kind: "notify-fd", fd: 3 },
  });

async function imageWith(configuration: unknown): Promise<OverlaidImage> {
  const kernel = await requireKernel();
  return overlaid([
    programFile("/usr/bin/perl"),
    textFile("/fault.pl", await Deno.readTextFile(FAULT_PROGRAM)),
    textFile("/etc/spaceos/fdir.json", JSON.stringify(configuration)),
    {
      path: MODULE,
      bytes: await Deno.readFile(
        `${kernel.modulesFolder}/kernel/drivers/misc/pvpanic/pvpanic.ko`,
      ),
      executable: false,
    },
    victim("victim"),
    victim("other"),
    onDemand("map", "map", "victim"),
    onDemand("capabilities", "capabilities", "victim"),
    onDemand("no-new-privileges", "no-new-privileges", "victim"),
    onDemand("namespace", "namespace", "victim"),
    onDemand("cgroup", "cgroup", "victim"),
    onDemand("cgroup-other", "cgroup", "other"),
    onDemand("no-seccomp", "no-seccomp"),
    onDemand("file", "file", "/etc/spaceos/modules"),
    onDemand("mount", "mount"),
    onDemand("module", "module", MODULE),
    onDemand("clock", "clock", "100"),
    onDemand("memory", "memory", "120"),
  ]);
}

/** So often at most a test looks for what takes its time, and how long it rests in between. */
const MOST_LOOKS = 300;
const LOOK_AGAIN_MS = 200;

/** How often it looks by itself, once it is told so. */
const LOOK_INTERVAL_MS = 3000;

type Anomalies = FdirResult["anomalies"];

const findAnomaly = (
  anomalies: Anomalies,
  check: CheckName,
  subject: string,
) =>
  anomalies.find((anomaly) =>
    anomaly.check === CHECK_CODES[check] && anomaly.subject === subject
  );

/** The anomalies by name, for messages. */
const namesOf = (anomalies: Anomalies): string =>
  anomalies.map(({ check, subject, text }) =>
    `${CHECK_NAMES[check - 1]} ${subject}: ${text}`
  ).join("; ") || "none";

/** The host of a machine with faults. */
class FaultHost {
  readonly host: Host;
  readonly #machine: Machine;

  constructor(machine: Machine, host: Host) {
    this.#machine = machine;
    this.host = host;
  }

  /** Starts a service that does damage, and waits until it has. */
  async damage(
    service: string,
    done = new RegExp(`SERVICE_STARTED ${service}: has done its work`),
  ): Promise<void> {
    await this.host.done(
      CommandCode.SERVICE_START,
      new TextEncoder().encode(service),
    );
    await this.#machine.waitForConsole(done);
  }

  /** Has it look now. */
  async check(action?: number): Promise<FdirResult> {
    const args = action === undefined ? undefined : Uint8Array.of(action);
    return decodeFdirResult(await this.host.done(CommandCode.FDIR_CHECK, args));
  }

  /** Asserts that an anomaly is in the answer of a look and on the console. */
  async finds(check: CheckName, subject: string, text: RegExp): Promise<void> {
    const { anomalies } = await this.check();
    const found = findAnomaly(anomalies, check, subject);
    assert(
      found !== undefined,
      `${check} ${subject} is not among ${namesOf(anomalies)}`,
    );
    assertMatch(found.text, text);
    await this.#machine.waitForConsole(`FDIR_ANOMALY ${check} ${subject}`);
  }

  /** Looks until an anomaly is there that takes its time, and is on the console. */
  async comesToFind(
    check: CheckName,
    subject: string,
    text: RegExp,
  ): Promise<void> {
    for (let looks = 1;; looks++) {
      const { anomalies } = await this.check();
      const found = findAnomaly(anomalies, check, subject);
      if (found !== undefined && text.test(found.text)) break;
      assert(
        looks < MOST_LOOKS,
        `no ${check} ${subject} ${text} in ${looks} looks, but ${
          namesOf(anomalies)
        }`,
      );
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    await this.#machine.waitForConsole(`FDIR_ANOMALY ${check} ${subject}`);
  }
}

/** The texts of the event records in the ring. */
function eventTexts(disk: Uint8Array, code: number): string[] {
  const texts: string[] = [];
  for (let block = 17; block <= 32; block++) {
    for (let slot = 0; slot < 6; slot++) {
      const start = block * 512 + slot * 76;
      try {
        const record = decodeEventRecord(disk.subarray(start, start + 76));
        if (record.eventCode === code) {
          texts.push(new TextDecoder().decode(record.payload));
        }
      } catch {
        // An empty slot.
      }
    }
  }
  return texts;
}

/** A block of the ring that is not as it was, or -1. */
function changedEventBlock(before: Uint8Array, after: Uint8Array): number {
  for (let at = 17 * 512; at < 33 * 512; at++) {
    if (before[at] !== after[at]) return Math.floor(at / 512);
  }
  return -1;
}

const LOG = { response: "LOG" };

Deno.test("each fault of a real machine is found at the next look, and has an event", async () => {
  const checks = Object.fromEntries(
    Object.keys(CHECK_CODES).map((name) => [name, LOG]),
  );
  using image = await imageWith({
    settleMs: 1000,
    // How busy the machine below is is nobody's fault here.
    limits: {
      memoryAvailablePercent: 50,
      memoryPressurePercent: 100,
      ioPressurePercent: 100,
    },
    checks: { ...checks, memory: { ...LOG, bad: 2, of: 2 } },
  });
  await using machine = Machine.boot({ image, disk: makeDisk("good") });
  const host = new Host(await machine.connectIpc());
  const faults = new FaultHost(machine, host);
  await machine.waitForConsole(/READY.*\n/);
  await machine.waitForConsole("victim: victim up");
  await machine.waitForConsole("other: victim up");
  // The first look is due once all have settled; two more find nothing new.
  let calm = await faults.check();
  while (calm.compared < 3) calm = await faults.check();
  calm = await faults.check();
  assertEquals(calm.anomalies, []);
  assert(calm.mappingsDigest.some((byte) => byte !== 0));

  await faults.damage("file");
  await faults.finds(
    "files",
    "image",
    /^\/etc\/spaceos\/modules has another SHA-256/,
  );
  await faults.damage("map", /victim: victim did map/);
  await faults.finds("mappings", "victim", /^\+ .* r-xp .*\/tmp\/code/);
  await faults.damage("cgroup");
  await faults.finds(
    "cgroup",
    "victim",
    /^is in \/elsewhere, expected \/spaceos\/victim/,
  );
  await faults.damage("namespace", /victim: victim did namespace/);
  await faults.finds("namespaces", "victim", /^uts is/);
  await faults.damage("mount");
  await faults.finds("mounts", "machine", /^\+ .* \/var .*tmpfs/);
  await faults.damage("module");
  await faults.finds("modules", "machine", /^\+ pvpanic/);
  await faults.damage("clock");
  await faults.finds("clock", "machine", /^stepped by (9\d|100)\.\d s/);
  await faults.damage(
    "no-new-privileges",
    /victim: victim did no-new-privileges/,
  );
  await faults.finds("privileges", "victim", /^NoNewPrivs is 1, was 0$/);
  await faults.damage("capabilities", /victim: victim did capabilities/);
  await faults.finds("privileges", "victim", /^NoNewPrivs .*, \d more$|^Cap/);
  // A process that is started again without its filter.
  await faults.damage("no-seccomp");
  await host.done(
    CommandCode.SERVICE_RESTART,
    new TextEncoder().encode("other"),
  );
  await machine.waitForConsole(/other: victim up[\s\S]*other: victim up/);
  await faults.comesToFind("privileges", "other", /^Seccomp is 0, was 2/);

  // A bit of the parameter store and one of the superblock, behind the guest's back.
  machine.flipDiskBit(5 * 512 + 100);
  await faults.finds(
    "parameters",
    "machine",
    /^block 5 is different, repaired/,
  );
  const before = machine.readDisk();
  machine.flipDiskBit(0x15);
  await faults.finds(
    "superblock",
    "machine",
    /^block 0 is different, repaired/,
  );
  // A block of the ring on another page of the guest's cache than the one to
  // which it appends: that one is written as a whole, and would heal it.
  let written = -1;
  await machine.waitForDisk((disk) => {
    written = changedEventBlock(before, disk);
    return written !== -1;
  });
  const settled = written < 22 ? 28 : written < 24 ? 32 : 20;
  machine.flipDiskBit(settled * 512 + 40);
  await faults.finds(
    "events",
    "machine",
    new RegExp(`^block ${settled} is different, repaired`),
  );

  await faults.damage("memory", /SERVICE_STARTED memory|SERVICE_COMMAND/);
  await faults.comesToFind(
    "memory",
    "machine",
    /^[\d.]+ % available, expected at least 50 %$/,
  );

  // What has not been mended is still there; what was repaired has passed.
  const last = await faults.check();
  assertEquals(
    last.anomalies.map(({ check, subject }) =>
      `${CHECK_NAMES[check - 1]} ${subject}`
    ).sort(),
    [
      "cgroup victim",
      "clock machine",
      "files image",
      "mappings victim",
      "memory machine",
      "modules machine",
      "mounts machine",
      "namespaces victim",
      "privileges other",
      "privileges victim",
    ],
  );
  const health = decodeHealth(await host.receive(FrameType.HEALTH));
  assertEquals(health.mode, SystemMode.NOMINAL, "LOG does nothing else");
  assertEquals(health.anomaliesActive, last.anomalyCount);
  // The host has looked at it all and takes it for the reference.
  await faults.check(2);
  let adopted = await faults.check();
  for (let count = 0; count < 5; count++) adopted = await faults.check();
  assertEquals(
    adopted.anomalies.filter(({ check }) =>
      check !== CHECK_CODES.memory && check !== CHECK_CODES.files &&
      check !== CHECK_CODES.cgroup
    ).map(({ check, text }) => `${check} ${text}`),
    [],
  );
  await host.done(CommandCode.POWEROFF);
  assertEquals(await machine.waitForEnd(), "poweroff");
  const events = eventTexts(machine.readDisk(), eventCodes.FDIR_ANOMALY.code);
  assert(
    events.some((text) => text.startsWith("modules machine: + pvpanic")),
    events.join("\n"),
  );
});

Deno.test("FDIR isolates, restarts, degrades and enters safe mode by itself, at its interval", async () => {
  using image = await imageWith({
    settleMs: 1000,
    services: {
      victim: { cgroup: { response: "ISOLATE" } },
      other: { cgroup: { response: "RESTART" } },
    },
  });
  await using machine = Machine.boot({ image, disk: makeDisk("good") });
  const host = new Host(await machine.connectIpc());
  const faults = new FaultHost(machine, host);
  await machine.waitForConsole(/READY.*\n/);
  let calm = await faults.check();
  while (calm.compared < 3) calm = await faults.check();
  await faults.damage("cgroup-other");
  await faults.check();
  await machine.waitForConsole(/FDIR_RESTART cgroup other/);
  await machine.waitForConsole(/other: victim up[\s\S]*other: victim up/);
  await faults.damage("cgroup");
  await faults.check();
  await machine.waitForConsole(/FDIR_ISOLATE cgroup victim/);
  await machine.waitForConsole(/SERVICE_ISOLATED victim/);
  await faults.damage("mount");
  await faults.damage("module");
  await faults.check();
  await machine.waitForConsole(
    /FDIR_DEGRADE 2 anomalies: .*mounts machine, modules machine/,
  );
  await machine.waitForConsole(/MODE_CHANGED nominal -> degraded/);
  const interval = new Uint8Array(4);
  new DataView(interval.buffer).setUint32(0, LOOK_INTERVAL_MS);
  const { id } = INIT_PARAMETERS["fdir-interval"];
  const [set] = await host.setParameter(id, interval);
  assertEquals(set?.status, ParameterStatus.OK);
  await faults.damage("clock");
  // Nobody asks for this look: it comes by itself.
  await machine.waitForConsole(/FDIR_SAFE_MODE 3 anomalies: .*clock machine/);
  await machine.waitForConsole(/SAFE_MODE_ENTERED FDIR: 3 anomalies/);
  await machine.waitForConsole(/MODE_CHANGED degraded -> safe/);
  await host.done(CommandCode.POWEROFF);
  assertEquals(await machine.waitForEnd(), "poweroff");
});
