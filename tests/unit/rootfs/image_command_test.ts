/** The command line of `deno task image`, and its failures as a user meets them. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { joinCommandLine } from "../../../rootfs/kernel_command_line.ts";
import { ToolchainError } from "../../../rootfs/toolchain/report.ts";
import {
  ImageUsageError,
  readImageOptions,
} from "../../../rootfs/image_command.ts";
import {
  currentEnvironment,
  REPOSITORY,
} from "../../../rootfs/toolchain/environment.ts";

Deno.test("readImageOptions has the documented defaults", () => {
  const request = readImageOptions([], "/here");
  if (request === "help") throw new Error("met help, expected options");
  const { build, gpt, forTests } = request;
  assertEquals(build.entry, `${REPOSITORY}/cmd/spaceos-init/main.ts`);
  assertEquals(build.outFolder, `${REPOSITORY}/rootfs/out`);
  assertEquals([build.oci, build.manifests, gpt, forTests], [
    false,
    false,
    false,
    false,
  ]);
});

Deno.test("readImageOptions reads every option, relative to the caller's folder", () => {
  const request = readImageOptions(
    [
      "--out=./o/",
      "--init",
      "i.ts",
      "--add=a:/a",
      "--add=/b",
      "--kernel=k",
      "--modules=/lib/modules/6",
      "--module=vsock",
      "--append=x y",
      "--oci",
      "--manifests",
      "--gpt",
    ],
    "/here",
  );
  if (request === "help") throw new Error("met help, expected options");
  assertEquals(request.build, {
    entry: "/here/i.ts",
    outFolder: "/here/o",
    modules: ["vsock"],
    kernel: { kernelPath: "/here/k", modulesFolder: "/lib/modules/6" },
    append: ["x y"],
    oci: true,
    manifests: true,
    additions: ["a:/a", "/b"],
  });
  assertEquals(request.gpt, true);
  assertEquals(readImageOptions(["-h"], "/"), "help");
});

Deno.test("readImageOptions names what it does not understand", () => {
  for (
    const [args, message] of [
      [["--nonsense"], 'unknown argument "--nonsense"'],
      [["thing"], 'unknown argument "thing"'],
      [["--out="], "--out is empty"],
      [["--add="], "--add is empty"],
      [
        ["--append=quiet", "--append=a\nb"],
        '--append "a\\nb" has a control character at 1',
      ],
      [
        ["--append=quiet", '--append=spaceos.disk="/dev/vdb'],
        '--append "spaceos.disk=\\"/dev/vdb" has 1 quotation marks, expected each to be closed',
      ],
      [["--append=a\0b"], '--append "a\\u0000b" has a control character at 1'],
    ] as const
  ) {
    assertThrows(() => readImageOptions(args, "/"), ImageUsageError, message);
  }
});

/** Runs the command in a process of its own. */
async function image(
  args: readonly string[],
  options: Deno.CommandOptions = {},
): Promise<{ code: number; errors: string }> {
  const { configArguments } = currentEnvironment();
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-lock",
      "--no-check",
      ...configArguments,
      `${REPOSITORY}/rootfs/image_command.ts`,
      ...args,
    ],
    ...options,
  }).output();
  return { code, errors: new TextDecoder().decode(stderr) };
}

Deno.test("image says in one line what is missing, and ends with a documented status", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-image-" });
  try {
    await Deno.writeTextFile(`${folder}/file`, "no kernel");
    const cases: [string[], number, RegExp][] = [
      [["--wrong"], 2, /^image: unknown argument "--wrong"; see .*--help\n$/],
      [
        ["--out", folder, "--add", "no-such:/x"],
        1,
        /^image: --add no-such: there is no .*no-such, expected a file or a folder\n$/,
      ],
      [
        ["--out", folder, "--init", "no.ts"],
        1,
        /^image: --init .*no\.ts cannot be read, expected a TypeScript module/,
      ],
      [
        ["--out", folder, "--kernel", `${folder}/file`],
        1,
        /^image: .*file is no kernel: .*expected "HdrS"/m,
      ],
      [
        ["--out", `${folder}/file`],
        1,
        /^image: .*file cannot be written to: expected a folder/m,
      ],
      [
        ["--out", "/proc/spaceos"],
        1,
        /^image: \/proc\/spaceos cannot be written to/m,
      ],
    ];
    for (const [args, expected, pattern] of cases) {
      const { code, errors } = await image(args);
      assertMatch(errors, pattern);
      assertEquals(code, expected, errors);
    }
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      ".lock",
      "file",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("joinCommandLine gives one line, and refuses what the kernel would cut", () => {
  assertEquals(joinCommandLine(["a", "b=1 c", "é"]), "a b=1 c é");
  assertEquals(joinCommandLine(["x".repeat(2047)]).length, 2047);
  assertThrows(
    () => joinCommandLine(["é".repeat(1000), "x".repeat(48)]),
    ToolchainError,
    "has 2049 bytes with what --append adds, expected at most 2047",
  );
});
