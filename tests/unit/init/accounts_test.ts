import { assertEquals, assertThrows } from "@std/assert";
import {
  parseAccounts,
  resolveCredentials,
} from "../../../lib/init/accounts.ts";

const accounts = parseAccounts(
  [
    "root:x:0:0:root:/root:/bin/sh",
    "# a comment",
    "camera:x:100:101:Camera:/data:/none",
    "broken:x:minus:1::/:/",
    "huge:x:4294967295:1::/:/",
    "homeless:x:102:102",
    "",
  ].join("\n"),
  "root:x:0:\nvideo:x:44:camera,other\nspi:x:45:other,camera\nbad:x::camera\n",
);
const nothing = { user: null, group: null, supplementaryGroups: null };

Deno.test("parseAccounts passes over lines that are not of the format", () => {
  assertEquals(accounts.users.map((user) => user.name), [
    "root",
    "camera",
    "homeless",
  ]);
  assertEquals(accounts.users[2]?.homePath, "/");
  assertEquals(accounts.groups.map((group) => group.name), [
    "root",
    "video",
    "spi",
  ]);
});

Deno.test("resolveCredentials changes nothing when nothing is asked", () => {
  assertEquals(resolveCredentials(nothing, accounts), null);
});

Deno.test("resolveCredentials takes the user's own group and those that list it", () => {
  assertEquals(resolveCredentials({ ...nothing, user: "camera" }, accounts), {
    userName: "camera",
    userId: 100,
    groupId: 101,
    homePath: "/data",
    supplementaryGroupIds: [44, 45],
  });
});

Deno.test("resolveCredentials takes named and numbered groups as they are asked", () => {
  const request = {
    user: 100,
    group: "spi",
    supplementaryGroups: ["video", 7],
  };
  const found = resolveCredentials(request, accounts);
  assertEquals([found?.groupId, found?.supplementaryGroupIds], [45, [44, 7]]);
  const none = resolveCredentials(
    { user: "camera", group: null, supplementaryGroups: [] },
    accounts,
  );
  assertEquals(none?.supplementaryGroupIds, []);
});

Deno.test("resolveCredentials needs no entry for a number", () => {
  assertEquals(resolveCredentials({ ...nothing, user: 1234 }, accounts), {
    userId: 1234,
    groupId: 1234,
    supplementaryGroupIds: [],
  });
});

Deno.test("resolveCredentials names the user or group that does not exist", () => {
  assertThrows(
    () => resolveCredentials({ ...nothing, user: "nobody" }, accounts),
    RangeError,
    'user "nobody" is not in /etc/passwd',
  );
  assertThrows(
    () => resolveCredentials({ ...nothing, group: "wheel" }, accounts),
    RangeError,
    'group "wheel" is not in /etc/group',
  );
});
