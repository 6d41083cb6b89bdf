/**
 * Several parameters of a VM, set at once: staged piece by piece and committed
 * by their CRC. Imports `wire` and the channel.
 *
 * @module
 */
import { crc32c } from "../wire/crc32c.ts";
import { FrameType } from "../wire/frame.ts";
import {
  encodeParameterSet,
  type ParameterAnswer,
  type ParameterSet,
  ParameterStatus,
} from "../wire/parameter_message.ts";
import {
  PARAMETER_VALUE_MAX_BYTES,
  type ParameterEntry,
} from "../wire/parameter.ts";
import {
  commitLayout,
  encodeParameterSets,
  StagingId,
} from "../wire/parameter_staging.ts";
import { malformed, parameterOf } from "./client_answers.ts";
import { describeParameterStatus, HostClientError } from "./client_error.ts";
import type { HostChannel } from "./host_channel.ts";

/**
 * Sets several parameters: all of them, or none.
 *
 * @param channel The connection.
 * @param sets The parameters, none twice, and their values.
 * @returns Each with its new generation and value.
 * @throws {HostClientError} Kind `parameter`, naming the one that is there
 * twice or that the VM does not take; then nothing has changed.
 *
 * @example
 * ```ts
 * import { commitParameters } from "./commit_parameters.ts";
 * import type { HostChannel } from "./host_channel.ts";
 *
 * const store = (channel: HostChannel) =>
 *   commitParameters(channel, [
 *     { parameterId: 7, value: new Uint8Array([1]) },
 *     { parameterId: 8, value: new Uint8Array([2]) },
 *   ]);
 * ```
 */
export async function commitParameters(
  channel: HostChannel,
  sets: readonly ParameterSet[],
): Promise<ParameterEntry[]> {
  requireOnce(sets);
  const staged = encodeParameterSets(sets);
  const set = async (parameterId: number, value: Uint8Array) => {
    const payload = encodeParameterSet({ parameterId, value });
    const { PRM_SET } = FrameType;
    const answers = await channel.parameters(PRM_SET, payload, null);
    const [own, ...others] = answers;
    if (own?.parameterId !== parameterId) {
      throw malformed("PRM_RSP", "the answer is about another parameter");
    }
    requireTaken(own);
    return others.map((answer) => parameterOf(answer));
  };
  await set(StagingId.STAGE, new Uint8Array());
  const piece = PARAMETER_VALUE_MAX_BYTES;
  for (let at = 0; at < staged.length; at += piece) {
    await set(StagingId.STAGE, staged.subarray(at, at + piece));
  }
  // It is refused if anything but this was staged.
  const checksum = commitLayout.encode({ setChecksum: crc32c(staged) });
  return await set(StagingId.COMMIT, checksum);
}

/** A refused commit names the parameter that is the reason. */
function requireTaken({ status, value }: ParameterAnswer): void {
  if (status === ParameterStatus.OK) return;
  const parameterId = value.length === 4
    ? new DataView(value.buffer, value.byteOffset).getUint32(0)
    : undefined;
  const reason = parameterId === undefined
    ? "the set"
    : `parameter ${parameterId}`;
  throw new HostClientError(
    "parameter",
    `${reason}: ${describeParameterStatus(status)}; nothing is set`,
    {
      parameterStatus: status,
      ...(parameterId === undefined ? {} : { parameterId }),
    },
  );
}

/** The VM says of a parameter that is there twice only that it is invalid. */
function requireOnce(sets: readonly ParameterSet[]): void {
  const met = new Set<number>();
  for (const { parameterId } of sets) {
    if (!met.has(parameterId)) {
      met.add(parameterId);
      continue;
    }
    throw new HostClientError(
      "parameter",
      `parameter ${parameterId} is in the set twice, expected once; nothing is set`,
      { parameterStatus: ParameterStatus.INVALID, parameterId },
    );
  }
}
