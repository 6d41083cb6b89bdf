/**
 * PRM_GET and PRM_SET: judges, stores and applies parameters, one or a staged
 * set at a time. The init's own are those of `config.ts`, the ids below are
 * the user's and only stored. Imports `storage`'s types, `wire` and this room.
 *
 * | what is set | answer | stored | in force |
 * |---|---|---|---|
 * | an own parameter, in its range | OK | yes | at once |
 * | the same without a volume, or one that fails | STORAGE_ERROR | no | until the end of this boot |
 * | the same out of its range, or refused by the hardware | INVALID | no | no |
 * | an own parameter that only the init sets | READ_ONLY | no | no |
 * | another id from `INIT_PARAMETER_FIRST` on | UNKNOWN | no | |
 * | an id of the user | OK or STORAGE_ERROR | yes or no | |
 *
 * A staged set is in force as a whole or not at all; one that a volume does not
 * take is not. Every answer carries the value that is in force afterwards. A parameter of
 * the init that is not stored has generation 0.
 *
 * @module
 */
import type { ParameterStore } from "../storage/volume.ts";
import { crc32c } from "../wire/crc32c.ts";
import { WireError } from "../wire/error.ts";
import {
  type ParameterAnswer,
  type ParameterSet,
  ParameterStatus,
} from "../wire/parameter_message.ts";
import {
  commitLayout,
  decodeParameterSets,
  STAGED_SET_MAX_BYTES,
  stagedSummaryLayout,
  StagingId,
} from "../wire/parameter_staging.ts";
import {
  type ConfigName,
  configValues,
  decodeInitValue,
  encodeInitValue,
  INIT_PARAMETER_FIRST,
  INIT_PARAMETERS,
  type InitConfig,
  type InitParameter,
  initParameter,
} from "./config.ts";
import { isRecordId, storeSet } from "./staged_commit.ts";

/** What a desk works with. */
export interface ParameterDeskParts {
  /** The volume's parameters, or null without a volume. */
  readonly store: ParameterStore | null;
  /** What is in force at the beginning. */
  readonly config: InitConfig;
  /**
   * Puts a value in force.
   *
   * @returns Why it can't be, in words, or null.
   */
  readonly apply: (name: ConfigName, value: number) => string | null;
  /** Told of each parameter of the init that changes. */
  readonly onChange: (text: string) => void;
  /** Told of what the volume refuses to store a parameter with. */
  readonly onRefused: (error: unknown) => void;
}

/** A refusal: the status, and the parameter that is the reason. */
interface Refusal {
  readonly status: ParameterStatus;
  readonly parameterId: number;
}

/** A change of a parameter of the init. */
interface OwnChange {
  readonly name: ConfigName;
  readonly value: number;
}

/** Answers what the host asks of parameters. */
export class ParameterDesk {
  readonly #parts: ParameterDeskParts;
  readonly #inForce: Map<ConfigName, number>;
  #staged: Uint8Array = new Uint8Array();
  /** Sets are carried out one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * Begins with nothing staged.
   *
   * @param parts What it works with.
   */
  constructor(parts: ParameterDeskParts) {
    this.#parts = parts;
    this.#inForce = configValues(parts.config);
  }

  /**
   * Answers PRM_GET.
   *
   * @param id The parameter, or null for all.
   * @returns The answers: one, or all by rising id.
   */
  get(id: number | null): ParameterAnswer[] {
    if (id !== null) return [this.#answer(id, ParameterStatus.OK)];
    const ids = new Set(
      Object.values(INIT_PARAMETERS).map((parameter) => parameter.id),
    );
    for (const { parameterId } of this.#parts.store?.list() ?? []) {
      if (!isRecordId(parameterId)) ids.add(parameterId);
    }
    return [...ids].sort((left, right) => left - right)
      .map((known) => this.#answer(known, ParameterStatus.OK));
  }

  /**
   * Answers PRM_SET, after what was set before. Never rejects.
   *
   * @param set The parameter and its value.
   * @returns The answers: one, or those of a commit.
   */
  set(set: ParameterSet): Promise<ParameterAnswer[]> {
    const done = this.#turn.then(() => this.#setNow(set));
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Forgets what is staged: whose it was has gone. */
  dropStaged(): void {
    this.#staged = new Uint8Array();
  }

  async #setNow(set: ParameterSet): Promise<ParameterAnswer[]> {
    const { parameterId, value } = set;
    if (parameterId === StagingId.STAGE) return [this.#stage(value)];
    if (parameterId === StagingId.COMMIT) return await this.#commit(value);
    const before = this.#judge(set) ?? this.#apply([set]);
    if ("status" in before) return [this.#answer(parameterId, before.status)];
    this.#tell(before);
    return [this.#answer(parameterId, await this.#store([set]))];
  }

  #stage(value: Uint8Array): ParameterAnswer {
    const length = this.#staged.length + value.length;
    if (length > STAGED_SET_MAX_BYTES) {
      return this.#answer(StagingId.STAGE, ParameterStatus.INVALID);
    }
    const staged = new Uint8Array(value.length === 0 ? 0 : length);
    if (staged.length > 0) {
      staged.set(this.#staged);
      staged.set(value, this.#staged.length);
    }
    this.#staged = staged;
    return this.#answer(StagingId.STAGE, ParameterStatus.OK);
  }

  async #commit(value: Uint8Array): Promise<ParameterAnswer[]> {
    const refused = (status: ParameterStatus, reason?: number) => {
      const bytes = new Uint8Array(reason === undefined ? 0 : 4);
      if (reason !== undefined) new DataView(bytes.buffer).setUint32(0, reason);
      const parameterId = StagingId.COMMIT;
      return [{ parameterId, generation: 0, status, value: bytes }];
    };
    const sets = this.#readStaged(value);
    if (sets === null) return refused(ParameterStatus.INVALID);
    for (const [index, set] of sets.entries()) {
      const { parameterId } = set;
      const isTwice = sets.findIndex((other) =>
        other.parameterId === parameterId
      ) !== index;
      if (isTwice) return refused(ParameterStatus.INVALID, parameterId);
      const refusal = this.#judge(set);
      if (refusal !== null) return refused(refusal.status, parameterId);
    }
    const user = sets.find(({ parameterId }) =>
      parameterId < INIT_PARAMETER_FIRST
    );
    if (this.#parts.store === null && user !== undefined) {
      return refused(ParameterStatus.STORAGE_ERROR, user.parameterId);
    }
    const before = this.#apply(sets);
    if ("status" in before) return refused(before.status, before.parameterId);
    const status = await this.#store(sets);
    const isStored = status === ParameterStatus.OK;
    if (!isStored && this.#parts.store !== null) this.#undo(before);
    this.#tell(before);
    if (!isStored) return refused(status);
    this.#staged = new Uint8Array();
    return [
      ...refused(status),
      ...sets.map(({ parameterId }) => this.#answer(parameterId, status)),
    ];
  }

  #readStaged(value: Uint8Array): ParameterSet[] | null {
    try {
      const { setChecksum } = commitLayout.decode(value);
      if (setChecksum !== crc32c(this.#staged)) return null;
      return decodeParameterSets(this.#staged);
    } catch (error) {
      if (error instanceof WireError) return null;
      throw error;
    }
  }

  /** Why a parameter can't have a value, or null. */
  #judge({ parameterId, value }: ParameterSet): Refusal | null {
    if (parameterId < INIT_PARAMETER_FIRST) return null;
    const parameter = initParameter(parameterId);
    if (parameter === undefined) {
      return { status: ParameterStatus.UNKNOWN, parameterId };
    }
    if (parameter.isReadOnly) {
      return { status: ParameterStatus.READ_ONLY, parameterId };
    }
    return decodeInitValue(parameter, value) === null
      ? { status: ParameterStatus.INVALID, parameterId }
      : null;
  }

  /** Puts values in force, all or none; gives what was in force before. */
  #apply(sets: readonly ParameterSet[]): Refusal | readonly OwnChange[] {
    const before: OwnChange[] = [];
    for (const { name, value } of sets.flatMap((set) => ownChange(set) ?? [])) {
      const old = this.#inForce.get(name) ?? value;
      if (this.#parts.apply(name, value) !== null) {
        this.#undo(before);
        const parameterId = INIT_PARAMETERS[name].id;
        return { status: ParameterStatus.INVALID, parameterId };
      }
      this.#inForce.set(name, value);
      before.push({ name, value: old });
    }
    return before;
  }

  #undo(before: readonly OwnChange[]): void {
    for (const { name, value } of before.toReversed()) {
      this.#parts.apply(name, value);
      this.#inForce.set(name, value);
    }
  }

  #tell(before: readonly OwnChange[]): void {
    for (const { name, value } of before) {
      const now = this.#inForce.get(name);
      if (now !== value) this.#parts.onChange(`${name}: ${value} -> ${now}`);
    }
  }

  async #store(sets: readonly ParameterSet[]): Promise<ParameterStatus> {
    const { store } = this.#parts;
    if (store === null) return ParameterStatus.STORAGE_ERROR;
    try {
      await storeSet(store, sets);
      return ParameterStatus.OK;
    } catch (error) {
      this.#parts.onRefused(error);
      return ParameterStatus.STORAGE_ERROR;
    }
  }

  #answer(parameterId: number, status: ParameterStatus): ParameterAnswer {
    const found = this.#valueOf(parameterId);
    if (found === null) {
      // An id that can't be set says so; one that is only not there, too.
      const unknown = status === ParameterStatus.OK
        ? ParameterStatus.UNKNOWN
        : status;
      const value = new Uint8Array();
      return { parameterId, generation: 0, status: unknown, value };
    }
    return { parameterId, status, ...found };
  }

  /** What is in force for an id, or null when there is nothing. */
  #valueOf(
    id: number,
  ): { readonly generation: number; readonly value: Uint8Array } | null {
    if (id === StagingId.STAGE) {
      const { length } = this.#staged;
      const setChecksum = crc32c(this.#staged);
      const value = stagedSummaryLayout.encode({ length, setChecksum });
      return { generation: 0, value };
    }
    if (isRecordId(id)) return null;
    const entry = this.#parts.store?.get(id);
    const generation = entry?.generation ?? 0;
    const parameter = initParameter(id);
    if (parameter === undefined) {
      return entry === undefined ? null : { generation, value: entry.value };
    }
    return { generation, value: this.#ownValue(parameter, entry?.value) };
  }

  #ownValue(parameter: InitParameter, stored?: Uint8Array): Uint8Array {
    const { name, defaultValue } = parameter;
    const inForce = isConfigName(name) ? this.#inForce.get(name) : undefined;
    const number = inForce ??
      (stored === undefined ? null : decodeInitValue(parameter, stored)) ??
      defaultValue;
    return encodeInitValue(parameter, number);
  }
}

function isConfigName(name: InitParameter["name"]): name is ConfigName {
  return !INIT_PARAMETERS[name].isReadOnly;
}

function ownChange({ parameterId, value }: ParameterSet): OwnChange | null {
  const parameter = initParameter(parameterId);
  if (parameter === undefined || !isConfigName(parameter.name)) return null;
  const number = decodeInitValue(parameter, value);
  return number === null ? null : { name: parameter.name, value: number };
}
