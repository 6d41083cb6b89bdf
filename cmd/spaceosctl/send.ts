/**
 * `spaceosctl send`: sends one frame, whatever it is, and shows what comes
 * back. For trying a VM out; nothing is judged before it is sent.
 *
 * @module
 */

import {
  decodeFrameFault,
  type FrameFault,
} from "../../lib/wire/error_frame.ts";
import { describeFault } from "../../lib/host/client_error.ts";
import {
  Apid,
  type Frame,
  FRAME_PAYLOAD_MAX_BYTES,
  FRAME_SIZE_BYTES,
  FRAME_VERSION,
  FrameType,
} from "../../lib/wire/frame.ts";
import { fromHex, toHex } from "../../lib/wire/hex.ts";
import { decodeAnswer } from "../../lib/wire/telecommand.ts";
import { usageError } from "../command_line/error.ts";
import {
  type Arguments,
  parseInteger,
  quote,
} from "../command_line/options.ts";
import { showBytes } from "../command_line/output.ts";
import type { VmCommand, VmContext } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { frameTypeName } from "./text.ts";

const DEFAULT_WAIT_MS = 1000;

/** The subcommand `send`. */
export const send: VmCommand = {
  scope: "vm",
  summary: "send a raw frame and show what comes back",
  operands: ["[HEX]"],
  options: {
    type: { value: "TYPE", help: "TM, TC, EVR, ... or 0..255 (default TC)" },
    apid: { value: "N", help: "source, 0..0xFFFF (default 0, the host)" },
    destination: { value: "N", help: "destination, 0..0xFFFF (default 0)" },
    version: { value: "N", help: "0..255 (default 1)" },
    length: {
      value: "N",
      help: "payload_length, 0..0xFFFF (default that of the payload)",
    },
    raw: { help: "HEX is not the payload but all there is to send" },
    wait: { value: "MS", help: "how long to listen afterwards (default 1000)" },
    all: { help: "show telemetry as well, not only TM, PRM_RSP and ERROR" },
  },
  json:
    `{"type", "apid", "destinationApid", "payload", "meaning"}, one object to a
frame that came; "payload" in hexadecimal, "meaning" null or a text`,
  details:
    `HEX are the bytes of the payload, such as 0001000742 for PING number 7 with one
byte. With --raw any number of bytes is sent as it is, and the VM waits for the
rest of a frame that is not whole. Exits with ${ExitCode.REFUSED} if an ERROR frame came back.`,
  isFollowing: () => true,
  check: (args) => {
    frameBytes(args);
    args.integer("wait", 0, 3_600_000);
  },
  run: async (context) => {
    const { client, args } = context;
    const stream = client.frames();
    // What waited for us does not come back from this frame.
    await client.ping();
    while (stream.waitingCount > 0) await stream.next();
    await client.sendBytes(frameBytes(args));
    const waitMs = args.integer("wait", 0, 3_600_000) ?? DEFAULT_WAIT_MS;
    const timer = setTimeout(() => stream.end(), waitMs);
    let code: ExitCode = ExitCode.OK;
    for await (const frame of stream) {
      if (frame.type === FrameType.ERROR) code = ExitCode.REFUSED;
      if (args.has("all") || isAnswer(frame)) tellFrame(context, frame);
    }
    clearTimeout(timer);
    if (client.ended !== null) throw client.ended;
    return code;
  },
};

const ANSWER_TYPES: readonly number[] = [
  FrameType.TM,
  FrameType.PRM_RSP,
  FrameType.ERROR,
];

function isAnswer({ type }: Frame): boolean {
  return ANSWER_TYPES.includes(type);
}

function tellFrame({ tell, paint }: VmContext, frame: Frame): void {
  const { type, apid, destinationApid, payload } = frame;
  const name = frameTypeName(type);
  const meaning = meaningOf(frame);
  const json = {
    type: name,
    apid,
    destinationApid,
    payload: toHex(payload),
    meaning,
  };
  const source = apid.toString(16).toUpperCase().padStart(3, "0");
  tell(json, [
    `${
      paint("strong", name.padEnd(7))
    } from 0x${source}, ${payload.length} bytes: ${
      meaning ?? showBytes(payload)
    }`,
  ]);
}

/** What an answer says, in words; null for other frames and for what makes no sense. */
function meaningOf({ type, payload }: Frame): string | null {
  try {
    if (type === FrameType.ERROR) {
      const fault: FrameFault = decodeFrameFault(payload);
      return describeFault(fault);
    }
    if (type !== FrameType.TM) return null;
    const { command, sequence, status, index, count, result } = decodeAnswer(
      payload,
    );
    const page = index === undefined ? "" : `, page ${index + 1} of ${count}`;
    return `answer to command ${command}, number ${sequence}, status ${status}${page}, ` +
      `result ${showBytes(result)}`;
  } catch {
    return null;
  }
}

/** The bytes that the command line asks for; no field is judged. */
export function frameBytes(args: Arguments): Uint8Array {
  const text = args.operands[0] ?? "";
  const bytes = fromHex(text.replace(/^0x/, ""));
  if (bytes === undefined) {
    throw usageError(
      `HEX is ${quote(text)}, expected pairs of hexadecimal digits`,
    );
  }
  if (args.has("raw")) {
    const field = ["type", "apid", "destination", "version", "length"]
      .find((name) => args.has(name));
    if (field !== undefined) {
      throw usageError(
        `--raw sends HEX as it is, so --${field} makes no sense`,
      );
    }
    return bytes;
  }
  if (bytes.length > FRAME_PAYLOAD_MAX_BYTES) {
    throw usageError(
      `the payload has ${bytes.length} bytes, expected at most ${FRAME_PAYLOAD_MAX_BYTES}`,
    );
  }
  const frame = new Uint8Array(FRAME_SIZE_BYTES);
  const view = new DataView(frame.buffer);
  view.setUint8(0, args.integer("version", 0, 0xFF) ?? FRAME_VERSION);
  view.setUint8(1, typeOption(args));
  view.setUint16(2, args.integer("apid", 0, 0xFFFF) ?? Apid.HOST);
  view.setUint16(4, args.integer("length", 0, 0xFFFF) ?? bytes.length);
  view.setUint16(6, args.integer("destination", 0, 0xFFFF) ?? 0);
  frame.set(bytes, FRAME_SIZE_BYTES - FRAME_PAYLOAD_MAX_BYTES);
  return frame;
}

function typeOption(args: Arguments): number {
  const text = args.text("type");
  if (text === undefined) return FrameType.TC;
  const named = Object.entries(FrameType)
    .find(([name]) => name === text.toUpperCase());
  if (named !== undefined) return named[1];
  if (/^\d|^0x/i.test(text)) return parseInteger("--type", text, 0, 0xFF);
  const names = Object.keys(FrameType).join(", ");
  throw usageError(
    `--type is ${quote(text)}, expected 0..255 or one of: ${names}`,
  );
}
