/**
 * Counts boots on the volume, so that a machine that never comes up well ends
 * in safe mode instead of trying for ever. A boot counts as failed from its
 * beginning until it has been healthy for a while: a machine that loses power
 * in between has not proved itself. One that was READY and then went down in
 * order, because somebody asked, says nothing either way. Imports `storage`'s
 * types and the table of parameters.
 *
 * @module
 */
import type { ParameterStore } from "../storage/volume.ts";
import { INIT_PARAMETERS } from "./config.ts";

const BOOT_COUNT = INIT_PARAMETERS["boot-count"].id;
const FAILED_BOOTS = INIT_PARAMETERS["failed-boots"].id;

/** So many failed boots in a row lead to safe mode. */
export const FAILED_BOOT_LIMIT = 3;

/** The boot counter of this machine. */
export class BootCounter {
  readonly #parameters: ParameterStore | null;
  readonly #onRefused: (error: unknown) => void;
  #bootCount: number | null = null;
  #failedBoots = 0;

  /**
   * Begins with nothing counted.
   *
   * @param parameters The volume's parameters, or null without a volume.
   * @param onRefused Told of what the volume refuses a count with.
   */
  constructor(
    parameters: ParameterStore | null,
    onRefused: (error: unknown) => void = () => {},
  ) {
    this.#parameters = parameters;
    this.#onRefused = onRefused;
  }

  /** The number of this boot since format, from 1; null without storage. */
  get bootCount(): number | null {
    return this.#bootCount;
  }

  /** Boots in a row before this one that did not become healthy. */
  get failedBoots(): number {
    return this.#failedBoots;
  }

  /** Whether so many boots have failed that this one should be a safe one. */
  get isSuspicious(): boolean {
    return this.#failedBoots >= FAILED_BOOT_LIMIT;
  }

  /**
   * Counts this boot, as one that has not proved itself yet.
   *
   * @returns What keeps it from being stored, in words, or null.
   */
  async count(): Promise<string | null> {
    if (this.#parameters === null) return null;
    this.#failedBoots = this.#read(FAILED_BOOTS);
    this.#bootCount = this.#read(BOOT_COUNT) + 1;
    return await this.#store([
      [BOOT_COUNT, this.#bootCount],
      [FAILED_BOOTS, this.#failedBoots + 1],
    ]);
  }

  /**
   * Notes that this boot is a good one.
   *
   * @returns What keeps it from being stored, in words, or null.
   */
  async healthy(): Promise<string | null> {
    return await this.#store([[FAILED_BOOTS, 0]]);
  }

  /**
   * Forgets the failed boots before this one, which has yet to prove itself:
   * somebody has seen to what was wrong.
   *
   * @returns What keeps it from being stored, in words, or null.
   */
  async forgive(): Promise<string | null> {
    this.#failedBoots = 0;
    return await this.#store([[FAILED_BOOTS, 1]]);
  }

  /**
   * Notes that this boot has ended in order before it was healthy: it counts
   * neither as failed nor as good.
   *
   * @returns What keeps it from being stored, in words, or null.
   */
  async withdraw(): Promise<string | null> {
    return await this.#store([[
      FAILED_BOOTS,
      this.#failedBoots,
    ]]);
  }

  #read(id: number): number {
    const value = this.#parameters?.get(id)?.value;
    if (value?.length !== 4) return 0;
    return new DataView(value.buffer, value.byteOffset, 4).getUint32(0);
  }

  async #store(
    values: readonly (readonly [number, number])[],
  ): Promise<string | null> {
    const parameters = this.#parameters;
    if (parameters === null) return null;
    try {
      await Promise.all(values.map(([id, value]) => {
        const bytes = new Uint8Array(4);
        new DataView(bytes.buffer).setUint32(0, value);
        return parameters.set(id, bytes);
      }));
      return null;
    } catch (error) {
      this.#onRefused(error);
      return error instanceof Error ? error.message : String(error);
    }
  }
}
