/**
 * The init as an image has it: compiled, with the flags of an image.
 *
 * @module
 */
import { main as compileAll } from "../../rootfs/compile_all.ts";
import { REPOSITORY } from "../../rootfs/toolchain/environment.ts";

/** Where it is, once it is compiled. */
export const EXECUTABLE = `${REPOSITORY}/rootfs/out/bin/spaceos-init`;

/** Compiles the sources as they are now. */
export async function compileInit(): Promise<void> {
  if (await compileAll(["spaceos-init"]) !== 0) {
    throw new Error("the init could not be compiled");
  }
}
