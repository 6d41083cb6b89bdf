import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  FrameSwitch,
  ROUTER_ENTRIES,
  type SwitchDecision,
} from "../../../lib/host/switch.ts";
import {
  apidRangeText,
  checkSwitchPlan,
  MAXIMUM_TENANTS,
  parseApidRange,
  type SwitchPlan,
  SwitchPlanError,
  SYSTEM,
  UPLINK,
} from "../../../lib/host/switch_plan.ts";
import {
  decodeFrameFault,
  FrameErrorCode,
} from "../../../lib/wire/error_frame.ts";
import {
  decodeFrame,
  encodeFrame,
  FrameType,
} from "../../../lib/wire/frame.ts";

const range = (text: string) => {
  const found = parseApidRange(text);
  assert(found !== null, text);
  return found;
};

/** The example of formats.md, with a VM. */
const PLAN: SwitchPlan = {
  tenants: [
    {
      name: "camera",
      apids: range("0x010..0x01F"),
      sendTo: [range("0x020..0x02F"), range("0x300")],
    },
    {
      name: "processor",
      apids: range("0x020..0x02F"),
      sendTo: [range("0x000..0x01F")],
    },
  ],
  uplink: {
    apids: [range("0x001..0x00F"), range("0x100..0x1FF")],
    sendTo: [range("0x000..0x7FF")],
  },
};

const frame = (
  apid: number,
  destinationApid: number,
  type: FrameType = FrameType.TM,
) => encodeFrame({ type, apid, destinationApid, payload: Uint8Array.of(7) });

/** A decision in short, for comparison. */
const brief = (decision: SwitchDecision): string =>
  decision.kind === "deliver" ? decision.to : decision.reason;

Deno.test("the router has an entry for each of the 2048 ids", () => {
  const frames = new FrameSwitch(PLAN);
  const counts: Record<string, number> = {};
  for (let apid = 0; apid < ROUTER_ENTRIES; apid++) {
    const { kind } = frames.route(apid);
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  assertEquals(ROUTER_ENTRIES, 2048);
  assertEquals(counts, { system: 1, uplink: 271, local: 32, drop: 1744 });
  assertEquals(frames.route(0x01F), { kind: "local", tenant: "camera" });
  assertEquals(frames.route(0x020), { kind: "local", tenant: "processor" });
  assertEquals(frames.route(0x030), { kind: "drop" });
  assertEquals(frames.route(2048), { kind: "drop" });
  const alone = new FrameSwitch({ ...PLAN, uplink: null });
  assertEquals(alone.route(0x001), { kind: "system" });
  assertEquals(alone.route(0x00F), { kind: "system" });
});

Deno.test("a frame goes where source, policy and route allow, and nowhere else", () => {
  const frames = new FrameSwitch(PLAN);
  const cases: [from: string, apid: number, to: number, expected: string][] = [
    ["camera", 0x010, 0x020, "processor"],
    ["camera", 0x01F, 0x02F, "processor"],
    ["processor", 0x020, 0x01F, "camera"],
    ["processor", 0x020, 0x000, SYSTEM],
    ["processor", 0x020, 0x001, UPLINK],
    // Another's id, the host's, the init's, nobody's.
    ["camera", 0x020, 0x010, "foreign-source"],
    ["camera", 0x000, 0x020, "foreign-source"],
    ["camera", 0x001, 0x020, "foreign-source"],
    ["camera", 0x00F, 0x020, "foreign-source"],
    ["camera", 0x030, 0x020, "foreign-source"],
    ["nobody", 0x010, 0x020, "foreign-source"],
    // Where it may not send, whoever is there or not.
    ["camera", 0x010, 0x000, "not-permitted"],
    ["camera", 0x010, 0x001, "not-permitted"],
    ["camera", 0x010, 0x400, "not-permitted"],
    ["camera", 0x010, 0x010, "not-permitted"],
    ["processor", 0x020, 0x02F, "not-permitted"],
    // Permitted, but nobody's.
    ["camera", 0x010, 0x300, "no-route"],
    // The VM, and the host that means the VM with 0.
    [UPLINK, 0x001, 0x000, SYSTEM],
    [UPLINK, 0x100, 0x010, "camera"],
    [UPLINK, 0x100, 0x101, "no-route"],
    [UPLINK, 0x010, 0x020, "foreign-source"],
    [UPLINK, 0x000, 0x020, "foreign-source"],
    [SYSTEM, 0x000, 0x000, UPLINK],
    [SYSTEM, 0x000, 0x001, UPLINK],
    [SYSTEM, 0x000, 0x010, "camera"],
    [SYSTEM, 0x001, 0x010, "foreign-source"],
    [SYSTEM, 0x000, 0x400, "no-route"],
  ];
  for (const [from, apid, to, expected] of cases) {
    const what = `${from}: ${apid} to ${to}`;
    assertEquals(brief(frames.decide(from, frame(apid, to))), expected, what);
  }
});

Deno.test("only the host may command: no frame of another reaches the init's commands", () => {
  const generous: SwitchPlan = {
    tenants: PLAN.tenants.map((tenant) => ({
      ...tenant,
      sendTo: [range("0x000..0x7FF")],
    })),
    uplink: PLAN.uplink,
  };
  const frames = new FrameSwitch(generous);
  const commanding = [FrameType.TC, FrameType.PRM_GET, FrameType.PRM_SET];
  let delivered = 0;
  for (const from of ["camera", "processor", UPLINK]) {
    for (let apid = 0; apid < ROUTER_ENTRIES; apid++) {
      for (const to of [0x000, 0x001, 0x00F]) {
        for (const type of Object.values(FrameType)) {
          const decision = frames.decide(from, frame(apid, to, type));
          if (decision.kind !== "deliver") continue;
          delivered++;
          assert(
            !commanding.includes(type as never),
            `${from} ${apid} ${type}`,
          );
          // What does get through can't be taken for the host's.
          assert(apid !== 0, `${from} as the host`);
        }
      }
    }
  }
  assert(delivered > 0);
  assertEquals(brief(frames.decide(SYSTEM, frame(0, 1, FrameType.TC))), UPLINK);
});

Deno.test("a refused frame is answered with an ERROR to its sender, an ERROR never", () => {
  const frames = new FrameSwitch(PLAN);
  const answerOf = (from: string, bytes: Uint8Array) => {
    const decision = frames.decide(from, bytes);
    assert(decision.kind === "refuse");
    return decision.answer;
  };
  const answer = answerOf("camera", frame(0x012, 0x001));
  assert(answer !== null);
  const { type, apid, destinationApid, payload } = decodeFrame(answer);
  assertEquals([type, apid, destinationApid], [FrameType.ERROR, 0, 0x012]);
  assertEquals(decodeFrameFault(payload), {
    code: FrameErrorCode.APID_NOT_ALLOCATED,
    offendingType: FrameType.TM,
    offendingApid: 0x012,
    offendingPayloadLength: 1,
  });
  // It pretended to be another: the answer does not go there.
  const spoofed = answerOf("camera", frame(0x020, 0x010));
  assert(spoofed !== null);
  assertEquals(decodeFrame(spoofed).destinationApid, 0x010);
  // ERROR frames: refused without a word, in every way.
  for (
    const bytes of [
      frame(0x012, 0x001, FrameType.ERROR),
      frame(0x020, 0x010, FrameType.ERROR),
      frame(0x010, 0x300, FrameType.ERROR),
      frame(0x010, 0x020, FrameType.ERROR).fill(9, 0, 1),
    ]
  ) assertEquals(answerOf("camera", bytes), null);
  const taken = frame(0x010, 0x020, FrameType.ERROR);
  assertEquals(brief(frames.decide("camera", taken)), "processor");
  assertEquals(frames.undeliverable("camera", taken, "busy").answer, null);
  const busy = frames.undeliverable("camera", frame(0x010, 0x020), "busy");
  assert(busy.answer !== null);
  assertEquals(
    decodeFrameFault(decodeFrame(busy.answer).payload).code,
    FrameErrorCode.HOST_BUSY,
  );
});

Deno.test("whatever the bytes are, a decision comes and keeps the rules", () => {
  const frames = new FrameSwitch(PLAN);
  let seed = 0x5EED;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
  const kinds = new Set<string>();
  for (let round = 0; round < 20_000; round++) {
    const bytes = frame(random(0x40), random(0x40));
    for (let flips = random(4); flips > 0; flips--) {
      bytes[random(round % 2 === 0 ? 8 : 256)] = random(256);
    }
    const from = frames.parties[random(frames.parties.length)] ?? "";
    const decision = frames.decide(from, bytes);
    kinds.add(brief(decision));
    if (decision.kind === "deliver") {
      const { apid, destinationApid } = decodeFrame(bytes);
      const route = frames.route(apid);
      assert(
        from === SYSTEM
          ? apid === 0
          : route.kind === "local"
          ? route.tenant === from
          : route.kind === "uplink" && from === UPLINK,
        `seed 0x5EED, round ${round}: ${from} sent as ${apid}`,
      );
      assert(decision.to !== from && destinationApid < ROUTER_ENTRIES);
    } else if (decision.answer !== null) {
      assertEquals(decodeFrame(decision.answer).type, FrameType.ERROR);
      assert(bytes[1] !== FrameType.ERROR);
    }
  }
  for (const kind of ["malformed", "camera", "processor", SYSTEM, UPLINK]) {
    assert(kinds.has(kind), `no case of ${kind}`);
  }
});

Deno.test("a plan that can't be is refused with where, what and what else", () => {
  const tenant = (name: string, ids: string) => ({
    name,
    apids: range(ids),
    sendTo: [],
  });
  const problems = (...tenants: SwitchPlan["tenants"]) =>
    checkSwitchPlan({ tenants, uplink: PLAN.uplink }).map((problem) =>
      `${problem.path.join(".")} ${problem.value}: ${problem.expected}`
    );
  assertEquals(problems(tenant("a", "0x010..0x01F"), tenant("b", "0x020")), []);
  assertEquals(problems(tenant("a", "0x010..0x01F"), tenant("b", "0x01F")), [
    "tenants.b.apids 0x01F: ids of its own; a has 0x010..0x01F already",
  ]);
  assertEquals(problems(tenant("a", "0x00F..0x010")), [
    "tenants.a.apids 0x00F..0x010: ids in 0x010..0x7FF, since those before it are the system's",
    "uplink.apids.0 0x001..0x00F: ids of its own; a has 0x00F..0x010 already",
  ]);
  assertEquals(problems(tenant("a", "0x0F0..0x100")), [
    "uplink.apids.1 0x100..0x1FF: ids of its own; a has 0x0F0..0x100 already",
  ]);
  assertEquals(problems(tenant(SYSTEM, "0x010")).length, 1);
  assertEquals(problems(tenant("../x", "0x010")).length, 1);
  assertEquals(problems(tenant("a", "0x010"), tenant("a", "0x011")).length, 1);
  const crowd = Array.from(
    { length: MAXIMUM_TENANTS + 1 },
    (_, index) => ({
      name: `t${index}`,
      apids: { first: 0x200 + index, last: 0x200 + index },
      sendTo: [],
    }),
  );
  assertEquals(problems(...crowd), ["tenants 65 tenants: at most 64"]);
  assertThrows(
    () =>
      new FrameSwitch({
        tenants: [{ name: "a", apids: { first: 5, last: 1 }, sendTo: [] }],
        uplink: { apids: [{ first: 0, last: 0x800 }], sendTo: [] },
      }),
    SwitchPlanError,
    "tenants.a.apids is 0x005..0x001, expected ids in",
  );
});

Deno.test("ranges are read and written as the tables have them", () => {
  for (
    const [text, first, last] of [
      ["0x010..0x01F", 16, 31],
      ["16..31", 16, 31],
      ["0x7ff", 2047, 2047],
      ["0", 0, 0],
    ] as const
  ) assertEquals(parseApidRange(text), { first, last });
  for (
    const text of ["", "0x", "1..", "..1", "2..1", "0x800", "1...2", "-1", " 1"]
  ) assertEquals(parseApidRange(text), null, text);
  assertEquals(apidRangeText({ first: 1, last: 1 }), "0x001");
});
