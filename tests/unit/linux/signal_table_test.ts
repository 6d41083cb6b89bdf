import { assertEquals } from "@std/assert";
import {
  signalName,
  signalNumber,
  SIGNALS,
} from "../../../lib/linux/signal_table.ts";

Deno.test("signalName and signalNumber agree for every signal", () => {
  const names = new Set<string>();
  for (let number = 1; number <= 64; number++) {
    const name = signalName(number);
    names.add(name);
    // 32 and 33 belong to glibc and have no name.
    if (number === 32 || number === 33) assertEquals(name, `signal ${number}`);
    else assertEquals(signalNumber(name), number, name);
  }
  assertEquals(names.size, 64);
  assertEquals(Object.keys(SIGNALS).length, 31);
});

Deno.test("signalNumber takes a signal as people write it", () => {
  for (
    const [text, number] of [
      ["TERM", 15],
      ["sigterm", 15],
      ["SigTerm", 15],
      ["15", 15],
      ["RTMIN", 34],
      ["rtmin+3", 37],
      ["SIGRTMAX", 64],
      ["RTMAX-4", 60],
      ["CLD", 17],
      ["IOT", 6],
      ["poll", 29],
    ] as const
  ) assertEquals(signalNumber(text), number, text);
});

Deno.test("signalNumber takes nothing else", () => {
  for (
    const text of [
      "",
      "SIG",
      "0",
      "65",
      "-1",
      "1.5",
      " 15",
      "15x",
      "0x0F",
      "RTMIN-1",
      "RTMAX+1",
      "RTMIN+31",
      "RTMIN+",
      "TERMINATE",
      "toString",
      "__proto__",
    ]
  ) assertEquals(signalNumber(text), undefined, text);
});
