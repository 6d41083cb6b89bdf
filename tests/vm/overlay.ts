/**
 * The built image with more files in it: the kernel unpacks a second archive
 * over the first, so a test that needs a program or a definition of its own
 * need not build an image. The manifest stays that of the first.
 */
import { Tree } from "../../rootfs/cpio.ts";
import { resolveLibraries } from "../../rootfs/elf.ts";
import { hostFiles } from "../../rootfs/host_files.ts";
import type { PlainFile } from "../../rootfs/image.ts";
import { builtImage, type ImageFiles } from "./machine.ts";

/** A file of text. */
export function textFile(path: string, text: string): PlainFile {
  return { path, bytes: new TextEncoder().encode(text), executable: false };
}

/** A service definition. */
export function serviceFile(name: string, definition: unknown): PlainFile {
  return textFile(
    `/etc/spaceos/services.d/${name}.json`,
    JSON.stringify(definition),
  );
}

/** A program of this machine, under its own path. */
export function programFile(path: string): PlainFile {
  return { path, bytes: Deno.readFileSync(path), executable: true };
}

/** An image that is removed when it is disposed of. */
export type OverlaidImage = ImageFiles & Disposable;

/**
 * Adds files to the built image, and the libraries of those that are programs.
 *
 * @param files the files; a path that is in the image already is written over
 * @param base the image, unless it is the built one
 * @returns the image, in a temporary file
 */
export function overlaid(
  files: readonly PlainFile[],
  base: ImageFiles = builtImage(),
): OverlaidImage {
  const tree = new Tree();
  const libraries = new Map<string, Uint8Array>();
  for (const { path, bytes, executable } of files) {
    tree.add(path, { kind: "file", bytes, mode: executable ? 0o755 : 0o644 });
    if (!executable || bytes[0] !== 0x7f) continue;
    for (const library of resolveLibraries(path, bytes, hostFiles)) {
      libraries.set(library.path, library.bytes);
    }
  }
  for (const [path, bytes] of libraries) {
    tree.add(path, { kind: "file", bytes, mode: 0o755 });
  }
  const initrdPath = Deno.makeTempFileSync({ prefix: "spaceos-initrd-" });
  Deno.copyFileSync(base.initrdPath, initrdPath);
  const file = Deno.openSync(initrdPath, { append: true });
  // An archive begins at a multiple of four bytes.
  file.writeSync(new Uint8Array((4 - file.statSync().size % 4) % 4));
  tree.write((piece) => {
    for (let at = 0; at < piece.length;) {
      at += file.writeSync(piece.subarray(at));
    }
  }, 0);
  file.close();
  return {
    kernelPath: base.kernelPath,
    initrdPath,
    commandLine: base.commandLine,
    [Symbol.dispose]: () => Deno.removeSync(initrdPath),
  };
}
