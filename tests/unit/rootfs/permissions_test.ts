/** The permissions of the executable, tried one by one with a real runtime. */
import { assertEquals } from "@std/assert";
import { INIT_PERMISSIONS } from "../../../rootfs/compile.ts";
import { DENO_VERSION } from "../../../rootfs/toolchain/environment.ts";

/** What is tried, and whether the init may do it. */
const ATTEMPTS: readonly (readonly [
  name: string,
  isAllowed: boolean,
  attempt: string,
])[] = [
  ["read /proc", false, `Deno.readTextFileSync("/proc/self/status")`],
  ["list /proc", true, `[...Deno.readDirSync("/proc")]`],
  ["list /sys", true, `[...Deno.readDirSync("/sys/class")]`],
  ["read files", true, `Deno.readTextFileSync("/etc/passwd")`],
  ["environment", true, `Deno.env.toObject()`],
  [
    "FFI",
    true,
    `Deno.dlopen("libc.so.6", { getpid: { parameters: [], result: "i32" } })`,
  ],
  ["signals", true, `Deno.addSignalListener("SIGUSR1", () => {})`],
  ["listen", false, `Deno.listen({ port: 0 })`],
  ["listen unix", false, `Deno.listen({ transport: "unix", path: "/tmp/x" })`],
  ["run", false, `new Deno.Command("/bin/true").outputSync()`],
  ["kill", false, `Deno.kill(Deno.pid, "SIGCONT")`],
  ["write", false, `Deno.writeTextFileSync("/tmp/spaceos-denied", "")`],
  ["make a folder", false, `Deno.mkdirSync("/run/spaceos-denied")`],
  ["remove", false, `Deno.removeSync("/etc/spaceos-none")`],
  ["chmod", false, `Deno.chmodSync("/etc/passwd", 0o644)`],
  ["temporary file", false, `Deno.makeTempFileSync()`],
  ["user", false, `Deno.uid()`],
  ["host name", false, `Deno.hostname()`],
  ["network interfaces", false, `Deno.networkInterfaces()`],
  ["fetch", false, `await fetch("http://127.0.0.1:1/")`],
  ["import", false, `await import("https://example.com/x.ts")`],
];

// The executable is made with this runtime. Others draw the lines elsewhere:
// 2.9 refuses to list /proc and /sys, and lets a process signal itself.
const ignore = Deno.version.deno !== DENO_VERSION;

Deno.test(
  "the executable's permissions allow what an init needs and nothing else",
  {
    ignore,
  },
  async () => {
    const lines = ATTEMPTS.map(([name, , attempt]) =>
      `try { ${attempt}; console.log(${JSON.stringify(name)}, "allowed"); }
     catch (error) {
       const isDenied = /permission|requires .* access/i.test(String(error));
       console.log(${
        JSON.stringify(name)
      }, isDenied ? "denied" : String(error));
     }`
    );
    const path = Deno.makeTempFileSync({ suffix: ".mjs" });
    Deno.writeTextFileSync(path, `${lines.join("\n")}\nDeno.exit(0);\n`);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-lock", ...INIT_PERMISSIONS, path],
      stdin: "null",
    }).output();
    Deno.removeSync(path);
    assertEquals(
      new TextDecoder().decode(stdout).trim().split("\n"),
      ATTEMPTS.map(([name, isAllowed]) =>
        `${name} ${isAllowed ? "allowed" : "denied"}`
      ),
      new TextDecoder().decode(stderr),
    );
  },
);
