/**
 * A watchdog outside of the processor: the guest's only processor is stopped
 * dead, interrupts and all, and QEMU's i6300esb resets the machine. Its driver
 * is only in Debian's kernel for hardware, which this image therefore has.
 */
import { assertEquals, assertMatch } from "@std/assert";
import {
  buildImage,
  INIT_ENTRY,
  sourceTimeSeconds,
} from "../../rootfs/build.ts";
import { packageRecord } from "../../rootfs/toolchain/apt.ts";
import { packageFiles } from "../../rootfs/toolchain/debian_package.ts";
import { kernelDependency } from "../../rootfs/toolchain/kernel_package.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { Machine } from "./machine.ts";

/** Debian's newest kernel for hardware, and its modules. */
async function hardwareKernel() {
  const meta = await packageRecord(
    "linux-image-amd64",
    "this needs Debian's packages",
  );
  const name = kernelDependency(meta.depends);
  if (name === undefined) throw new Error(`${meta.depends} names no kernel`);
  const folder = await packageFiles(name);
  const [release] = [...Deno.readDirSync(`${folder}/lib/modules`)].map((
    entry,
  ) => entry.name);
  return {
    kernelPath: `${folder}/boot/vmlinuz-${release}`,
    modulesFolder: `${folder}/lib/modules/${release}`,
  };
}

/** What QEMU's monitor answers to a command for people. */
async function monitor(machine: Machine, line: string): Promise<string> {
  const reply = await machine.control("human-monitor-command", {
    "command-line": line,
  });
  return typeof reply === "object" && reply !== null && "return" in reply
    ? String(reply.return)
    : "";
}

/** A packet of gdb's remote protocol, with its check sum. */
function packet(text: string): Uint8Array {
  const sum = [...text].reduce(
    (total, letter) => (total + letter.charCodeAt(0)) & 0xFF,
    0,
  );
  return new TextEncoder().encode(
    `$${text}#${sum.toString(16).padStart(2, "0")}`,
  );
}

/**
 * Puts `cli; hlt` where the kernel's idle processor will go on: it then takes
 * no interrupt any more, and nothing inside can wake it.
 */
async function stopProcessor(machine: Machine, folder: string): Promise<void> {
  const path = `${folder}/gdb.sock`;
  await monitor(machine, `gdbserver unix:${path},server=on,wait=off`);
  for (;;) {
    await machine.control("stop");
    const registers = await monitor(machine, "info registers");
    const [, address] = /RIP=([0-9a-f]+)/.exec(registers) ?? [];
    const isKernel = /CPL=0/.test(registers) &&
      address?.startsWith("ffffffff") === true;
    if (isKernel && /HLT=1/.test(registers)) {
      const gdb = await Deno.connect({ transport: "unix", path });
      await gdb.write(packet(`M${address},4:faf4ebfd`));
      const buffer = new Uint8Array(256);
      let answer = "";
      while (!/\$OK#/.test(answer)) {
        const count = await gdb.read(buffer);
        if (count === null) throw new Error("QEMU's debugger port ended");
        answer += new TextDecoder().decode(buffer.subarray(0, count));
      }
      await gdb.write(new TextEncoder().encode("+"));
      await gdb.write(packet("D"));
      await gdb.read(buffer);
      gdb.close();
      await machine.control("cont");
      return;
    }
    await machine.control("cont");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test({
  name:
    "a machine whose processor stands still is reset by the watchdog beside it, and a healthy one is not",
  // Another kernel is fetched and another image built: minutes, not seconds.
  ignore: !Deno.env.get("SPACEOS_TEST_LONG"),
  fn: stopAndReset,
});

async function stopAndReset(): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-watchdog-" });
  try {
    const image = await buildImage({
      entry: INIT_ENTRY,
      outFolder: folder,
      timeSeconds: await sourceTimeSeconds(),
      kernel: await hardwareKernel(),
      modules: ["i6300esb"],
    });
    await using machine = Machine.boot({
      image,
      disk: makeDisk("good"),
      append: "spaceos.watchdog=6",
      extraArguments: ["-device", "i6300esb"],
      restartOnReset: true,
    });
    await machine.waitForConsole(/watchdog: i6300ESB timer, 6 s/);
    await machine.waitForConsole(/READY after.*\n/);
    await machine.waitForConsole(/demo: alive, 1/);
    assertEquals(machine.console.match(/READY after/g)?.length, 1);
    await stopProcessor(machine, folder);
    await machine.waitForConsole(/READY after[\s\S]*READY after.*\n/);
    assertMatch(
      machine.console,
      /LAST_RESET (watchdog: the init did not turn|power cut or reset)/,
    );
    await machine.cutPower();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
