import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  readBootOptions,
  requireDisk,
  requireFreeSocket,
  UsageError,
} from "../../../rootfs/boot.ts";
import {
  type MachineOptions,
  qemuArguments,
} from "../../../rootfs/qemu_machine.ts";
import { ToolchainError } from "../../../rootfs/toolchain/report.ts";

function read(
  ...args: string[]
): Exclude<ReturnType<typeof readBootOptions>, "help"> {
  const options = readBootOptions(args);
  if (options === "help") throw new Error("met help, expected options");
  return options;
}

Deno.test("readBootOptions has the documented defaults", () => {
  const options = read();
  assertStringIncludes(options.diskPath ?? "", "rootfs/out/spaceos-disk.img");
  assertStringIncludes(options.socketPath, "rootfs/out/spaceos-ipc.sock");
  const { memoryMebibytes, cpus, append, accelerator, restartOnReset, build } =
    options;
  assertEquals({
    memoryMebibytes,
    cpus,
    append,
    accelerator,
    restartOnReset,
    build,
  }, {
    memoryMebibytes: 512,
    cpus: 1,
    append: [],
    accelerator: "tcg",
    restartOnReset: false,
    build: true,
  });
});

Deno.test("readBootOptions takes disk and socket from beside the image, and does not build it", () => {
  const { diskPath, socketPath, build } = read("--image", "/images/one");
  assertEquals([diskPath, socketPath, build], [
    "/images/one/spaceos-disk.img",
    "/images/one/spaceos-ipc.sock",
    false,
  ]);
});

Deno.test("readBootOptions reads every option", () => {
  assertEquals(
    read(
      "--memory=1024",
      "--cpus",
      "2",
      "--disk",
      "d.img",
      "--socket=s",
      "--append",
      "a=1",
      "--append=b c",
      "--kvm",
      "--reboot",
      "--no-build",
      "--image=/images/one/",
    ),
    {
      imageFolder: "/images/one",
      memoryMebibytes: 1024,
      cpus: 2,
      diskPath: "d.img",
      socketPath: "s",
      append: ["a=1", "b c"],
      accelerator: "kvm",
      restartOnReset: true,
      build: false,
    },
  );
  assertEquals(read("--disk=none").diskPath, undefined);
  assertEquals(read("--accel", "auto").accelerator, "auto");
  assertEquals(readBootOptions(["-h"]), "help");
});

Deno.test("readBootOptions names what is wrong", () => {
  const wrong: [string[], string][] = [
    [["--memory", "12"], "320"],
    [["--memory=1e3"], "1e3"],
    [["--cpus=0"], "1..255"],
    [["--accel=xen"], "xen"],
    [["--disk="], "--disk"],
    [["--colour"], "--colour"],
    [["now"], "now"],
    [["--append", "a=\r"], '--append "a=\\r" has a control character at 2'],
  ];
  for (const [args, part] of wrong) {
    assertThrows(() => readBootOptions(args), UsageError, part);
  }
});

const OPTIONS: MachineOptions = {
  kernelPath: "/k",
  initrdPath: "/i",
  commandLine: "console=ttyS0",
  memoryMebibytes: 512,
  cpus: 1,
  accelerator: "tcg",
  diskPath: "/a,b.img",
  ipcSocketPath: "/s/ipc",
  controlSocketPath: "/s/control",
  restartOnReset: false,
  extraArguments: ["-foo"],
};

Deno.test("qemuArguments doubles commas in paths, and ends with the extra ones", () => {
  const args = qemuArguments(OPTIONS);
  assertEquals(
    args.includes("file=/a,,b.img,format=raw,if=none,id=disk0"),
    true,
  );
  assertEquals(args.includes("-no-reboot"), true);
  assertEquals(args.at(-1), "-foo");
});

Deno.test("qemuArguments leaves out the disk and lets resets restart when asked", () => {
  const args = qemuArguments({
    ...OPTIONS,
    diskPath: undefined,
    restartOnReset: true,
  });
  assertEquals(args.some((arg) => arg.includes("virtio-blk")), false);
  assertEquals(args.includes("-no-reboot"), false);
});

Deno.test("qemuArguments refuses a socket path that a unix socket cannot have", () => {
  assertThrows(
    () => qemuArguments({ ...OPTIONS, ipcSocketPath: `/${"x".repeat(107)}` }),
    ToolchainError,
    "107",
  );
});

Deno.test("requireDisk says what can't be a disk", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-disk-" });
  try {
    const path = `${folder}/disk.img`;
    const cases: [number | undefined, string][] = [
      [undefined, "disk.img is not there: name another in --disk"],
      [0, "disk.img has 0 bytes, expected whole blocks of 512"],
      [1000, "disk.img has 1000 bytes, expected whole blocks of 512"],
    ];
    for (const [sizeBytes, message] of cases) {
      if (sizeBytes !== undefined) {
        await Deno.writeFile(path, new Uint8Array(sizeBytes));
      }
      await assertRejects(() => requireDisk(path), ToolchainError, message);
    }
    await Deno.writeFile(path, new Uint8Array(1024));
    await requireDisk(path);
    await assertRejects(
      () => requireDisk(folder),
      ToolchainError,
      "is neither a file nor a block device",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("requireFreeSocket says why QEMU could not make its socket, and leaves nothing behind", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-boot-" });
  try {
    await requireFreeSocket(`${folder}/ipc`);
    await Deno.writeTextFile(`${folder}/file`, "mine");
    const cases: [string, string][] = [
      ["/nonexistent/x.sock", "/nonexistent/x.sock can't be made: expected a"],
      [`${folder}/file/x`, "x can't be made: expected a folder"],
      [`${folder}/file`, "file is there and no socket"],
      [folder, "is there and no socket"],
    ];
    for (const [path, message] of cases) {
      await assertRejects(
        () => requireFreeSocket(path),
        ToolchainError,
        message,
      );
    }
    const path = `${folder}/ipc`;
    const listener = Deno.listen({ transport: "unix", path });
    await assertRejects(
      () => requireFreeSocket(path),
      ToolchainError,
      "another VM serves the socket",
    );
    listener.close();
    const names = () =>
      [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    // Nobody serves what is left of it, if the runtime leaves anything.
    const left = names();
    await requireFreeSocket(path);
    assertEquals(await Deno.readTextFile(`${folder}/file`), "mine");
    assertEquals(names(), left);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
