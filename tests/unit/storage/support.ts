/** What the storage tests share. */

import { formatVolume } from "../../../lib/storage/format.ts";
import {
  openVolume,
  type OpenVolumeOptions,
  type Volume,
} from "../../../lib/storage/volume.ts";
import type { EventRecord } from "../../../lib/wire/event.ts";
import { RecordingDevice } from "../../simulation/storage/recording_device.ts";

/** A formatted disk of 64 blocks that records, and can be made to fail. */
export async function makeDisk(
  options: { blockCount?: number; journal?: boolean } = {},
): Promise<RecordingDevice> {
  const device = new RecordingDevice(
    new Uint8Array((options.blockCount ?? 64) * 512),
  );
  await formatVolume(device, {
    tenantId: 7,
    epoch: 1000n,
    uuid: new Uint8Array(16).fill(5),
    journal: options.journal ?? true,
  });
  device.steps.length = 0;
  return device;
}

/** Opens the same medium anew, as after a power cut: nothing was closed. */
export async function reopen(
  device: RecordingDevice,
  options: OpenVolumeOptions = {},
): Promise<Volume> {
  return await openVolume(new RecordingDevice(device.bytes.slice()), options);
}

/** A record that is told from others by its code. */
export function event(eventCode: number, timestamp = eventCode): EventRecord {
  return {
    timestamp,
    severity: 1,
    eventCode,
    payload: new TextEncoder().encode(`event ${eventCode}`),
  };
}

/** The codes of a volume's records, oldest first. */
export function codes(volume: Volume): number[] {
  return volume.events.recent().map((stored) => stored.eventCode);
}

/** A byte array of one number repeated. */
export function filled(length: number, value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(value);
}

/** Numbers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
