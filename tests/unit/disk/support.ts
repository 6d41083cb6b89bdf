/**
 * What the tests of `spaceos-disk` share: the real command as a subprocess, a
 * folder that goes away, and disks made from first principles.
 *
 * @module
 */

import { currentEnvironment } from "../../../rootfs/toolchain/environment.ts";
import { programCommand } from "../../fixtures/program_command.ts";

/** How a run of the command ended. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it came. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The command line that runs `spaceos-disk` on this machine. */
export function diskCommand(): string[] {
  return programCommand("cmd/spaceos-disk/main.ts");
}

/** Runs `spaceos-disk`. */
export async function runDisk(
  args: readonly string[],
  input?: Uint8Array,
): Promise<Run> {
  return await runProgram([...diskCommand(), ...args], input);
}

/** Runs a program to its end. */
export async function runProgram(
  argv: readonly string[],
  input?: Uint8Array,
): Promise<Run> {
  const [program = "", ...args] = argv;
  const child = new Deno.Command(program, {
    args,
    env: currentEnvironment().variables,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(input);
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  return {
    code,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
    bytes: new Uint8Array(stdout),
  };
}

/** Calls back with a new folder and removes it afterwards. */
export async function withFolder(
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-disk-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A partition of a disk that {@linkcode makeGptDisk} makes. */
export interface PartitionPlan {
  readonly number: number;
  readonly name: string;
  readonly firstSector: number;
  readonly sectors: number;
}

/**
 * A disk with a GPT, made from the tables of the UEFI specification, with a
 * bitwise CRC of its own.
 */
export function makeGptDisk(
  partitions: readonly PartitionPlan[],
  options: { readonly sectors?: number; readonly sectorBytes?: number } = {},
): Uint8Array<ArrayBuffer> {
  const { sectors = 4096, sectorBytes = 512 } = options;
  const disk = new Uint8Array(sectors * sectorBytes);
  // The protective MBR: one partition of type 0xEE.
  disk[450] = 0xEE;
  disk.set([0x55, 0xAA], 510);
  const entries = new Uint8Array(128 * 128);
  for (const { number, name, firstSector, sectors } of partitions) {
    const entry = new DataView(entries.buffer, (number - 1) * 128, 128);
    entry.setUint32(0, 0x0FC63DAF, true);
    entry.setUint32(16, number, true);
    entry.setBigUint64(32, BigInt(firstSector), true);
    entry.setBigUint64(40, BigInt(firstSector + sectors - 1), true);
    for (let index = 0; index < name.length; index++) {
      entry.setUint16(56 + index * 2, name.charCodeAt(index), true);
    }
  }
  const last = sectors - 1;
  const entrySectors = Math.ceil(entries.length / sectorBytes);
  const copies = [[1, last, 2], [last, 1, last - entrySectors]] as const;
  for (const [own, other, entriesAt] of copies) {
    const header = new Uint8Array(92);
    const view = new DataView(header.buffer);
    header.set(new TextEncoder().encode("EFI PART"));
    view.setUint32(8, 0x00010000, true);
    view.setUint32(12, 92, true);
    view.setBigUint64(24, BigInt(own), true);
    view.setBigUint64(32, BigInt(other), true);
    view.setBigUint64(40, BigInt(2 + entrySectors), true);
    view.setBigUint64(48, BigInt(last - entrySectors - 1), true);
    view.setBigUint64(72, BigInt(entriesAt), true);
    view.setUint32(80, 128, true);
    view.setUint32(84, 128, true);
    view.setUint32(88, bitwiseCrc32(entries), true);
    view.setUint32(16, bitwiseCrc32(header), true);
    disk.set(header, own * sectorBytes);
    disk.set(entries, entriesAt * sectorBytes);
  }
  return disk;
}

/** CRC-32 of Ethernet, one bit at a time. */
export function bitwiseCrc32(bytes: Uint8Array): number {
  let remainder = 0xFFFFFFFF;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const feedback = (remainder ^ (byte >>> bit)) & 1;
      remainder = (remainder >>> 1) ^ (feedback * 0xEDB88320);
    }
  }
  return ~remainder >>> 0;
}
