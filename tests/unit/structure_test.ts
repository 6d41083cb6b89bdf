/** The plan of the house, held against the real imports. */
import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

/** The layers, each importing only from itself and those before it. */
const LAYERS: readonly (readonly string[])[] = [
  ["wire"],
  ["linux"],
  ["storage"],
  ["supervisor", "fdir", "host"],
  ["init"],
];

/** Files that decide: neither they nor what they import may reach the kernel. */
const PURE_FOLDERS = ["lib/wire/", "lib/supervisor/"];
const PURE_FILES = [
  "lib/init/core.ts",
  "lib/init/core_condition.ts",
  "lib/init/core_faults.ts",
  "lib/init/core_requests.ts",
  "lib/init/core_turn.ts",
  "lib/init/shutdown.ts",
  ...[
    "checks",
    "compare",
    "fdir",
    "fdir_state",
    "limit",
    "machine_findings",
    "manifest",
    "proc_text",
    "snapshot",
  ]
    .map((name) => `lib/fdir/${name}.ts`),
];

function filesBelow(folder: string): string[] {
  const files: string[] = [];
  for (const entry of Deno.readDirSync(new URL(folder, ROOT))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) files.push(...filesBelow(`${path}/`));
    else if (entry.name.endsWith(".ts")) files.push(path);
  }
  return files.sort();
}

const withoutComments = (text: string) =>
  text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");

interface Import {
  readonly specifier: string;
  readonly isType: boolean;
}

/** What a file imports, type imports marked. */
function importsOf(path: string): Import[] {
  const text = withoutComments(Deno.readTextFileSync(new URL(path, ROOT)));
  const statements = text.matchAll(
    /(?:^|\n)\s*(import|export)\s+(type\s)?[^;"']*?from\s+"([^"]+)"/g,
  );
  const dynamic = text.matchAll(/import\(\s*"([^"]+)"/g);
  return [
    ...[...statements].map(([, , type, specifier = ""]) => ({
      specifier,
      isType: type !== undefined,
    })),
    ...[...dynamic].map(([, specifier = ""]) => ({ specifier, isType: false })),
  ];
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, new URL(from, ROOT)).pathname
    .slice(ROOT.pathname.length);
}

const localImports = (path: string) =>
  importsOf(path).filter(({ specifier }) => specifier.startsWith("."))
    .map((found) => ({ ...found, path: resolve(path, found.specifier) }));

const rankOf = (path: string): number =>
  LAYERS.findIndex((rooms) =>
    rooms.some((room) => path.startsWith(`lib/${room}/`))
  );

Deno.test("each room of lib imports only from those before it", () => {
  const wrong: string[] = [];
  let count = 0;
  for (const path of filesBelow("lib/")) {
    const room = path.split("/")[1];
    for (const target of localImports(path)) {
      count++;
      const isOwn = target.path.startsWith(`lib/${room}/`);
      const isBefore = rankOf(target.path) !== -1 &&
        rankOf(target.path) < rankOf(path);
      if (!isOwn && !isBefore) wrong.push(`${path} imports ${target.path}`);
    }
  }
  assertEquals(wrong, []);
  assert(count > 200, `only ${count} imports were read`);
});

Deno.test("what decides never reaches what calls the kernel", () => {
  const wrong: string[] = [];
  const starts = filesBelow("lib/").filter((path) =>
    PURE_FILES.includes(path) ||
    PURE_FOLDERS.some((folder) => path.startsWith(folder))
  );
  assert(starts.length > 30);
  for (const start of starts) {
    const seen = new Set<string>([start]);
    for (const path of seen) {
      if (path.startsWith("lib/linux/")) wrong.push(`${start} reaches ${path}`);
      for (const target of localImports(path)) {
        if (!target.isType) seen.add(target.path);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("only lib/linux calls C, and nothing in lib spawns through the runtime", () => {
  const wrong: string[] = [];
  for (const path of filesBelow("lib/")) {
    const text = withoutComments(Deno.readTextFileSync(new URL(path, ROOT)));
    const isLinux = path.startsWith("lib/linux/");
    if (!isLinux && /Deno\.(dlopen|UnsafePointer)/.test(text)) {
      wrong.push(`${path} calls C`);
    }
    if (/Deno\.Command\b/.test(text)) wrong.push(`${path} uses Deno.Command`);
    if (/\bconsole\.(log|error|warn|info|debug)\b/.test(text)) {
      wrong.push(`${path} writes with console`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("the init does through lib/linux what its executable has no permission for", () => {
  // rootfs/compile.ts, INIT_PERMISSIONS: no writing, no children, no questions
  // about the system; and no file of /proc or /sys can be opened, so that what
  // opens files through the runtime is listed here.
  const refused =
    /Deno\.((mkdir|write|writeTextFile|writeFile|remove|chown|chmod|create|rename|symlink|link|truncate|utime|copyFile|makeTempFile|makeTempDir)(Sync)?|umask|Command|kill|listen|connect|hostname|uid|gid|osRelease|loadavg|systemMemoryInfo|networkInterfaces)\b/;
  const opening = /Deno\.(open|readFile|readTextFile)(Sync)?\b/;
  const opensConfiguration = [
    "lib/linux/module.ts",
    "lib/linux/user_database.ts",
  ];
  // The switch and the client are parts of programs for the host.
  const isForHost = (path: string) =>
    /^lib\/host\/(switch|connect_host)/.test(path);
  const wrong = [...filesBelow("lib/"), ...filesBelow("cmd/spaceos-init/")]
    .filter((path) => !isForHost(path))
    .filter((path) => {
      const url = new URL(path, ROOT);
      const text = withoutComments(Deno.readTextFileSync(url));
      return refused.test(text) ||
        opening.test(text) && !opensConfiguration.includes(path);
    });
  assertEquals(wrong, []);
});

Deno.test("no program uses a name in a folder that everybody may write to", () => {
  const named = /["'`]\/(tmp|var\/tmp|dev\/shm)\/?[^"'`]*["'`]/g;
  // Where the machine mounts its /tmp, and the archive has the folder.
  const mounted = new Set(["lib/linux/mount.ts", "rootfs/image.ts"]);
  const found = ["lib/", "cmd/", "rootfs/"].flatMap(filesBelow)
    .filter((path) => !path.startsWith("rootfs/out/") && !mounted.has(path))
    .flatMap((path) => {
      const url = new URL(path, ROOT);
      const text = withoutComments(Deno.readTextFileSync(url));
      return [...text.matchAll(named)].map(([name]) => `${path}: ${name}`);
    });
  assertEquals(found, []);
});

Deno.test("what decides reads no clock, no file and no chance", () => {
  const wrong = filesBelow("lib/").filter((path) =>
    PURE_FILES.includes(path) || path.startsWith("lib/supervisor/")
  ).filter((path) => {
    const text = withoutComments(Deno.readTextFileSync(new URL(path, ROOT)));
    return /\bDeno\.|\bDate\b|Math\.random|performance\.|setTimeout/.test(text);
  });
  assertEquals(wrong, []);
});

Deno.test("the top level holds exactly what it should", () => {
  const listed = new Deno.Command("git", {
    args: ["ls-tree", "--name-only", "HEAD"],
    cwd: decodeURIComponent(ROOT.pathname),
  }).outputSync();
  // An unpacked archive has no git: then there is nothing to compare.
  if (!listed.success) return;
  assertEquals(new TextDecoder().decode(listed.stdout).trim().split("\n"), [
    ".ci",
    ".gitignore",
    "README.md",
    "cmd",
    "deno.json",
    "lib",
    "mod.ts",
    "rootfs",
    "tests",
  ]);
});

Deno.test("what is published is what the library reaches, and no file more", () => {
  const { publish } = JSON.parse(
    Deno.readTextFileSync(new URL("deno.json", ROOT)),
  );
  const reached = new Set(["mod.ts"]);
  for (const path of reached) {
    for (const target of localImports(path)) reached.add(target.path);
  }
  const modules = [...reached].filter((path) => path !== "mod.ts").sort();
  assertEquals(
    publish.include,
    ["deno.json", "README.md", "mod.ts", ...modules],
    "publish.include of deno.json names each file",
  );
});
