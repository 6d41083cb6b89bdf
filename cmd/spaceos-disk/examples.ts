/**
 * Examples for the help of each subcommand. Imports nothing.
 *
 * @module
 */

/** Command lines by subcommand, without the program's name. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  format: [
    "format volume.img --size 8M --tenant 7",
    "format disk.img --partition 1 --force",
  ],
  inspect: ["inspect volume.img", "inspect /dev/vdb --partition 1 --json"],
  check: ["check volume.img", "check volume.img --json"],
  repair: ["repair volume.img"],
  "param get": [
    "param get volume.img boot-count",
    "param get volume.img 1 --json",
  ],
  "param set": [
    "param set volume.img failed-boots 0",
    "param set volume.img 1 --u32 30",
    "param set volume.img 0x20 --file -",
  ],
  "param list": ["param list volume.img"],
  events: [
    "events volume.img --last 10",
    "events volume.img --severity warning --follow",
  ],
  "dp list": ["dp list volume.img"],
  "dp get": [
    "dp get volume.img image-0001 picture.png",
    "dp get volume.img log-0001",
  ],
  "dp put": ["dp put volume.img image-0001 picture.png --class 2"],
};
