import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { INIT_PARAMETERS } from "../../../lib/init/config.ts";
import { encodeFrameFault } from "../../../lib/wire/error_frame.ts";
import { EventSeverity } from "../../../lib/wire/event.ts";
import { FrameType } from "../../../lib/wire/frame.ts";
import { LogStream } from "../../../lib/wire/log.ts";
import { ServiceStateCode } from "../../../lib/wire/service_list.ts";
import { CommandCode, CommandStatus } from "../../../lib/wire/telecommand.ts";
import {
  FAKE_HEALTH,
  fakeEvent,
  fakeService,
  FakeVm,
  withFakeVm,
} from "../../fixtures/fake_vm.ts";
import { runCtl, Running, startCtl } from "./support.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

Deno.test("spaceosctl status tells how the VM is, and its exit code whether all is well", async () => {
  await withFakeVm(async (vm) => {
    const socket = ["--socket", vm.path];
    const well = await runCtl(["status", ...socket]);
    assertEquals([well.code, well.stderr], [0, ""]);
    assertMatch(well.stdout, /^mode +nominal$/m);
    assertMatch(well.stdout, /^services +2 of 2 running$/m);
    assertMatch(well.stdout, /^memory +175.8 MiB of 468.8 MiB used$/m);

    vm.health = { ...FAKE_HEALTH, mode: 2 };
    vm.services.push(fakeService("cam", { state: ServiceStateCode.FAILED }));
    const ill = await runCtl([...socket, "--json", "status"]);
    assertEquals(ill.code, 1);
    const [line] = ill.json();
    const { latencyMs, ...result } = line?.result as Record<string, unknown>;
    assertEquals(typeof latencyMs, "number");
    assertEquals(line?.vm, "vm-a");
    assertEquals(line?.socket, vm.path);
    assertEquals(result, {
      mode: "degraded",
      uptimeSeconds: 61,
      anomaliesActive: 0,
      memoryAvailableKib: 300_000,
      memoryTotalKib: 480_000,
      bootCount: 3,
      framesIn: 1,
      framesOut: 2,
      framesDropped: 0,
      childExits: 3,
      eventCount: 4,
      watchdogPets: 5,
      load1: 0.25,
      services: { total: 3, running: 2, failed: ["cam"] },
    });

    vm.overrides.set(
      CommandCode.SERVICE_LIST,
      () => ({ status: CommandStatus.EBUSY }),
    );
    const booting = await runCtl(["status", ...socket]);
    assertMatch(booting.stdout, /^services +\(not started yet\)$/m);
  });
});

Deno.test("spaceosctl services lists all services, and tells all of one", async () => {
  await withFakeVm(async (vm) => {
    const socket = ["--socket", vm.path];
    const list = await runCtl(["services", ...socket]);
    assertEquals(list.code, 0);
    assertEquals(list.stdout.split("\n").slice(0, 3), [
      "NAME  STATE    PID  RESTARTS  SINCE    FLAGS",
      "web   running  101  0         5.500 s  wanted",
      "gps   running  102  2         5.500 s  wanted",
    ]);
    const json = (await runCtl(["services", "--json", ...socket])).json();
    assertEquals(json.length, 1);
    assertEquals((json[0]?.result as unknown[])[1], {
      name: "gps",
      state: "running",
      flags: ["wanted"],
      pid: 102,
      restarts: 2,
      sinceMs: 5500,
    });
    const one = await runCtl(["services", "gps", ...socket]);
    assertMatch(one.stdout, /^restarts +2$/m);
    const details = (await runCtl(["services", "gps", "-j", ...socket])).json();
    assertEquals(details[0]?.result, {
      name: "gps",
      state: "running",
      flags: ["wanted"],
      pid: 102,
      restarts: 2,
      sinceMs: 5500,
      nextAttemptMs: 0,
      instance: 1,
      exit: null,
      reason: "",
      stopping: "",
      phase: "",
      description: "",
      lastError: "",
      statusText: "",
      waitsFor: [],
    });
    const [, gps] = vm.services;
    if (gps !== undefined) {
      vm.services[1] = { ...gps, state: ServiceStateCode.FAILED };
    }
    assertEquals((await runCtl(["services", ...socket])).code, 1);
    assertEquals((await runCtl(["services", "gps", ...socket])).code, 1);
    assertEquals((await runCtl(["services", "web", ...socket])).code, 0);
    const none = await runCtl(["services", "nobody", ...socket]);
    assertEquals(none.code, 4);
    assertStringIncludes(none.stderr, "ENOENT, there is no such thing");
  });
});

Deno.test("spaceosctl sends each command that changes something, and says that it was taken", async () => {
  await withFakeVm(async (vm) => {
    const cases: [string[], number, object][] = [
      [["start", "web"], CommandCode.SERVICE_START, {
        service: "web",
        command: "start",
      }],
      [["stop", "web"], CommandCode.SERVICE_STOP, {
        service: "web",
        command: "stop",
      }],
      [["restart", "web"], CommandCode.SERVICE_RESTART, {
        service: "web",
        command: "restart",
      }],
      [["poweroff"], CommandCode.POWEROFF, { command: "poweroff" }],
      [["reboot"], CommandCode.REBOOT, { command: "reboot" }],
      [["halt"], CommandCode.HALT, { command: "halt" }],
      [["safe-mode", "on"], CommandCode.ENTER_SAFE_MODE, { safeMode: true }],
      [["safe-mode", "off"], CommandCode.LEAVE_SAFE_MODE, { safeMode: false }],
      [["time", "set", "1800000000.5"], CommandCode.TIME_SET, {
        seconds: 1_800_000_000,
        nanoseconds: 500_000_000,
      }],
    ];
    for (const [words, command, result] of cases) {
      const run = await runCtl([...words, "--json", "--socket", vm.path]);
      assertEquals(run.code, 0, run.stderr);
      assertEquals(run.json()[0]?.result, result);
      assertEquals(vm.received.at(-1)?.command, command);
    }
    const plain = await runCtl(["restart", "web", "--socket", vm.path]);
    assertEquals(plain.stdout, "web: restart accepted\n");
    vm.overrides.set(
      CommandCode.SERVICE_START,
      () => ({ status: CommandStatus.EBUSY }),
    );
    const busy = await runCtl(["start", "web", "--socket", vm.path]);
    assertEquals(busy.code, 5);
    assertStringIncludes(busy.stderr, "EBUSY");
  });
});

Deno.test("spaceosctl logs prints what is there, of all or of one, and follows", async () => {
  await withFakeVm(async (vm) => {
    const socket = ["--socket", vm.path];
    const all = await runCtl(["logs", ...socket]);
    assertEquals(all.stdout, "spaceos-init: READY\nweb: listening\n");
    const one = await runCtl(["logs", "web", "--json", ...socket]);
    assertEquals(one.json().map(({ result }) => result), [
      { name: "web", stream: "stdout", text: "listening" },
    ]);
    vm.logLines = Array.from({ length: 5000 }, (_, index) => ({
      stream: LogStream.STDOUT,
      name: "web",
      text: utf8(`line ${index}`),
    }));
    const many = await runCtl(["logs", ...socket]);
    assertEquals(many.stdout.split("\n").length, 5001);

    const none = await runCtl(["logs", "nobody", ...socket]);
    assertEquals(none.code, 4);
    assertStringIncludes(none.stderr, 'no service "nobody"');
    const quiet = await runCtl(["logs", "gps", ...socket]);
    assertEquals([quiet.code, quiet.stdout], [0, ""]);

    const follow = new Running(["logs", "-f", ...socket]);
    const text = await follow.until((text) => text.includes("line 4999\n"));
    assertStringIncludes(text, "web: line 0\n");
    await vm.close();
    assertEquals((await follow.ended).code, 3, "it ends with the VM");
  });
});

Deno.test("spaceosctl events prints the log, and what happens from then on, each once", async () => {
  await withFakeVm(async (vm) => {
    const socket = ["--socket", vm.path];
    vm.events.push(fakeEvent(null, "foreign", EventSeverity.ERROR));
    vm.events.push(fakeEvent(9n, "last"));
    const all = await runCtl(["events", ...socket]);
    assertEquals(all.stdout.split("\n").slice(0, 3), [
      "     7  1800000000  INFO      READY  boot 3",
      "     8  1800000000  WARNING   READY  nominal",
      "     -  1800000000  ERROR     READY  foreign",
    ]);
    const grave = await runCtl(
      ["events", "-s", "warning", "-n1", "--json", ...socket],
    );
    assertEquals(grave.json().map(({ result }) => result), [{
      sequence: null,
      timestamp: 1_800_000_000,
      severity: "ERROR",
      eventCode: 2,
      name: "READY",
      payload: "666f726569676e",
      text: "foreign",
    }]);
    const follow = new Running(["events", "--follow", ...socket]);
    await follow.until((text) => text.includes("last"));
    await vm.happen("later");
    const text = await follow.until((text) => text.includes("later\n"));
    assertEquals(text.match(/last/g)?.length, 1);
    assertStringIncludes(text, "     -  1800000000  INFO      READY  later");
    for (const peer of vm.peers) peer.vanish();
    assertEquals((await follow.ended).code, 3);

    vm.overrides.set(
      CommandCode.EVENTS_READ,
      () => ({ status: CommandStatus.ENODEV }),
    );
    const without = await runCtl(["events", ...socket]);
    assertEquals(without.code, 5);
    assertStringIncludes(without.stderr, "ENODEV");
  });
});

Deno.test("spaceosctl param lists, gets and sets", async () => {
  await withFakeVm(async (vm) => {
    const socket = ["--socket", vm.path];
    vm.parameters.set(70_000, { generation: 4, value: utf8("hello") });
    vm.parameters.set(70_001, {
      generation: 1,
      value: Uint8Array.of(0, 0, 0, 9),
    });
    const { id } = INIT_PARAMETERS["log-level"];
    vm.parameters.set(id, { generation: 2, value: Uint8Array.of(1) });
    const interval = INIT_PARAMETERS["health-interval"].id;
    vm.parameters.set(interval, { generation: 0, value: new Uint8Array(4) });
    const list = await runCtl(["param", "list", ...socket]);
    assertMatch(list.stdout, /^- +0x00011170 +4 +hello$/m);
    assertMatch(list.stdout, /^- +0x00011171 +1 +0x00000009$/m);
    assertMatch(list.stdout, /^log-level +0xFFFF0013 +2 +1 info$/m);
    const get = await runCtl(["param", "get", "70000", "--json", ...socket]);
    assertEquals(get.json()[0]?.result, {
      name: null,
      parameterId: 70_000,
      generation: 4,
      value: "68656c6c6f",
      number: null,
      text: "hello",
    });
    const own = await runCtl(["param", "get", "log-level", "-j", ...socket]);
    assertEquals(own.json()[0]?.result, {
      name: "log-level",
      parameterId: id,
      generation: 2,
      value: "01",
      number: 1,
      text: null,
    });
    const set = ["param", "set", "log-level", "debug", ...socket];
    assertMatch(
      (await runCtl(set)).stdout,
      /^log-level +0 debug +generation 3$/m,
    );
    const both = await runCtl([
      "param",
      "set",
      "log-level=2",
      "health-interval=500",
      "70000=a=b",
      ...socket,
    ]);
    assertEquals(both.code, 0, both.stderr);
    assertEquals(vm.parameters.get(id)?.value, Uint8Array.of(2));
    assertEquals(
      vm.parameters.get(interval)?.value,
      Uint8Array.of(0, 0, 1, 244),
    );
    assertEquals(vm.parameters.get(70_000)?.value, utf8("a=b"));
    const refused = await runCtl(["param", "set", "1=a", "70000=b", ...socket]);
    assertEquals(refused.code, 4);
    assertStringIncludes(refused.stderr, "nothing is set");
    for (const words of [["boot-count=1"], ["boot-count", "1"]]) {
      const own = await runCtl(["param", "set", ...words, ...socket]);
      assertEquals(own.code, 4);
      assertStringIncludes(
        own.stderr,
        "parameter boot-count: there is no such parameter",
      );
    }
    const several = ["param", "set", "boot-count=1", "70000=b", ...socket];
    assertStringIncludes(
      (await runCtl(several)).stderr,
      "parameter boot-count: there is no such parameter; nothing is set",
    );
    for (
      const [words, text] of [
        [["log-level", "4"], "expected an integer of 0..3"],
        [["log-level=x"], "expected one of: debug, info, warning, error"],
        [["loglevel", "1"], "expected a number or one of: boot-count"],
        [["log-level", "1", "2"], '"2" is too much'],
        [["log-level=1", "2"], '"2" is no NAME=VALUE'],
        [["log-level"], "expected exactly one value"],
        [["log-level=1", "1=2", "0xFFFF0013=2"], "log-level is given twice"],
        [["1=1", "1=2"], "1 is given twice"],
      ] as const
    ) {
      const wrong = await runCtl(["param", "set", ...words, ...socket]);
      assertEquals(wrong.code, 64, words.join(" "));
      assertStringIncludes(wrong.stderr, text);
    }
    const raw = await runCtl(["param", "get", "70001", "--raw", ...socket]);
    assertEquals(raw.bytes, Uint8Array.of(0, 0, 0, 9));
    for (
      const [words, bytes] of [
        [["world"], utf8("world")],
        [["--text", "7"], utf8("7")],
        [["--u32", "258"], Uint8Array.of(0, 0, 1, 2)],
        [["--u64", "0x102"], Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2)],
        [["--hex", "0xC0FFEE"], Uint8Array.of(0xC0, 0xFF, 0xEE)],
      ] as const
    ) {
      const run = await runCtl(["param", "set", "70000", ...words, ...socket]);
      assertEquals(run.code, 0, run.stderr);
      assertEquals(vm.parameters.get(70_000)?.value, bytes);
    }
    const unknown = await runCtl(["param", "get", "5", ...socket]);
    assertEquals(unknown.code, 4);
    const wrong = await runCtl([
      "param",
      "set",
      "70000",
      "x",
      "--u32",
      "1",
      ...socket,
    ]);
    assertEquals(wrong.code, 64);
    const long = await runCtl([
      "param",
      "set",
      "70000",
      "x".repeat(241),
      ...socket,
    ]);
    assertEquals(long.code, 64);
    assertStringIncludes(long.stderr, "241 bytes, expected at most 240");
  });
});

Deno.test("spaceosctl dp lists and gets data products", async () => {
  await withFakeVm(async (vm, folder) => {
    const socket = ["--socket", vm.path];
    const data = crypto.getRandomValues(new Uint8Array(60_001));
    vm.addProduct("image", data);
    const list = await runCtl(["dp", "list", ...socket]);
    assertMatch(list.stdout, /^3 +1 +60001 +0x[0-9A-F]{8} +image$/m);
    assertMatch(list.stdout, /^room for 4.0 KiB$/m);
    const json = (await runCtl(["dp", "list", "--json", ...socket])).json();
    assertEquals(
      Object.keys(json[0]?.result as object).sort(),
      ["damagedCount", "freeBytes", "products"],
    );
    const get = await runCtl(["dp", "get", "image", ...socket]);
    assertEquals(get.bytes, data);
    const file = await runCtl([
      "dp",
      "get",
      "image",
      `${folder}/%s.bin`,
      ...socket,
    ]);
    assertEquals(file.code, 0, file.stderr);
    assertEquals(Deno.readFileSync(`${folder}/vm-a.bin`), data);
    assertEquals((await runCtl(["dp", "get", "none", ...socket])).code, 4);
    const nowhere = await runCtl([
      "dp",
      "get",
      "image",
      `${folder}/none/x`,
      ...socket,
    ]);
    assertEquals(nowhere.code, 3);
    assertEquals(
      nowhere.stderr,
      `spaceosctl: ${folder}/none/x can't be written: No such file or directory\n`,
    );
    await Deno.symlink(vm.path, `${folder}/vm-b.sock`);
    const both = [...socket, "--socket", `${folder}/vm-b.sock`];
    for (
      const words of [
        ["dp", "get", "image", `${folder}/x`],
        ["dp", "get", "image"],
        ["boot-chart", "--svg", `${folder}/x`],
      ]
    ) {
      const over = await runCtl([...words, ...both]);
      assertEquals(over.code, 64, over.stderr);
      assertStringIncludes(over.stderr, "for 2 VMs, expected %s in it");
    }
    const each = await runCtl([
      "dp",
      "get",
      "image",
      `${folder}/%s.x`,
      ...both,
    ]);
    assertEquals(each.code, 0, each.stderr);
    for (const name of ["vm-a.x", "vm-b.x"]) {
      assertEquals(Deno.readFileSync(`${folder}/${name}`), data);
    }
    assertEquals(
      (await runCtl(["dp", "get", "image", "", ...socket])).code,
      64,
    );
    const mixed = await runCtl(["boot-chart", "--svg=-", "--json", ...socket]);
    assertEquals([mixed.code, mixed.stdout], [64, ""]);
    vm.products[0]?.data.fill(1);
    const damaged = await runCtl(["dp", "get", "image", ...socket]);
    assertEquals([damaged.code, damaged.bytes.length], [2, 0]);
  });
});

Deno.test("spaceosctl ping gives figures, and tells which pings were lost", async () => {
  await withFakeVm(async (vm) => {
    const socket = ["--socket", vm.path];
    const run = await runCtl(["ping", "-c", "5", "-i", "0", ...socket]);
    assertEquals(run.code, 0, run.stderr);
    assertMatch(run.stdout, /^5 sent, 5 answered$/m);
    assertMatch(
      run.stdout,
      /^min [\d.]+ {2}median [\d.]+ {2}p99 [\d.]+ {2}max [\d.]+ ms$/m,
    );
    let count = 0;
    vm.overrides.set(
      CommandCode.PING,
      ({ arguments: result }) => count++ === 0 ? null : { result },
    );
    const lost = await runCtl(
      ["ping", "-c2", "-i0", "-s", "242", "-t3", "--json", ...socket],
    );
    assertEquals(lost.code, 1, lost.stderr);
    const figures = lost.json()[0]?.result as Record<string, number>;
    assertEquals([figures.sent, figures.received], [2, 1]);
    vm.overrides.set(CommandCode.PING, () => null);
    const none = await runCtl(["ping", "-c1", "-t", "1", ...socket]);
    assertEquals(none.code, 6);
    assertStringIncludes(none.stderr, "another program holds");
  });
});

Deno.test("spaceosctl send sends anything and shows what comes back", async () => {
  await withFakeVm(async (vm) => {
    const socket = ["--socket", vm.path, "--wait", "1000"];
    const ping = await runCtl(["send", "000100074142", ...socket]);
    assertEquals(ping.code, 0);
    assertStringIncludes(
      ping.stdout,
      "answer to command 1, number 7, status 0, result AB",
    );
    const wrong = await runCtl([
      "send",
      "--type",
      "99",
      "--json",
      ...socket,
    ]);
    assertEquals(wrong.code, 5);
    assertEquals(wrong.json()[0]?.result, {
      type: "ERROR",
      apid: 1,
      destinationApid: 0,
      payload: "0163000000000000",
      meaning: "UNKNOWN_TYPE for a frame of type 99 from 0x000 with 0 bytes",
    });
    const odd = await runCtl(["send", "00010", ...socket]);
    assertEquals(odd.code, 64);
    const raw = await runCtl(["send", "--raw", "01", "--apid", "1", ...socket]);
    assertEquals(raw.code, 64);
  });
});

Deno.test("spaceosctl fdir check tells what is wrong, and its exit code whether something is", async () => {
  await withFakeVm(async (vm) => {
    const socket = ["--socket", vm.path];
    const well = await runCtl(["fdir", "check", ...socket]);
    assertEquals(well.code, 0, well.stderr);
    assertEquals(well.stdout, "check 3: 2 processes compared, no anomaly\n");
    vm.anomalies = [{
      check: 6,
      flags: 1,
      sinceMs: 9_000n,
      subject: "machine",
      text: "+ evil",
    }];
    const ill = await runCtl(["fdir", "check", "--release", ...socket]);
    assertEquals(ill.code, 1);
    assertMatch(ill.stdout, /^modules +machine +9.000 s +latched +\+ evil$/m);
    assertEquals(vm.received.at(-1)?.arguments, Uint8Array.of(1));
    const json = (await runCtl(["fdir", "check", "-j", ...socket])).json();
    const { anomalies } = json[0]?.result as { anomalies: unknown[] };
    assertEquals(anomalies, [{
      check: "modules",
      subject: "machine",
      text: "+ evil",
      sinceMs: 9000,
      isLatched: true,
      isFlapping: false,
    }]);
    const both = ["fdir", "check", "--release", "--adopt", ...socket];
    assertEquals((await runCtl(both)).code, 64);
  });
});

Deno.test("spaceosctl completion completes commands, their second words, and options", async () => {
  const script = (await runCtl(["completion", "bash"])).stdout;
  const complete = async (...words: string[]) => {
    const { stdout, success } = await new Deno.Command("bash", {
      args: [
        "--norc",
        "-c",
        `${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _spaceosctl; printf '%s\\n' "\${COMPREPLY[@]}"`,
        "bash",
        "spaceosctl",
        ...words,
      ],
    }).output();
    assert(success);
    return new TextDecoder().decode(stdout).trimEnd().split("\n");
  };
  assertEquals(await complete("st"), ["status", "start", "stop"]);
  assertEquals(await complete("param", ""), ["list", "get", "set"]);
  assertEquals(await complete("--socket", "x", "safe-mode", ""), ["on", "off"]);
  assertEquals(await complete("events", "--f"), ["--follow"]);
  assertEquals(await complete("param", "set", "--u"), ["--u32", "--u64"]);
  for (const shell of ["zsh", "fish"]) {
    const text = (await runCtl(["completion", shell])).stdout;
    for (const word of ["boot-chart", "fdir", "follow"]) {
      assertStringIncludes(text, word);
    }
  }
});

Deno.test("spaceosctl ends with a code for each way in which a VM can fail", async () => {
  await withFakeVm(async (vm, folder) => {
    const missing = await runCtl(["status", "--socket", `${folder}/no.sock`]);
    assertEquals(missing.code, 3);
    assertStringIncludes(missing.stderr, "no.sock is not there");
    const none = await runCtl(["status", "--socket", `${folder}/x*.sock`]);
    assertEquals(none.code, 3);
    assertStringIncludes(none.stderr, "no socket matches");
    const json = await runCtl(
      ["status", "--json", "--socket", `${folder}/no.sock`],
    );
    assertEquals(json.json(), [{
      vm: "no",
      socket: `${folder}/no.sock`,
      ok: false,
      error: {
        kind: "unreachable",
        message:
          `${folder}/no.sock is not there; expected the socket of a running VM`,
        exitCode: 3,
      },
    }]);
    const socket = ["--socket", vm.path, "--timeout", "60"];
    vm.onFrame = () => true;
    const silent = await runCtl(["services", "-S", vm.path, "-t", "1"]);
    assertEquals(silent.code, 6);
    assertStringIncludes(
      silent.stderr,
      "SERVICE_LIST: no whole answer in 1000 ms",
    );
    vm.onFrame = (_, peer) => {
      peer.vanish();
      return true;
    };
    const vanished = await runCtl(["services", ...socket]);
    assertEquals(vanished.code, 3);
    vm.onFrame = (frame, peer) => {
      const fault = {
        code: 5,
        offendingType: 2,
        offendingApid: 0,
        offendingPayloadLength: frame[5] ?? 0,
      } as const;
      void peer.send(FrameType.ERROR, encodeFrameFault(fault));
      return true;
    };
    const refused = await runCtl(["services", ...socket]);
    assertEquals(refused.code, 5);
    assertStringIncludes(refused.stderr, "HOST_BUSY");
    vm.onFrame = null;
    vm.overrides.set(
      CommandCode.SERVICE_LIST,
      () => ({ result: Uint8Array.of(1, 2, 3) }),
    );
    assertEquals((await runCtl(["services", ...socket])).code, 2);
    const garbage = new Uint8Array(1_000_000);
    for (let at = 0; at < garbage.length; at += 65_536) {
      crypto.getRandomValues(garbage.subarray(at, at + 65_536));
    }
    vm.overrides.clear();
    vm.onConnected = (peer) => peer.sendBytes(garbage);
    assertEquals((await runCtl(["services", ...socket])).code, 0);
    // Somebody else's socket: there is no frame in what comes.
    vm.onConnected = (peer) =>
      peer.sendBytes(utf8("220 mail.example ESMTP\r\n"));
    vm.onFrame = () => true;
    const foreign = await runCtl(["services", "-S", vm.path, "-t", "1"]);
    assertEquals(foreign.code, 2);
    assertStringIncludes(foreign.stderr, "no frame of a VM (24 bytes)");
  });
});

Deno.test("spaceosctl works on several VMs, labels their lines, and ends with the worst code", async () => {
  await withFakeVm(async (vm, folder) => {
    await using other = new FakeVm(`${folder}/vm-b.sock`);
    other.services = [fakeService("only-b")];
    const both = await runCtl(["services", "--socket", `${folder}/vm-?.sock`]);
    assertEquals(both.code, 0, both.stderr);
    assertEquals(both.stdout.split("\n").map((line) => line.slice(0, 10)), [
      "vm-a: NAME",
      "vm-a: web ",
      "vm-a: gps ",
      "vm-b: NAME",
      "vm-b: only",
      "",
    ]);
    const mixed = await runCtl([
      "restart",
      "web",
      "--json",
      "--socket",
      `${folder}/[!x]*.sock`,
      "--socket",
      `${folder}/none.sock`,
    ]);
    assertEquals(mixed.code, 4);
    assertEquals(mixed.json().map(({ vm, ok }) => [vm, ok]), [
      ["vm-a", true],
      ["vm-b", false],
      ["none", false],
    ]);
    assertEquals(
      vm.received.at(-1)?.command,
      CommandCode.SERVICE_RESTART,
    );
    const follow = new Running(["events", "-f", "-S", `${folder}/*.sock`]);
    await follow.until((text) =>
      text.includes("vm-a:      8") && text.includes("vm-b:      8")
    );
    await vm.close();
    await other.close();
    assertEquals((await follow.ended).code, 3);
  });
});

Deno.test("what a VM writes can't control a terminal", async () => {
  await withFakeVm(async (vm) => {
    const evil = "a\x1b[2J\x9b31m\u202eb\r\x07\u2028c";
    vm.services = [fakeService(evil)];
    vm.logLines = [{
      stream: LogStream.STDERR,
      name: evil,
      text: Uint8Array.of(0x1b, 0x5d, 0x30, 0x3b, 0xff, 0xc2, 0x9b, 0x41),
    }];
    vm.events = [fakeEvent(1n, evil)];
    vm.addProduct(evil, utf8("x"));
    for (
      const words of [
        ["status"],
        ["services"],
        ["services", evil],
        ["logs"],
        ["events"],
        ["dp", "list"],
      ]
    ) {
      for (const more of [[], ["--json"]]) {
        const run = await runCtl([...words, ...more, "--socket", vm.path]);
        assertEquals(run.code, 0, run.stderr);
        // deno-lint-ignore no-control-regex -- these are what must not get through.
        const harmful = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]/;
        assertEquals(harmful.exec(run.stdout), null, words.join(" "));
      }
    }
    const json = (await runCtl(["services", "--json", "--socket", vm.path]))
      .json();
    const [service] = json[0]?.result as { name: string }[];
    assertEquals(service?.name, evil, "as JSON it is what it was");
  });
});

Deno.test("spaceosctl says what is wrong with a command line", async () => {
  const cases: [string[], string][] = [
    [["nothing"], 'unknown command "nothing"'],
    [["param"], "param is followed by"],
    [["param", "put"], "expected one of: list, get, set"],
    [["start"], "start: NAME is missing"],
    [["status", "x"], '"x" is too much, expected no operand'],
    [["status", "--nothing"], "unknown option --nothing"],
    [["status", "--timeout", "0"], "--timeout is"],
    [["status", "--socket", ""], '--socket is "", expected a path'],
    [["ping", "-c", "0"], "--count is"],
    [["safe-mode", "maybe"], "expected on or off"],
    [["time", "set", "soon"], 'expected "now" or seconds'],
    [["events", "-s", "loud"], "--severity is"],
    [["send", "--type", "XY"], "--type is"],
    [["completion", "tcsh"], "expected one of: bash, zsh, fish"],
    [["--socket", "/x", "switch", "example"], "options of its own"],
    [["--socket"], "--socket needs a value: PATH"],
    [["--socket", "/x"], "a command is missing"],
    [["--nothing", "status"], 'unknown option "--nothing"'],
    [["time", "set", "4294967296"], "below 4294967296"],
  ];
  for (const [words, text] of cases) {
    const run = await runCtl(words);
    assertEquals(run.code, 64, words.join(" "));
    assertStringIncludes(run.stderr, text);
  }
});

Deno.test("spaceosctl explains itself", async () => {
  const help = await runCtl(["--help"]);
  assertEquals(help.code, 0);
  for (const word of ["boot-chart", "EXIT STATUS", "SPACEOS_SOCKET"]) {
    assertStringIncludes(help.stdout, word);
  }
  const own = await runCtl(["services", "--help"]);
  assertStringIncludes(own.stdout, "RESULT WITH --json");
  const parts = await runCtl(["dp", "--help"]);
  assertStringIncludes(parts.stdout, "spaceosctl dp get");
  assertMatch((await runCtl(["--version"])).stdout, /^spaceosctl \d/);
  assertEquals((await runCtl(["nothing"])).code, 64);
});

Deno.test("spaceosctl as a process: its exit code, its environment, and a reader that has seen enough", async () => {
  const env = { SPACEOS_SOCKET: "/nowhere.sock" };
  const { code, stderr } = await startCtl(["ping"], env).output();
  assertEquals(code, 3);
  assertStringIncludes(
    new TextDecoder().decode(stderr),
    "/nowhere.sock is not there",
  );
  await withFakeVm(async (vm) => {
    vm.logLines = Array.from({ length: 6000 }, () => ({
      stream: LogStream.STDOUT,
      name: "web",
      text: utf8("x".repeat(100)),
    }));
    const child = startCtl(["logs", "--socket", vm.path]);
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    assertEquals((await child.status).code, 0);
    assertEquals(await new Response(child.stderr).text(), "");

    const ping = startCtl(["ping", "-c", "1000", "--socket", vm.path]);
    let text = "";
    for await (const piece of ping.stdout) {
      if (text === "") ping.kill("SIGINT");
      text += new TextDecoder().decode(piece);
    }
    assertMatch(text, /sent, \d+ answered\nmin/);
    assertEquals((await ping.status).code, 0);
    await ping.stderr.cancel();
  });
});
