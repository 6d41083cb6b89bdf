import { assertEquals, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import {
  parseGroups,
  parseUsers,
  readUserDatabase,
  resolveGroup,
  resolveUser,
} from "../../../lib/linux/user_database.ts";

const database = {
  users: parseUsers(
    "root:x:0:0:root:/root:/bin/sh\n" +
      "camera:x:900:901::/var/empty:\n" +
      "1234:x:77:78::/:\n" +
      "\n" +
      "# a comment\n" +
      "broken:x:abc:1::/:\n" +
      "negative:x:-1:1::/:\n" +
      "toolarge:x:4294967295:1::/:\n" +
      ":x:5:5::/:\n",
  ),
  groups: parseGroups(
    "root:x:0:\nvideo:x:44:camera,root\ncamera:x:901:camera\n" +
      "spi:x:902:other,camera,\nvideo2:x:44:camera\nbroken:x:::\n",
  ),
};

Deno.test("parseUsers and parseGroups take the lines that are whole", () => {
  assertEquals(database.users.map((user) => user.name), [
    "root",
    "camera",
    "1234",
  ]);
  assertEquals(database.groups.map((group) => group.name), [
    "root",
    "video",
    "camera",
    "spi",
    "video2",
  ]);
  assertEquals(database.groups[3]?.members, ["other", "camera"]);
});

Deno.test("resolveUser finds a user by name, by number, and a number without a line", () => {
  const camera = resolveUser(database, "camera");
  assertEquals([camera.userId, camera.groupId], [900, 901]);
  // Each group once, without the primary one.
  assertEquals(camera.supplementaryGroupIds, [44, 902]);
  assertEquals(resolveUser(database, 900).user?.name, "camera");
  assertEquals(resolveUser(database, "900").user?.name, "camera");
  assertEquals(resolveUser(database, "5000"), {
    userId: 5000,
    groupId: 5000,
    supplementaryGroupIds: [],
    user: undefined,
  });
});

Deno.test("resolveUser takes a name of digits for a name first, as chown(1) does", () => {
  assertEquals(resolveUser(database, "1234").userId, 77);
  assertEquals(resolveUser(database, 1234).userId, 1234);
});

Deno.test("resolveUser and resolveGroup refuse an unknown name, and numbers that are none", () => {
  for (const name of ["nobody-here", "", "-1", "4294967295", "1e3", "0x10"]) {
    assertThrows(() => resolveUser(database, name), SystemError, "ENOENT");
    assertThrows(() => resolveGroup(database, name), SystemError, "ENOENT");
  }
  assertEquals(resolveGroup(database, "video"), 44);
  assertEquals(resolveGroup(database, "45"), 45);
});

Deno.test("readUserDatabase reads this machine's root", () => {
  assertEquals(resolveUser(readUserDatabase(), "root").userId, 0);
});
