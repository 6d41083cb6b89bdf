/**
 * A user's own kernel: judged before it goes into an image, by the header that
 * every bzImage has (kernel: Documentation/arch/x86/boot.rst), and unpacked
 * for machines that take no bzImage. It imports rootfs/toolchain, and node:zlib
 * for gzip.
 */
import { gunzipSync } from "node:zlib";
import { installPackage } from "./toolchain/apt.ts";
import { commandExists, runFilter } from "./toolchain/command.ts";
import { ToolchainError } from "./toolchain/report.ts";

/** The offset of the header's fields, from the start of the file. */
const OFFSETS = {
  setupSectors: 0x1f1,
  magic: 0x202,
  protocol: 0x206,
  version: 0x20e,
  payloadOffset: 0x248,
  payloadLength: 0x24c,
} as const;

/** Fields are counted from here on. */
const SETUP_BYTES = 0x200;

/** The first boot protocol whose header tells where the payload is. */
const PAYLOAD_PROTOCOL = 0x0208;

function view(path: string, bytes: Uint8Array): DataView {
  const text = new TextDecoder().decode(
    bytes.subarray(OFFSETS.magic, OFFSETS.magic + 4),
  );
  if (bytes.length < 4096 || text !== "HdrS") {
    throw new ToolchainError(
      `${path} is no kernel: at byte 0x202 it has ${
        JSON.stringify(text)
      }, expected "HdrS", as an x86 bzImage has`,
    );
  }
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The release that a kernel says it is.
 *
 * @param path the file, for messages
 * @param bytes its content
 * @returns such as `6.1.0-50-cloud-amd64`
 * @throws {ToolchainError} when it is no bzImage, or says nothing of itself
 */
export function kernelRelease(path: string, bytes: Uint8Array): string {
  const at = view(path, bytes).getUint16(OFFSETS.version, true);
  const release = /^([\w.+~-]+)(?: |$)/.exec(kernelVersionText(path, bytes))
    ?.[1];
  if (at === 0 || release === undefined) {
    throw new ToolchainError(
      `${path} is a kernel that does not say its release, expected it at byte 0x${
        (SETUP_BYTES + at).toString(16)
      }`,
    );
  }
  return release;
}

/**
 * All that a kernel says of its version: the release, who built it, and when.
 *
 * @param path the file, for messages
 * @param bytes its content
 * @returns such as `6.1.0-50-cloud-amd64 (...) #1 SMP Debian 6.1.176-1 (...)`
 * @throws {ToolchainError} when it is no bzImage
 */
export function kernelVersionText(path: string, bytes: Uint8Array): string {
  const at = view(path, bytes).getUint16(OFFSETS.version, true);
  const text = new TextDecoder().decode(
    bytes.subarray(SETUP_BYTES + at, SETUP_BYTES + at + 256),
  );
  return text.split("\0")[0] ?? "";
}

/**
 * How a payload may be packed: its first bytes, and the Debian package of the
 * program that unpacks it, which has the packing's name. Debian 12 takes lz4.
 */
const PACKINGS: readonly {
  readonly name: string;
  readonly magic: readonly number[];
  readonly packageName?: string;
}[] = [
  { name: "gzip", magic: [0x1f, 0x8b] },
  { name: "xz", magic: [0xfd, 0x37, 0x7a], packageName: "xz-utils" },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f], packageName: "zstd" },
  { name: "lz4", magic: [0x02, 0x21, 0x4c], packageName: "lz4" },
];

/**
 * The ELF file inside a bzImage, which Firecracker loads.
 *
 * @param path the file, for messages
 * @param bytes its content
 * @returns the kernel as an ELF file
 * @throws {ToolchainError} when it is damaged, or its packer cannot be had
 */
export async function unpackKernel(
  path: string,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  const header = view(path, bytes);
  const protocol = header.getUint16(OFFSETS.protocol, true);
  const start = (1 + (bytes[OFFSETS.setupSectors] || 4)) * 512 +
    header.getUint32(OFFSETS.payloadOffset, true);
  const length = header.getUint32(OFFSETS.payloadLength, true);
  if (protocol < PAYLOAD_PROTOCOL || start + length > bytes.length) {
    throw new ToolchainError(
      `${path} is damaged: its payload is said to be ${length} bytes at ${start}, but it has ${bytes.length} bytes`,
    );
  }
  // The last four bytes are the unpacked size, which is no part of the stream.
  const payload = bytes.subarray(start, start + length - 4);
  const packing = PACKINGS.find(({ magic }) =>
    magic.every((byte, index) => payload[index] === byte)
  );
  if (packing === undefined) {
    throw new ToolchainError(
      `${path} is packed in a way that is not known here, expected one of ${
        PACKINGS.map(({ name }) => name).join(", ")
      }`,
    );
  }
  const { name, packageName } = packing;
  if (packageName !== undefined && !commandExists(name)) {
    await installPackage(packageName, `install ${name} by hand`);
  }
  const unpacked = packageName === undefined
    ? gunzipSync(payload)
    : runFilter([name, "-dc"], payload);
  if (unpacked[0] !== 0x7f || unpacked[1] !== 0x45) {
    throw new ToolchainError(`${path} holds no ELF file in its payload`);
  }
  return unpacked;
}
