import { assert, assertEquals } from "@std/assert";
import {
  lockHolder,
  swapsOf,
  usesOf,
} from "../../../cmd/spaceos-disk/guard.ts";

Deno.test("usesOf reads devices and mount points, blanks in them included", () => {
  const text = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/does-not-exist rw
23 22 0:45 /sub /mnt/a\\040b rw - btrfs /dev/null rw
24 22 0:5 / /dev rw,nosuid - devtmpfs udev rw
`;
  assertEquals(usesOf(text), [
    ["8:1", "it is mounted on /"],
    ["", "it is mounted on /"],
    ["0:45", "it is mounted on /mnt/a b"],
    // The device number of the source, which the first column hides.
    ["1:3", "it is mounted on /mnt/a b"],
    ["0:5", "it is mounted on /dev"],
  ]);
  assertEquals(usesOf(""), []);
});

Deno.test("swapsOf reads the nodes of /proc/swaps without its heading", () => {
  const text = "Filename\t\t\tType\t\tSize\n/dev/vdb2   partition 1 0 -2\n";
  assertEquals(swapsOf(text), [["/dev/vdb2", "it is swap space"]]);
  assertEquals(swapsOf(""), []);
});

Deno.test("lockHolder finds the locks that QEMU takes on a file, by device and inode", () => {
  const text = `1: OFDLCK ADVISORY  READ  -1 fe:01:393 100 101
2: POSIX  ADVISORY  WRITE 812 08:10:77 0 EOF
3: FLOCK  ADVISORY  WRITE 900 fe:01:394 0 EOF
`;
  assertEquals(lockHolder(text, "254:1", 393n, 1), "another program");
  assertEquals(lockHolder(text, "8:16", 77n, 1), "process 812");
  assertEquals(lockHolder(text, "8:16", 77n, 812), undefined);
  assertEquals(lockHolder(text, "254:1", 394n, 1), undefined, "flock is asked");
  assertEquals(lockHolder(text, "254:2", 393n, 1), undefined);
  assertEquals(lockHolder("", "254:1", 393n, 1), undefined);
  assert(lockHolder("garbage\n: : :", "0:0", 0n, 1) === undefined);
});
