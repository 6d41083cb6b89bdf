/**
 * A parser of command line arguments with the documented behaviour of
 * parseArgs of @std/cli: flags, values, collections, aliases, negation, the
 * double dash. It imports nothing.
 */

type Names<T> = T extends string ? T
  : T extends readonly (infer U)[] ? Extract<U, string>
  : never;

type AliasNames<A, N extends string> = A extends
  Readonly<Record<string, unknown>> ? {
    [K in keyof A & string]: N extends K | Names<A[K]> ? K | Names<A[K]>
      : never;
  }[
    keyof A & string
  ]
  : never;

type WithAliases<N extends string, A> = N | AliasNames<A, N>;

type DefaultOf<D, K extends string> = K extends keyof D
  ? (D[K] extends boolean ? boolean : D[K] extends string ? string
  : D[K] extends number ? number
  : D[K])
  : never;

type Value<K extends string, T, C extends string, D> = K extends C ? T[]
  : K extends keyof D ? (T | Exclude<DefaultOf<D, K>, undefined>)
  : T | undefined;

type Simplify<T> = { [K in keyof T]: T[K] };

type TypedValues<
  B extends string,
  S extends string,
  C extends string,
  D,
> = Simplify<
  & {
    [K in B]: K extends C ? boolean[]
      : K extends keyof D ? boolean | DefaultOf<D, K>
      : boolean;
  }
  & {
    [K in S as K extends C ? K : K extends keyof D ? K : never]: Value<
      K,
      string,
      C,
      D
    >;
  }
  & {
    [K in S as K extends C ? never : K extends keyof D ? never : K]?:
      | string
      | undefined;
  }
  & { [K in Exclude<C, B | S>]: unknown[] }
  & { [K in Exclude<keyof D & string, B | S | C>]: unknown }
>;

/** What parseArgs returns: the options by name, and `_` with the rest. */
export type Args<
  B extends string = string,
  S extends string = string,
  C extends string = never,
  D = unknown,
  DD = false,
> =
  // deno-lint-ignore no-explicit-any
  & ([B | S | C] extends [never] ? Record<string, any>
    : TypedValues<B, S, C, D>)
  & { _: (string | number)[] }
  & (DD extends true ? { "--": string[] } : Record<never, never>);

/** The options of parseArgs. */
export interface ParseOptions<
  B extends string | readonly string[] | boolean =
    | string
    | readonly string[]
    | boolean,
  S extends string | readonly string[] = string | readonly string[],
  C extends string | readonly string[] = string | readonly string[],
  N extends string | readonly string[] = string | readonly string[],
  D = Readonly<Record<string, unknown>>,
  A = Readonly<Record<string, string | readonly string[]>>,
  DD extends boolean = boolean,
> {
  /** Put what follows `--` in `result["--"]` instead of `_`; default false. */
  "--"?: DD;
  /** Other names of options. */
  alias?: A;
  /** Options without a value; `true`: every `--name` without `=`. */
  boolean?: B;
  /** Values of options that were not given. */
  default?: D;
  /** Put everything from the first positional argument on in `_`; default false. */
  stopEarly?: boolean;
  /** Options whose value is kept as text. `_` keeps positional numbers as text. */
  string?: S;
  /** Options that may be repeated and become lists. */
  collect?: C;
  /** Options that `--no-NAME` sets to false. */
  negatable?: N;
  /** Called for what no other option names; `false` leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

const NUMBER = /^(?:0x[0-9a-f]+|[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)$/i;

function asList(value: unknown): string[] {
  if (value === undefined || typeof value === "boolean") return [];
  return (Array.isArray(value) ? value : [value]).map(String);
}

function isNumeric(text: string): boolean {
  return NUMBER.test(text) && Number.isFinite(Number(text));
}

/**
 * Parses command line arguments.
 *
 * @param args the arguments, such as `Deno.args`
 * @param options what to expect
 * @returns the options by name, and the positional arguments in `_`
 */
export function parseArgs<
  const B extends string | readonly string[] | boolean = readonly [],
  const S extends string | readonly string[] = readonly [],
  const C extends string | readonly string[] = readonly [],
  const N extends string | readonly string[] = readonly [],
  const D extends Readonly<Record<string, unknown>> = Record<never, never>,
  const A extends Readonly<Record<string, string | readonly string[]>> = Record<
    never,
    never
  >,
  const DD extends boolean = false,
>(
  args: readonly string[],
  options: ParseOptions<B, S, C, N, D, A, DD> = {},
): Args<
  WithAliases<Names<B>, A>,
  Exclude<WithAliases<Names<S>, A>, "_">,
  WithAliases<Names<C>, A>,
  D,
  DD
> {
  const aliases = new Map<string, Set<string>>();
  for (const [name, others] of Object.entries(options.alias ?? {})) {
    const group = new Set([name, ...asList(others)]);
    for (const member of group) {
      for (const other of aliases.get(member) ?? []) group.add(other);
    }
    for (const member of group) aliases.set(member, group);
  }
  const namesOf = (name: string): Iterable<string> =>
    aliases.get(name) ?? [name];
  const expand = (names: readonly string[]): Set<string> =>
    new Set(names.flatMap((name) => [...namesOf(name)]));
  const booleans = expand(asList(options.boolean));
  const strings = expand(asList(options.string));
  const collected = expand(asList(options.collect));
  const negatable = expand(asList(options.negatable));
  const allBooleans = options.boolean === true;
  const defaults = options.default ?? {};
  const isKnown = (name: string): boolean =>
    booleans.has(name) || strings.has(name) || collected.has(name) ||
    aliases.has(name) || Object.hasOwn(defaults, name);

  const result: Record<string, unknown> = {};
  const given = new Set<string>();
  const positional: (string | number)[] = [];

  // A dotted name such as `a.b` is a path of nested objects. Each step is an
  // own property of a plain object, so that `__proto__` reaches no prototype.
  const place = (
    path: string,
  ): { holder: Record<string, unknown>; last: string } => {
    const keys = path.split(".");
    const last = keys.pop() ?? path;
    let holder = result;
    for (const key of keys) {
      const inner = Object.hasOwn(holder, key) ? holder[key] : undefined;
      if (typeof inner === "object" && inner !== null) {
        holder = inner as Record<string, unknown>;
      } else {
        const created: Record<string, unknown> = {};
        Object.defineProperty(holder, key, {
          value: created,
          writable: true,
          enumerable: true,
          configurable: true,
        });
        holder = created;
      }
    }
    return { holder, last };
  };
  const put = (path: string, value: unknown, collect: boolean): void => {
    const { holder, last } = place(path);
    const old = Object.hasOwn(holder, last) ? holder[last] : undefined;
    const stored = collect
      ? [...(Array.isArray(old) ? old : []), value]
      : value;
    Object.defineProperty(holder, last, {
      value: stored,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  };
  const set = (
    name: string,
    value: unknown,
    arg: string,
    collect = true,
  ): void => {
    if (
      !isKnown(name) && !allBooleans && options.unknown &&
      options.unknown(arg, name, value) === false
    ) return;
    const converted =
      !strings.has(name) && typeof value === "string" && isNumeric(value)
        ? Number(value)
        : value;
    for (const alias of namesOf(name)) {
      given.add(alias);
      put(alias, converted, collect && collected.has(name));
    }
  };
  const setBoolean = (name: string, text: string, arg: string): void =>
    set(name, text !== "false", arg);
  const isBoolean = (name: string): boolean => booleans.has(name);

  const doubleDash = args.indexOf("--");
  const head = doubleDash === -1 ? args : args.slice(0, doubleDash);
  const rest = doubleDash === -1 ? [] : args.slice(doubleDash + 1);

  for (let i = 0; i < head.length; i++) {
    const arg = head[i] ?? "";
    const next = head[i + 1];
    const equal = /^--([^=]+)=([\s\S]*)$/.exec(arg);
    const negated = /^--no-(.+)$/.exec(arg);
    const long = /^--(.+)$/.exec(arg);
    if (equal) {
      const [, name = "", value = ""] = equal;
      if (isBoolean(name)) setBoolean(name, value, arg);
      else set(name, value, arg);
    } else if (negated?.[1] !== undefined && negatable.has(negated[1])) {
      set(negated[1], false, arg, false);
    } else if (long?.[1] !== undefined) {
      const name = long[1];
      if (
        next !== undefined && !next.startsWith("-") && !isBoolean(name) &&
        !allBooleans
      ) {
        set(name, next, arg);
        i++;
      } else if (
        (isBoolean(name) || allBooleans) &&
        (next === "true" || next === "false")
      ) {
        setBoolean(name, next, arg);
        i++;
      } else {
        set(name, strings.has(name) ? "" : true, arg);
      }
    } else if (/^-[^-]/.test(arg)) {
      const letters = arg.slice(1);
      let consumed = false;
      for (let at = 0; at < letters.length - 1; at++) {
        const letter = letters[at] ?? "";
        const tail = letters.slice(at + 1);
        if (tail === "-") {
          set(letter, tail, arg);
          continue;
        }
        if (/[A-Za-z]/.test(letter) && tail.startsWith("=")) {
          set(letter, tail.slice(1), arg);
          consumed = true;
          break;
        }
        if (/[A-Za-z]/.test(letter) && isNumeric(tail)) {
          set(letter, tail, arg);
          consumed = true;
          break;
        }
        if (/\W/.test(tail[0] ?? "")) {
          set(letter, tail, arg);
          consumed = true;
          break;
        }
        set(letter, strings.has(letter) ? "" : true, arg);
      }
      const last = letters.at(-1) ?? "";
      if (!consumed && last !== "-") {
        if (
          next !== undefined && !/^(-|--)[^-]/.test(next) && !isBoolean(last)
        ) {
          set(last, next, arg);
          i++;
        } else if (isBoolean(last) && (next === "true" || next === "false")) {
          setBoolean(last, next, arg);
          i++;
        } else {
          set(last, strings.has(last) ? "" : true, arg);
        }
      }
    } else {
      if (options.unknown === undefined || options.unknown(arg) !== false) {
        positional.push(
          strings.has("_") || !isNumeric(arg) ? arg : Number(arg),
        );
      }
      if (options.stopEarly) {
        positional.push(...head.slice(i + 1));
        break;
      }
    }
  }

  for (const [name, value] of Object.entries(defaults)) {
    for (const alias of namesOf(name)) {
      if (given.has(alias)) continue;
      given.add(alias);
      put(alias, value, false);
    }
  }
  for (const name of [...collected, ...booleans]) {
    if (given.has(name)) continue;
    put(name, collected.has(name) ? [] : false, false);
  }
  if (options["--"]) result["--"] = [...rest];
  else positional.push(...rest);
  result._ = positional;
  return result as Args<
    WithAliases<Names<B>, A>,
    Exclude<WithAliases<Names<S>, A>, "_">,
    WithAliases<Names<C>, A>,
    D,
    DD
  >;
}
