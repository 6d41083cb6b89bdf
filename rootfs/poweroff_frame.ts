/**
 * The frame that asks a VM to power off. It imports nothing yet.
 */

/**
 * A TC frame with the command POWEROFF and the sequence number 0.
 *
 * @returns its 256 bytes
 */
export function poweroffFrame(): Uint8Array {
  const frame = new Uint8Array(256);
  const view = new DataView(frame.buffer);
  view.setUint8(0, 1); // version
  view.setUint8(1, 2); // type: TC
  view.setUint16(2, 0); // source: the host
  view.setUint16(4, 4); // payload length
  view.setUint16(8, 2); // command: POWEROFF
  return frame;
}
