/**
 * Structural equality, as assertEquals documents it: same structure, same
 * constructor, collections compared by content, cycles allowed.
 */

function constructorsAgree(a: object, b: object): boolean {
  return a.constructor === b.constructor ||
    (a.constructor === Object && !b.constructor) ||
    (!a.constructor && b.constructor === Object);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function viewBytes(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function enumerableKeys(value: object): PropertyKey[] {
  const symbols = Object.getOwnPropertySymbols(value)
    .filter((symbol) =>
      Object.prototype.propertyIsEnumerable.call(value, symbol)
    );
  return [...Object.keys(value), ...symbols];
}

/**
 * Tells whether two values are structurally equal.
 *
 * @param left one value
 * @param right the other
 * @returns true when no difference can be found
 * @throws {TypeError} for two different WeakMaps or WeakSets, whose content cannot be read
 */
export function equal(left: unknown, right: unknown): boolean {
  const assumedEqual = new Map<object, Set<object>>();

  function compareSets(a: Set<unknown>, b: Set<unknown>): boolean {
    if (a.size !== b.size) return false;
    const rest = new Set<unknown>();
    for (const value of b) if (!a.has(value)) rest.add(value);
    for (const value of a) {
      if (b.has(value)) continue;
      let found = false;
      for (const candidate of rest) {
        if (compare(value, candidate)) {
          rest.delete(candidate);
          found = true;
          break;
        }
      }
      if (!found) return false;
    }
    return true;
  }

  function compareMaps(
    a: Map<unknown, unknown>,
    b: Map<unknown, unknown>,
  ): boolean {
    if (a.size !== b.size) return false;
    const rest = new Map<unknown, unknown>();
    for (const [key, value] of b) if (!a.has(key)) rest.set(key, value);
    for (const [key, value] of a) {
      if (b.has(key)) {
        if (!compare(value, b.get(key))) return false;
        continue;
      }
      let found = false;
      for (const [otherKey, otherValue] of rest) {
        if (compare(key, otherKey) && compare(value, otherValue)) {
          rest.delete(otherKey);
          found = true;
          break;
        }
      }
      if (!found) return false;
    }
    return true;
  }

  function compare(a: unknown, b: unknown): boolean {
    if (typeof a === "number" && typeof b === "number") {
      return a === b || (Number.isNaN(a) && Number.isNaN(b));
    }
    if (Object.is(a, b)) return true;
    if (
      typeof a !== "object" || typeof b !== "object" || a === null || b === null
    ) return false;
    if (!constructorsAgree(a, b)) return false;
    if (a instanceof WeakMap || a instanceof WeakSet) {
      throw new TypeError("cannot compare the content of WeakMap or WeakSet");
    }
    if (a instanceof WeakRef && b instanceof WeakRef) {
      return compare(a.deref(), b.deref());
    }
    const assumed = assumedEqual.get(a);
    if (assumed?.has(b)) return true;
    if (assumed) assumed.add(b);
    else assumedEqual.set(a, new Set([b]));

    if (a instanceof Date && b instanceof Date) {
      if (!compare(a.getTime(), b.getTime())) return false;
    } else if (
      (a instanceof RegExp && b instanceof RegExp) ||
      (a instanceof URL && b instanceof URL)
    ) {
      return String(a) === String(b);
    } else if (a instanceof Error && b instanceof Error) {
      if (a.name !== b.name || a.message !== b.message) return false;
      if (!compare(a.cause, b.cause)) return false;
    } else if (a instanceof ArrayBuffer && b instanceof ArrayBuffer) {
      return sameBytes(new Uint8Array(a), new Uint8Array(b));
    } else if (a instanceof Uint8Array && b instanceof Uint8Array) {
      return sameBytes(a, b);
    } else if (a instanceof DataView && b instanceof DataView) {
      return sameBytes(viewBytes(a), viewBytes(b));
    } else if (a instanceof Set && b instanceof Set) {
      if (!compareSets(a, b)) return false;
    } else if (a instanceof Map && b instanceof Map) {
      if (!compareMaps(a, b)) return false;
    } else if (
      a instanceof Number || a instanceof String || a instanceof Boolean
    ) {
      if (!compare(a.valueOf(), b.valueOf())) return false;
    }
    if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) {
      return false;
    }
    const keys = enumerableKeys(a);
    if (keys.length !== enumerableKeys(b).length) return false;
    for (const key of keys) {
      if (!Object.prototype.hasOwnProperty.call(b, key)) return false;
      if (!compare(Reflect.get(a, key), Reflect.get(b, key))) return false;
    }
    return true;
  }

  return compare(left, right);
}
