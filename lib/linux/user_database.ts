/**
 * Users and groups by name, from `/etc/passwd` and `/etc/group`. The files are
 * read directly: libc's own look-up loads modules of the name service, which a
 * small image does not hold. Imports the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";

const ENOENT = 2;

/** One line of `/etc/passwd`; see `passwd(5)`. */
export interface User {
  /** The user's name. */
  readonly name: string;
  /** User id. */
  readonly userId: number;
  /** Primary group. */
  readonly groupId: number;
  /** Home directory. */
  readonly home: string;
  /** Login shell. */
  readonly shell: string;
}

/** One line of `/etc/group`; see `group(5)`. */
export interface Group {
  /** The group's name. */
  readonly name: string;
  /** Group id. */
  readonly groupId: number;
  /** Names of its members, without those whose primary group it is. */
  readonly members: readonly string[];
}

/** Ids are 32 bits; the last stands for "no change" in system calls. */
const MAXIMUM_ID = 0xFFFF_FFFE;

function id(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const number = Number(text);
  return number <= MAXIMUM_ID ? number : undefined;
}

/**
 * Parses the text of a passwd file. Lines of another form are left out.
 *
 * @param text The text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseUsers } from "./user_database.ts";
 *
 * const [user] = parseUsers("camera:x:900:901:Camera:/var/empty:/sbin/nologin");
 * assertEquals(user?.userId, 900);
 * ```
 */
export function parseUsers(text: string): User[] {
  return text.split("\n").flatMap((line) => {
    const [name, , user, group, , home, shell] = line.split(":");
    const userId = id(user);
    const groupId = id(group);
    if (!name || userId === undefined || groupId === undefined) return [];
    return [{ name, userId, groupId, home: home || "/", shell: shell ?? "" }];
  });
}

/**
 * Parses the text of a group file. Lines of another form are left out.
 *
 * @param text The text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseGroups } from "./user_database.ts";
 *
 * assertEquals(parseGroups("video:x:44:camera,telescope")[0]?.members, [
 *   "camera",
 *   "telescope",
 * ]);
 * ```
 */
export function parseGroups(text: string): Group[] {
  return text.split("\n").flatMap((line) => {
    const [name, , group, members] = line.split(":");
    const groupId = id(group);
    if (!name || groupId === undefined) return [];
    return [{
      name,
      groupId,
      members: (members ?? "").split(",").filter((member) => member !== ""),
    }];
  });
}

/** Users and groups, to look names up in. */
export interface UserDatabase {
  /** The users in the order of the file. */
  readonly users: readonly User[];
  /** The groups in the order of the file. */
  readonly groups: readonly Group[];
}

/**
 * Reads both files. One that is missing is empty: an image without users runs
 * its services by number.
 *
 * @param directory Where they are, default `/etc`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readUserDatabase } from "./user_database.ts";
 *
 * assertEquals(readUserDatabase("/no/such/directory"), { users: [], groups: [] });
 * ```
 */
export function readUserDatabase(directory = "/etc"): UserDatabase {
  const text = (name: string): string => {
    try {
      return Deno.readTextFileSync(`${directory}/${name}`);
    } catch {
      return "";
    }
  };
  return {
    users: parseUsers(text("passwd")),
    groups: parseGroups(text("group")),
  };
}

/** A user resolved: who a service runs as. */
export interface ResolvedUser {
  /** User id. */
  readonly userId: number;
  /** Primary group: the user's, or for a number without a user the same number. */
  readonly groupId: number;
  /** Groups that list the user as a member, without the primary one. */
  readonly supplementaryGroupIds: readonly number[];
  /** Name and home directory, where the user has a line. */
  readonly user: User | undefined;
}

/**
 * Finds a user by name or number.
 *
 * @param database The users and groups.
 * @param nameOrId A name, or a number that need not have a line.
 * @throws {SystemError} ENOENT when a name is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { resolveUser } from "./user_database.ts";
 *
 * const database = {
 *   users: [{ name: "camera", userId: 900, groupId: 901, home: "/", shell: "" }],
 *   groups: [{ name: "video", groupId: 44, members: ["camera"] }],
 * };
 * assertEquals(resolveUser(database, "camera").supplementaryGroupIds, [44]);
 * assertEquals(resolveUser(database, 7).groupId, 7);
 * ```
 */
export function resolveUser(
  database: UserDatabase,
  nameOrId: string | number,
): ResolvedUser {
  const number = typeof nameOrId === "number" ? nameOrId : id(nameOrId);
  const user = database.users.find((entry) => entry.name === nameOrId) ??
    database.users.find((entry) => entry.userId === number);
  const userId = user?.userId ?? number;
  if (userId === undefined) {
    throw new SystemError({
      syscall: "user",
      errno: ENOENT,
      path: `${nameOrId}`,
      detail: "expected a name in passwd, or a number",
    });
  }
  const groupId = user?.groupId ?? userId;
  return {
    userId,
    groupId,
    supplementaryGroupIds: database.groups
      .filter((group) =>
        user !== undefined && group.members.includes(user.name)
      )
      .map((group) => group.groupId)
      .filter((group, index, all) =>
        group !== groupId && all.indexOf(group) === index
      ),
    user,
  };
}

/**
 * Finds a group by name or number.
 *
 * @param database The users and groups.
 * @param nameOrId A name, or a number that need not have a line.
 * @returns The group id.
 * @throws {SystemError} ENOENT when a name is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { resolveGroup } from "./user_database.ts";
 *
 * const database = {
 *   users: [],
 *   groups: [{ name: "video", groupId: 44, members: [] }],
 * };
 * assertEquals(resolveGroup(database, "video"), 44);
 * ```
 */
export function resolveGroup(
  database: UserDatabase,
  nameOrId: string | number,
): number {
  const named = database.groups.find((group) => group.name === nameOrId);
  const groupId = named?.groupId ??
    (typeof nameOrId === "number" ? nameOrId : id(nameOrId));
  if (groupId !== undefined) return groupId;
  throw new SystemError({
    syscall: "group",
    errno: ENOENT,
    path: `${nameOrId}`,
    detail: "expected a name in group, or a number",
  });
}
