/**
 * The configuration file of `spaceosctl switch run`: JSON, from one description
 * of its keys. Imports the switch's rules and the toolkit for files.
 *
 * @module
 */
import {
  type ApidRange,
  checkSwitchPlan,
  MAXIMUM_TENANTS,
  parseApidRange,
  type SwitchPlan,
  SYSTEM,
  TENANT_NAME_PATTERN,
  UPLINK,
} from "../../lib/host/switch_plan.ts";
import type { SwitchSocketOptions } from "../../lib/host/switch_server.ts";
import {
  readUserDatabase,
  resolveGroup,
  resolveUser,
  type UserDatabase,
} from "../../lib/linux/user_database.ts";
import type { JsonNode } from "../../lib/supervisor/json.ts";
import { memberOf, parseObject } from "../../lib/supervisor/json_object.ts";
import {
  fallbacksOf,
  type Fields,
  type IssueSink,
  report,
  resolveShape,
  type Shape,
} from "../../lib/supervisor/schema.ts";

/** What a configuration asks for. */
export interface SwitchConfig {
  /** The folder of the sockets. */
  readonly directory: string;
  /** Who is there. */
  readonly plan: SwitchPlan;
  /** How each party's socket is made. */
  readonly sockets: Readonly<Record<string, SwitchSocketOptions>>;
  /** The socket of the VM's port, or null without an uplink. */
  readonly uplinkPath: string | null;
}

const path: Shape = {
  kind: "string",
  expectation: "an absolute path of at most 107 bytes",
  pattern: /^\/.*$/s,
  maximumLength: 107,
};

const range: Shape = {
  kind: "string",
  expectation: 'ids such as "0x010..0x01F", each 0x000..0x7FF',
  pattern: /^[0-9A-Fa-fx.]+$/,
  maximumLength: 12,
};

const ranges: Shape = { kind: "array", items: range, maximumItems: 64 };

const identity: Shape = {
  kind: "either",
  of: [
    { kind: "integer", minimum: 0, maximum: 0xFFFF_FFFE },
    {
      kind: "string",
      expectation: "a name",
      minimumLength: 1,
      maximumLength: 64,
    },
  ],
};

const socketFields: Fields = {
  mode: {
    description: "The permissions of its socket, in octal.",
    shape: {
      kind: "string",
      expectation: 'permissions in octal, such as "0600"',
      pattern: /^0[0-7]{3}$/,
      maximumLength: 4,
    },
    fallback: "0600",
  },
  user: {
    description: "The owner of its socket, by name or id.",
    shape: { kind: "nullable", nullMeans: "the switch's own", of: identity },
    fallback: null,
  },
  group: {
    description: "The group of its socket, by name or id.",
    shape: { kind: "nullable", nullMeans: "the switch's own", of: identity },
    fallback: null,
  },
};

/** The keys of the file. */
export const SWITCH_CONFIG_FIELDS: Fields = {
  directory: {
    description: "The folder of the sockets; made if it is not there.",
    shape: path,
  },
  tenants: {
    description: "The tenants by name.",
    shape: {
      kind: "map",
      keys: {
        kind: "string",
        expectation: `a name of 1 to 32 letters, digits, "_" and "-"`,
        pattern: TENANT_NAME_PATTERN,
        maximumLength: 32,
      },
      values: {
        kind: "object",
        fields: {
          apids: { description: "The ids that are its own.", shape: range },
          sendTo: {
            description: "The ids that it may send to.",
            shape: ranges,
            fallback: [],
          },
          ...socketFields,
        },
      },
      maximumMembers: MAXIMUM_TENANTS,
    },
  },
  system: {
    description:
      "The host's own socket, which speaks as 0x000 and alone may command.",
    shape: { kind: "object", fields: socketFields },
    fallback: fallbacksOf(socketFields),
  },
  uplink: {
    description: "The VM.",
    shape: {
      kind: "nullable",
      nullMeans: "none",
      of: {
        kind: "object",
        fields: {
          socket: { description: "The socket of its port.", shape: path },
          apids: {
            description: "The ids behind it.",
            shape: ranges,
            fallback: ["0x001..0x00F"],
          },
          sendTo: {
            description: "The ids that it may send to.",
            shape: ranges,
            fallback: ["0x000..0x7FF"],
          },
        },
      },
    },
    fallback: null,
  },
};

/** The values of the file as its shape makes sure that they are. */
interface RawSocket {
  readonly mode: string;
  readonly user: number | string | null;
  readonly group: number | string | null;
}
interface RawConfig {
  readonly directory: string;
  readonly tenants: Readonly<
    Record<
      string,
      RawSocket & { readonly apids: string; readonly sendTo: readonly string[] }
    >
  >;
  readonly system: RawSocket;
  readonly uplink: {
    readonly socket: string;
    readonly apids: readonly string[];
    readonly sendTo: readonly string[];
  } | null;
}

type Path = readonly (string | number)[];

/**
 * Reads a configuration.
 *
 * @param text The file's content.
 * @param sink Where mistakes go.
 * @param database The users and groups that names are looked up in.
 * @returns What it asks for, or null when an error was reported.
 */
export function readSwitchConfig(
  text: string,
  sink: IssueSink,
  database: UserDatabase = readUserDatabase(),
): SwitchConfig | null {
  const root = parseObject(text, sink);
  if (root === null) return null;
  const raw = resolveShape(
    { kind: "object", fields: SWITCH_CONFIG_FIELDS },
    root,
    "$",
    sink,
  ) as RawConfig;
  if (sink.issues.length > 0) return null;
  const reader = new Reader(root, sink, database);
  const tenants = Object.entries(raw.tenants).map(([name, tenant]) => ({
    name,
    apids: reader.range(tenant.apids, ["tenants", name, "apids"]),
    sendTo: reader.ranges(tenant.sendTo, ["tenants", name, "sendTo"]),
  }));
  const plan: SwitchPlan = {
    tenants,
    uplink: raw.uplink === null ? null : {
      apids: reader.ranges(raw.uplink.apids, [UPLINK, "apids"]),
      sendTo: reader.ranges(raw.uplink.sendTo, [UPLINK, "sendTo"]),
    },
  };
  const sockets: Record<string, SwitchSocketOptions> = {
    [SYSTEM]: reader.socket(raw.system, [SYSTEM]),
  };
  for (const [name, tenant] of Object.entries(raw.tenants)) {
    sockets[name] = reader.socket(tenant, ["tenants", name]);
    const socketPath = `${raw.directory}/${name}.sock`;
    if (new TextEncoder().encode(socketPath).length > MAXIMUM_PATH_BYTES) {
      reader.report(
        ["directory"],
        `a folder in which "${name}.sock" has a path of at most ${MAXIMUM_PATH_BYTES} bytes`,
      );
    }
  }
  if (sink.issues.length === 0) {
    for (const problem of checkSwitchPlan(plan)) {
      reader.report(problem.path, problem.expected);
    }
  }
  return sink.issues.length > 0 ? null : {
    directory: raw.directory,
    plan,
    sockets,
    uplinkPath: raw.uplink?.socket ?? null,
  };
}

/** `sun_path` has 108 bytes with the NUL. */
const MAXIMUM_PATH_BYTES = 107;

/** From texts to values, with each mistake reported where it stands. */
class Reader {
  readonly #root: JsonNode;
  readonly #sink: IssueSink;
  readonly #database: UserDatabase;

  constructor(root: JsonNode, sink: IssueSink, database: UserDatabase) {
    this.#root = root;
    this.#sink = sink;
    this.#database = database;
  }

  report(path: Path, expected: string): void {
    const node = path.reduce<JsonNode | null>(childOf, this.#root);
    report(this.#sink, node, pathText(path), `expected ${expected}`);
  }

  range(text: string, path: Path): ApidRange {
    const found = parseApidRange(text);
    if (found === null) {
      this.report(
        path,
        'ids such as "0x010..0x01F", from lower to higher, each 0x000..0x7FF',
      );
    }
    return found ?? { first: 0, last: 0 };
  }

  ranges(texts: readonly string[], path: Path): ApidRange[] {
    return texts.map((text, index) => this.range(text, [...path, index]));
  }

  socket({ mode, user, group }: RawSocket, path: Path): SwitchSocketOptions {
    const userId = this.#look(
      user,
      [...path, "user"],
      "user",
      (value) => resolveUser(this.#database, value).userId,
    );
    const groupId = this.#look(
      group,
      [...path, "group"],
      "group",
      (value) => resolveGroup(this.#database, value),
    );
    return {
      mode: parseInt(mode, 8),
      ...(userId === undefined ? {} : { userId }),
      ...(groupId === undefined ? {} : { groupId }),
    };
  }

  #look(
    value: number | string | null,
    path: Path,
    what: string,
    find: (value: number | string) => number,
  ): number | undefined {
    if (value === null) return undefined;
    try {
      return find(value);
    } catch {
      this.report(path, `a ${what} of this machine`);
      return undefined;
    }
  }
}

function childOf(node: JsonNode | null, key: string | number): JsonNode | null {
  if (node === null) return null;
  if (typeof key === "string") return memberOf(node, key);
  return node.kind === "array" ? node.items[key] ?? null : null;
}

function pathText(path: Path): string {
  return path.reduce<string>(
    (text, key) =>
      typeof key === "number"
        ? `${text}[${key}]`
        : /^[A-Za-z_][A-Za-z0-9_]*$/.test(key)
        ? `${text}.${key}`
        : `${text}[${JSON.stringify(key)}]`,
    "$",
  );
}
