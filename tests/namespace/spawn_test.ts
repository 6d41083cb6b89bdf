import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { parseStatus, runInit } from "./namespace.ts";

const root = Deno.uid() === 0;

async function facts(
  program: string,
  wrapper: readonly string[] = [],
): Promise<Record<string, unknown>> {
  const result = await runInit({ program, wrapper });
  assertEquals(result.code, 0, result.errorText);
  assertEquals(result.otherLines, []);
  return Object.assign({}, ...result.facts);
}

/** Fields of /proc/PID/stat after the name: state is the first. */
function statFields(
  text: string,
): { parent: number; group: number; session: number } {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
  return {
    parent: fields[1] ?? -1,
    group: fields[2] ?? -1,
    session: fields[3] ?? -1,
  };
}

Deno.test("spawn starts a child clean, whatever its parent was given", async () => {
  const said = await facts("clean_child.ts", [
    "env",
    "--ignore-signal=USR2",
    "--block-signal=HUP",
  ]);

  // The parent is unclean, or this test would prove nothing.
  const parent = parseStatus(`${said["parentStatus"]}`);
  assertEquals(parent["SigBlk"], "0000000000000201");
  assertEquals(BigInt(`0x${parent["SigIgn"]}`) & 0x1800n, 0x1800n);

  const child = parseStatus(`${said["status"]}`);
  for (const field of ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"]) {
    assertEquals(child[field], "0000000000000000", field);
  }
  assertEquals(child["PPid"], "1");

  const pid = Number.parseInt(`${said["stat"]}`);
  assertEquals(statFields(`${said["stat"]}`), {
    parent: 1,
    group: pid,
    session: pid,
  });

  // The last is the directory that ls itself has open.
  assertEquals(said["descriptors"], "0\n1\n2\n3\n");
  assertEquals(said["links"], "/dev/null\n");
  assertEquals(said["granted"], "0\n1\n2\n3\n5\n8\n");
  assertEquals(said["environment"], "A=1\nB=x y\n");

  const own = statFields(`${said["own"]}`);
  const group = statFields(`${said["group"]}`);
  assertEquals(group.session, own.session);
  assertEquals(group.group, Number.parseInt(`${said["group"]}`));
  const same = statFields(`${said["same"]}`);
  assertEquals([same.group, same.session], [own.group, own.session]);

  const masked = parseStatus(`${said["masked"]}`);
  assertEquals(masked["SigBlk"], "0000000200000800"); // 12 and 34
  assertEquals(masked["SigIgn"], "0000000000001800"); // 12 and 13
});

Deno.test("spawn sets limits, nice value, umask, OOM score and working directory", async () => {
  const said = await facts("limits.ts");
  const { text, exitCode } = said["child"] as {
    text: string;
    exitCode: number;
  };
  assertEquals(exitCode, 0, text);
  assertMatch(text, /^0027\n/);
  assertMatch(text, /Max open files +77 +99 /);
  assertMatch(text, /Max core file size +0 +0 /);
  assertMatch(text, /Max file size +1099511627776 +unlimited /);
  assertMatch(text, /^321$/m);
  assertMatch(text, /^\/proc\/sys$/m);
  const stat = text.split("\n").find((line) => line.includes("(cat)")) ?? "";
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  assertEquals(fields[16], "7", "nice value");
  assertEquals(said["umaskAfter"], 0o022);
});

Deno.test("spawn kills a child whose limit cannot be set", async () => {
  const said = await facts("limits.ts");
  const refused = said["refused"] as { message: string; signals: string[] };
  assertMatch(refused.message, /^prlimit nofile of process \d+: EINVAL/);
  assertEquals(refused.signals, ["SIGKILL"]);
});

interface Seen {
  readonly text?: string;
  readonly exitCode?: number;
  readonly error?: string;
}

Deno.test({
  name:
    "spawn drops credentials with no way back, and its thread is itself again",
  ignore: !root, // a user namespace maps one user only
  async fn() {
    const said = await facts("credentials.ts");
    const child = (key: string): Record<string, string> => {
      const seen = said[key] as Seen;
      assertEquals(seen.exitCode, 0, `${key}: ${JSON.stringify(seen)}`);
      return parseStatus(seen.text ?? "");
    };
    const none = "0000000000000000";

    const user = child("user");
    assertEquals(user["Uid"], "900\t900\t900\t900");
    assertEquals(user["Gid"], "901\t901\t901\t901");
    assertEquals(user["Groups"], "");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) {
      assertEquals(user[set], none, set);
    }
    assertEquals(child("groups")["Groups"], "44 902");

    const ambient = child("ambient");
    assertEquals(ambient["Uid"], "900\t900\t900\t900");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) {
      assertEquals(ambient[set], "0000000400000400", set); // 10 and 34
    }
    const group = child("groupOnly");
    assertEquals(group["Uid"], "0\t0\t0\t0");
    assertEquals(group["Gid"], "901\t901\t901\t901");

    for (const way of ["--reuid=0", "--regid=0", "--clear-groups"]) {
      const seen = said[`back${way}`] as Seen;
      assert(seen.exitCode !== 0, `${way} led back: ${seen.text}`);
      assertStringIncludes(seen.text ?? "", "not permitted");
    }
    const shadow = said["forbidden"] as Seen;
    assertStringIncludes(shadow.text ?? "", "Permission denied");
    assertEquals(
      (said["failing"] as Seen).error,
      "posix_spawn /no/such/program: ENOENT, no such file or directory",
    );

    assertEquals(child("asRoot")["Uid"], "0\t0\t0\t0");
    assertEquals(child("asRoot")["CapInh"], none);
    assertEquals(said["after"], said["before"]);
  },
});
