/** Users' own kernels, from headers that are made here byte by byte. */
import { gzipSync } from "node:zlib";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { imageKernel } from "../../../rootfs/image_kernel.ts";
import { kernelRelease, unpackKernel } from "../../../rootfs/own_kernel.ts";
import { ToolchainError } from "../../../rootfs/toolchain/report.ts";
import { makeElf } from "../../fixtures/make_elf.ts";

const ELF = makeElf({});

/** A bzImage as far as its header goes: release 6.1-test, a packed ELF file. */
function makeKernel(payload: Uint8Array = gzipSync(ELF)): Uint8Array {
  const kernel = new Uint8Array(8192);
  const view = new DataView(kernel.buffer);
  kernel[0x1f1] = 3;
  kernel.set(new TextEncoder().encode("HdrS"), 0x202);
  view.setUint16(0x206, 0x020f, true);
  view.setUint16(0x20e, 0x300, true);
  kernel.set(new TextEncoder().encode("6.1-test (me@here) #1\0"), 0x500);
  view.setUint32(0x248, 0x100, true);
  view.setUint32(0x24c, payload.length + 4, true);
  kernel.set(payload, 4 * 512 + 0x100);
  return kernel;
}

Deno.test("kernelRelease reads what a bzImage says of itself", () => {
  assertEquals(kernelRelease("k", makeKernel()), "6.1-test");
});

Deno.test("unpackKernel gives the ELF file inside", async () => {
  assertEquals(new Uint8Array(await unpackKernel("k", makeKernel())), ELF);
});

Deno.test("a broken kernel is named, with what was met and expected", async () => {
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /k is no kernel: at byte 0x202 it has ""/],
    [new Uint8Array(8192), /k is no kernel.*expected "HdrS"/],
    [ELF, /k is no kernel/],
    [makeKernel().subarray(0, 4500).fill(0, 0x500, 0x600), /does not say/],
  ];
  for (const [bytes, pattern] of cases) {
    const { message } = assertThrows(
      () => kernelRelease("k", bytes),
      ToolchainError,
    );
    assertEquals(pattern.test(message), true, message);
  }
  const far = makeKernel();
  new DataView(far.buffer).setUint32(0x248, 1 << 30, true);
  await assertRejects(
    () => unpackKernel("k", far),
    ToolchainError,
    "k is damaged",
  );
  await assertRejects(
    () => unpackKernel("k", makeKernel(new Uint8Array(64))),
    ToolchainError,
    "packed in a way that is not known",
  );
});

Deno.test("imageKernel judges a kernel and its modules' folder together", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-kernel-" });
  try {
    const kernelPath = `${folder}/bzImage`;
    await Deno.writeFile(kernelPath, makeKernel());
    const kernel = await imageKernel({ kernelPath });
    assertEquals(kernel.release, "6.1-test");
    assertEquals(kernel.readModules(), []);
    await Deno.mkdir(`${folder}/6.2`);
    await Deno.mkdir(`${folder}/6.1-test`);
    const cases: [Parameters<typeof imageKernel>[0], string][] = [
      [{ kernelPath: `${folder}/none` }, "none cannot be read"],
      [{ modulesFolder: folder }, "without --kernel"],
      [
        { kernelPath, modulesFolder: `${folder}/6.2` },
        `is the folder of 6.2, but ${kernelPath} is 6.1-test`,
      ],
      [{ kernelPath, modules: ["vsock"] }, "--module vsock without --modules"],
      [
        { kernelPath, modulesFolder: `${folder}/6.1-test/` },
        "virtio_pci is neither in the package nor built in",
      ],
    ];
    for (const [options, message] of cases) {
      await assertRejects(() => imageKernel(options), ToolchainError, message);
    }
    await Deno.writeTextFile(
      `${folder}/6.1-test/modules.builtin`,
      ["virtio_pci", "virtio_blk", "virtio_console", "softdog"]
        .map((name) => `kernel/${name}.ko\n`).join(""),
    );
    const builtin = await imageKernel({
      kernelPath,
      modulesFolder: `${folder}/6.1-test`,
    });
    assertEquals(builtin.readModules(), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
