/**
 * Users and groups by name, out of the texts of `/etc/passwd` and
 * `/etc/group`: the init has no name service, and needs none. Pure: the texts
 * are handed in; imports nothing.
 *
 * @module
 */

/** A user of the machine (passwd(5)). */
export interface User {
  /** The login name. */
  readonly name: string;
  /** The user id, 0..4294967294. */
  readonly userId: number;
  /** The id of the user's own group. */
  readonly groupId: number;
  /** The home directory. */
  readonly homePath: string;
}

/** A group of the machine (group(5)). */
export interface Group {
  /** The group's name. */
  readonly name: string;
  /** The group id, 0..4294967294. */
  readonly groupId: number;
  /** The names of its members, beyond those whose own group it is. */
  readonly members: readonly string[];
}

/** The accounts of a machine. */
export interface Accounts {
  /** The users, in the file's order. */
  readonly users: readonly User[];
  /** The groups, in the file's order. */
  readonly groups: readonly Group[];
}

/** The ids that a process runs with. */
export interface Credentials {
  /** Real, effective and saved user id. */
  readonly userId: number;
  /** Real, effective and saved group id. */
  readonly groupId: number;
  /** Supplementary group ids. */
  readonly supplementaryGroupIds: readonly number[];
  /** The user's name, where it has one. */
  readonly userName?: string;
  /** The user's home directory, where it has one. */
  readonly homePath?: string;
}

/** What a service definition says of its credentials. */
export interface CredentialRequest {
  /** A user's name or number; null for the init's own, root. */
  readonly user: string | number | null;
  /** A group's name or number; null for the user's own. */
  readonly group: string | number | null;
  /** Names or numbers; null for those that `/etc/group` lists the user in. */
  readonly supplementaryGroups: readonly (string | number)[] | null;
}

/** Ids are 32 bits wide; the largest means "no change" to the kernel. */
const LARGEST_ID = 0xffff_fffe;

function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= LARGEST_ID ? id : undefined;
}

/**
 * Reads the two files. Lines that are not of their format are passed over, as
 * the C library does.
 *
 * @param passwd The content of `/etc/passwd`; empty where there is none.
 * @param group The content of `/etc/group`; empty where there is none.
 * @returns The accounts.
 *
 * @example
 * ```ts
 * import { parseAccounts } from "./accounts.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const { users } = parseAccounts("camera:x:100:101::/:/none\n", "");
 * assertEquals(users[0]?.userId, 100);
 * ```
 */
export function parseAccounts(passwd: string, group: string): Accounts {
  const users: User[] = [];
  for (const line of passwd.split("\n")) {
    const [name, , userText, groupText, , homePath] = line.split(":");
    const userId = parseId(userText);
    const groupId = parseId(groupText);
    if (!name || userId === undefined || groupId === undefined) continue;
    users.push({ name, userId, groupId, homePath: homePath || "/" });
  }
  const groups: Group[] = [];
  for (const line of group.split("\n")) {
    const [name, , groupText, memberText] = line.split(":");
    const groupId = parseId(groupText);
    if (!name || groupId === undefined) continue;
    const members = (memberText ?? "").split(",").filter((word) => word !== "");
    groups.push({ name, groupId, members });
  }
  return { users, groups };
}

/**
 * Turns names into ids.
 *
 * @param request What the definition says.
 * @param accounts The machine's accounts.
 * @returns The ids, or null when the definition asks for nothing but root.
 * @throws {RangeError} Naming the user or group that does not exist.
 *
 * @example
 * ```ts
 * import { parseAccounts, resolveCredentials } from "./accounts.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const accounts = parseAccounts(
 *   "camera:x:100:101::/data:/none\n",
 *   "video:x:44:camera\n",
 * );
 * const request = { user: "camera", group: null, supplementaryGroups: null };
 * assertEquals(resolveCredentials(request, accounts)?.supplementaryGroupIds, [44]);
 * ```
 */
export function resolveCredentials(
  request: CredentialRequest,
  accounts: Accounts,
): Credentials | null {
  if (
    request.user === null && request.group === null &&
    request.supplementaryGroups === null
  ) return null;
  const user = findUser(request.user ?? 0, accounts);
  const groupId = request.group === null
    ? user.groupId
    : findGroupId(request.group, accounts);
  const supplementaryGroupIds = request.supplementaryGroups === null
    ? accounts.groups
      .filter((group) =>
        user.userName !== undefined && group.members.includes(user.userName)
      )
      .map((group) => group.groupId)
    : request.supplementaryGroups.map((group) => findGroupId(group, accounts));
  return { ...user, groupId, supplementaryGroupIds };
}

function findUser(
  user: string | number,
  accounts: Accounts,
): Omit<Credentials, "supplementaryGroupIds"> {
  const found = accounts.users.find((known) =>
    typeof user === "number" ? known.userId === user : known.name === user
  );
  if (found !== undefined) {
    const { name: userName, userId, groupId, homePath } = found;
    return { userName, userId, groupId, homePath };
  }
  // A number needs no entry: many images have no /etc/passwd at all.
  if (typeof user === "number") return { userId: user, groupId: user };
  throw new RangeError(
    `user ${JSON.stringify(user)} is not in /etc/passwd`,
  );
}

function findGroupId(group: string | number, accounts: Accounts): number {
  if (typeof group === "number") return group;
  const found = accounts.groups.find((known) => known.name === group);
  if (found === undefined) {
    throw new RangeError(`group ${JSON.stringify(group)} is not in /etc/group`);
  }
  return found.groupId;
}
