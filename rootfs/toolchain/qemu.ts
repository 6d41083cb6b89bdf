/**
 * QEMU: found on the PATH, or installed from Debian, and judged: which
 * version, and whether KVM really works. It imports nothing outside
 * rootfs/toolchain.
 */
import { installPackage } from "./apt.ts";
import { commandExists, run } from "./command.ts";
import { ToolchainError } from "./report.ts";

/** The emulator. */
export const QEMU = "qemu-system-x86_64";

const OTHERWISE =
  `install QEMU for x86-64 by hand, so that ${QEMU} is on the PATH`;

/**
 * Makes sure that QEMU is there.
 *
 * @throws {ToolchainError} when it is not and cannot be installed
 */
export async function requireQemu(): Promise<void> {
  if (commandExists(QEMU)) return;
  await installPackage("qemu-system-x86", OTHERWISE);
  if (!commandExists(QEMU)) {
    throw new ToolchainError(
      `Debian's qemu-system-x86 is installed, but ${QEMU} is not on the PATH`,
    );
  }
}

/** How long a kernel may take to say anything under KVM before KVM counts as broken. */
const KVM_PROBE_TIMEOUT_MS = 10_000;

/**
 * Tells whether KVM really works. /dev/kvm may open and the guest still hang
 * (nested virtualization on some hosts), so the kernel is started for real,
 * and must print something and end by its own panic in a bounded time.
 *
 * @param kernelPath a bootable kernel
 * @returns true when a guest ran
 */
export async function kvmWorks(kernelPath: string): Promise<boolean> {
  try {
    (await Deno.open("/dev/kvm", { read: true, write: true })).close();
  } catch {
    return false;
  }
  const result = await run([
    QEMU,
    "-accel",
    "kvm",
    "-cpu",
    "host",
    "-m",
    "256",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-serial",
    "stdio",
    "-no-reboot",
    "-kernel",
    kernelPath,
    "-append",
    "console=ttyS0 panic=-1",
  ], { timeoutMs: KVM_PROBE_TIMEOUT_MS });
  return result.success && result.stdout.includes("Kernel panic");
}
