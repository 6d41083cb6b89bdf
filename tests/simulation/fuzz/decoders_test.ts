/**
 * Every decoder of lib/wire, and what cuts streams into frames: whatever the
 * bytes are, there is a record or a WireError, and a record that was judged
 * good gives the same bytes back. The decoders are found among the exports of
 * the room, so that none is forgotten.
 */
import { assert, assertEquals } from "@std/assert";
import { readAction } from "../../../lib/host/commands.ts";
import { Framer } from "../../../lib/host/framer.ts";
import { FrameSwitch } from "../../../lib/host/switch.ts";
import { Layout } from "../../../lib/wire/codec.ts";
import { WireError } from "../../../lib/wire/error.ts";
import {
  decodeFrame,
  encodeFrame,
  frameLayout,
  receiveFrame,
} from "../../../lib/wire/frame.ts";
import {
  joinParameterResponses,
  type ParameterResponse,
} from "../../../lib/wire/parameter_message.ts";
import { SharedPage, sharedPageLayout } from "../../../lib/wire/shared_page.ts";
import {
  joinAnswerPages,
  type TelecommandAnswer,
} from "../../../lib/wire/telecommand.ts";
import { SAMPLES } from "../../unit/wire/samples.ts";
import { Random as SampleRandom } from "../../unit/wire/support.ts";
import type { Random } from "../random.ts";
import {
  fuzz,
  LIMITS,
  mutateBytes,
  showBytes,
  shrinkBytes,
  type Target,
} from "./fuzz.ts";

const WIRE = new URL("../../../lib/wire/", import.meta.url);

/** Valid records of every layout, as bytes. */
const SEEDS: readonly Uint8Array[] = SAMPLES.flatMap(
  ({ layout, random, knownBytes }) => {
    const source = new SampleRandom(layout.sizeBytes);
    return [
      knownBytes,
      ...Array.from({ length: 8 }, () => layout.encode(random(source))),
    ];
  },
);

/** A valid record, changed or not; or noise. */
function drawBytes(random: Random): Uint8Array {
  return random.chance(1, 8)
    ? random.bytes(random.below(600))
    : mutateBytes(random, random.pick(SEEDS));
}

function target(
  name: string,
  check: (bytes: Uint8Array) => void,
): Target<Uint8Array> {
  return { name, draw: drawBytes, check, shrink: shrinkBytes, show: showBytes };
}

/** Runs a decoder: its result, or undefined when it refused by a WireError. */
function decodeOrRefuse<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** A difference in one line, not in one for each byte. */
function assertBytes(actual: Uint8Array, expected: Uint8Array): void {
  assertEquals(showBytes(actual), showBytes(expected));
}

/** The page's layout, as the samples have it. */
const sharedPage: unknown = sharedPageLayout;

type Coder = (value: unknown) => unknown;

/** The exports of the room by module. */
async function wireModules(): Promise<Map<string, Record<string, unknown>>> {
  const modules = new Map<string, Record<string, unknown>>();
  for (const { name } of Deno.readDirSync(WIRE)) {
    modules.set(name, await import(new URL(name, WIRE).href));
  }
  return modules;
}

Deno.test("every decode function of lib/wire gives a record or a WireError, and leaves the bytes", async (test) => {
  let found = 0;
  for (const module of (await wireModules()).values()) {
    for (const [name, value] of Object.entries(module)) {
      if (!name.startsWith("decode") || typeof value !== "function") continue;
      found++;
      const decode = value as Coder;
      await test.step(name, () => {
        fuzz(target(name, (bytes) => {
          const before = bytes.slice();
          decodeOrRefuse(() => decode(bytes));
          assertBytes(bytes, before);
        }));
      });
    }
  }
  assert(found >= 25, `only ${found} decoders were found`);
});

Deno.test("every layout reads, shows and judges any bytes", async (test) => {
  for (const { layout } of SAMPLES) {
    await test.step(layout.name, () => {
      fuzz(target(`layout ${layout.name}`, (bytes) => {
        layout.checkCrc(bytes);
        const judged = decodeOrRefuse(() => layout.decode(bytes));
        const shown = decodeOrRefuse(() => layout.read(bytes));
        if (shown !== undefined) layout.format(shown);
        if (judged !== undefined) {
          // What follows the text's end in a shared page is anybody's.
          if (layout !== sharedPage) assertBytes(layout.encode(judged), bytes);
          assertEquals(layout.format(judged).includes("(bad:"), false);
        }
      }));
    });
  }
  const layouts = [...(await wireModules()).values()].flatMap((module) =>
    Object.values(module)
  ).filter((value) => value instanceof Layout);
  assertEquals(new Set(layouts).size, SAMPLES.length);
});

Deno.test("a frame is judged the same by all who judge it, and only an ERROR has no answer", () => {
  const frames = new FrameSwitch({
    tenants: [{
      name: "camera",
      apids: { first: 0x10, last: 0x1F },
      sendTo: [{ first: 0, last: 0x7FF }],
    }],
    uplink: null,
  });
  fuzz({
    ...target("frames", (bytes) => {
      const received = receiveFrame(bytes);
      const decoded = decodeOrRefuse(() => decodeFrame(bytes));
      assertEquals(received.ok, decoded !== undefined);
      if (!received.ok) assertEquals(received.answer, bytes[1] !== 10);
      for (const party of frames.parties) {
        const decision = frames.decide(party, bytes);
        if (decision.kind === "deliver") assert(received.ok);
      }
      if (received.ok) {
        assertBytes(encodeFrame(received.frame), bytes);
        const code = received.frame.payload[1] ?? 0;
        readAction(code, received.frame.payload.subarray(4));
      }
    }),
    draw: (random) => {
      const frame = new Uint8Array(256);
      frame.set([1, random.below(12), 0, random.below(0x30), 0]);
      frame[5] = random.below(0x100);
      frame[7] = random.below(0x30);
      frame.set(random.bytes(Math.min(248, frame[5] ?? 0)), 8);
      return mutateBytes(random, frame);
    },
  });
});

Deno.test("a stream gives the same frames wherever it is cut", () => {
  fuzz({
    ...target("framer", (bytes) => {
      const whole: Uint8Array[] = [];
      new Framer().push(bytes, (frame) => whole.push(frame.slice()));
      const cut: Uint8Array[] = [];
      const framer = new Framer();
      // The bytes themselves say where to cut.
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + 1 + (bytes[at] ?? 0) * 2);
        const piece = bytes.subarray(at, end);
        framer.push(piece, (frame) => cut.push(frame.slice()));
        assert(framer.pendingBytes < frameLayout.sizeBytes);
        at = end;
      }
      assertEquals(cut, whole);
      assertEquals(whole.length, Math.floor(bytes.length / 256));
    }),
    draw: (random) => random.bytes(random.below(2000)),
  });
});

Deno.test("pages of answers and pieces of parameters join to one, or a WireError", () => {
  fuzz({
    ...target("pages", (bytes) => {
      const pages: TelecommandAnswer[] = [];
      const responses: ParameterResponse[] = [];
      for (let at = 0; at + 12 <= bytes.length; at += 12) {
        const part = bytes.subarray(at, at + 12);
        const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0] = part;
        pages.push({
          command: a & 3,
          sequence: b & 1,
          status: c & 1,
          ...(d % 4 === 0 ? {} : { index: e & 3, count: f & 3 }),
          result: part.subarray(7, 7 + (g % 5)),
        });
        responses.push({
          parameterId: a & 1,
          generation: b & 1,
          status: (c % 5) as ParameterResponse["status"],
          more: d & 1,
          value: part.subarray(5, 5 + (g % 7)),
        });
      }
      decodeOrRefuse(() => joinAnswerPages(pages));
      decodeOrRefuse(() => joinParameterResponses(responses));
    }),
    draw: (random) => random.bytes(12 * random.below(6)),
  });
});

Deno.test("whatever a shared page holds can be read and shown", () => {
  fuzz({
    ...target("shared page", (bytes) => {
      const memory = new Uint8Array(4096);
      memory.set(bytes.subarray(0, 4096));
      const page = new SharedPage(memory);
      page.snapshot();
      decodeOrRefuse(() => page.readMissionTime(2));
      page.word64("guestHeartbeat");
      page.word32("hostCommand");
    }),
    draw: (random) => random.bytes(random.below(600)),
  }, { ...LIMITS, cases: LIMITS.cases / 8 });
});
