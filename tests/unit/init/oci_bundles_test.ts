import { assertEquals, assertThrows } from "@std/assert";
import type { MountOptions } from "../../../lib/linux/mount.ts";
import {
  findRuntime,
  MAXIMUM_BUNDLE_FILE_BYTES,
  MAXIMUM_BUNDLES,
  OciPreparer,
  readOciServices,
} from "../../../lib/init/oci_bundles.ts";
import { issueText } from "../../../lib/supervisor/schema.ts";

const runtime = { command: "/usr/bin/runc", noPivot: true };

const CONFIG = JSON.stringify({
  ociVersion: "1.0.2",
  process: { args: ["/bin/app"], cwd: "/" },
  root: { path: "rootfs" },
});

/** A folder of `/containers` that holds these files; empty ones end with a slash. */
function withContainers(
  files: Readonly<Record<string, string>>,
  work: (directory: string) => void,
): void {
  const directory = Deno.makeTempDirSync();
  try {
    for (const [path, text] of Object.entries(files)) {
      const whole = `${directory}/${path}`;
      Deno.mkdirSync(whole.slice(0, whole.lastIndexOf("/")), {
        recursive: true,
      });
      if (!path.endsWith("/")) Deno.writeTextFileSync(whole, text);
    }
    work(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("readOciServices reads the bundles of all three stages", () => {
  withContainers({
    "onboot/000-a/config.json": CONFIG,
    "onboot/000-a/runtime.json": '{ "mkdir": ["/var/a"] }',
    "services/b/config.json": CONFIG,
    "services/b/lower/": "",
    "onshutdown/000-c/config.json": CONFIG,
  }, (directory) => {
    const { definitions, preparations, issues } = readOciServices(
      directory,
      runtime,
    );
    assertEquals(issues, []);
    assertEquals(definitions.map(({ name }) => name), [
      "onboot.000-a",
      "b",
      "onshutdown.000-c",
    ]);
    assertEquals(preparations.get("onboot.000-a")?.at(-1), {
      kind: "directory",
      path: "/var/a",
    });
    const kinds = preparations.get("b")?.flatMap((step) =>
      step.kind === "mount" ? [step.filesystemType] : []
    );
    assertEquals(kinds, ["tmpfs", "overlay"]);
  });
});

Deno.test("readOciServices names what can't be read, and takes the others", () => {
  withContainers({
    "onboot/000-good/config.json": CONFIG,
    "services/empty/": "",
    "services/huge/config.json": " ".repeat(MAXIMUM_BUNDLE_FILE_BYTES + 1),
    "services/odd/config.json": CONFIG,
    "services/odd/runtime.json/": "",
    "services/README": "no bundle",
    onshutdown: "no folder",
  }, (directory) => {
    const { definitions, issues } = readOciServices(directory, runtime);
    assertEquals(definitions.map(({ name }) => name), ["onboot.000-good"]);
    const texts = issues.map((issue) =>
      issueText(issue).slice(directory.length).split(" (os error")[0]
    );
    assertEquals(
      texts.map((text) => text?.split(": ").slice(0, 2).join(": ")),
      [
        "/services/README: warning",
        "/services/empty/config.json: error",
        "/services/huge/config.json: error",
        "/services/odd/runtime.json: error",
        "/onshutdown: error",
      ],
    );
    assertEquals(
      texts[2],
      "/services/huge/config.json: error: expected at most 1048576 bytes",
    );
  });
});

Deno.test("readOciServices reads a bounded number of bundles and says that there are more", () => {
  const files = Array.from(
    { length: MAXIMUM_BUNDLES + 1 },
    (_, index) => [`services/s${index}/config.json`, CONFIG],
  );
  withContainers(Object.fromEntries(files), (directory) => {
    const { definitions, issues } = readOciServices(directory, runtime);
    assertEquals(definitions.length, MAXIMUM_BUNDLES);
    assertEquals(issues.map(({ expectation }) => expectation), [
      "expected at most 256 bundles; the others were left out",
    ]);
  });
});

Deno.test("findRuntime takes the first runc or crun that may be executed", () => {
  withContainers({
    "a/runc/": "",
    "a/crun": "not executable",
    "b/crun": "",
    "c/runc": "",
    "c/crun": "",
  }, (directory) => {
    for (const path of ["b/crun", "c/runc", "c/crun"]) {
      Deno.chmodSync(`${directory}/${path}`, 0o755);
    }
    const [a, b, c] = ["a", "b", "c"].map((name) => `${directory}/${name}`);
    const find = (...places: (string | undefined)[]) =>
      findRuntime(places.map(String))?.command ?? null;
    assertEquals(find(a, b, c), `${directory}/b/crun`);
    assertEquals(find(c), `${directory}/c/runc`);
    assertEquals(find(a), null);
  });
});

Deno.test("OciPreparer makes directories and mounts in order, once, and goes on where it failed", () => {
  const story: string[] = [];
  let isBroken = true;
  const preparer = new OciPreparer(
    new Map([["web", [
      { kind: "directory", path: "/upper" },
      {
        kind: "mount",
        source: "overlay",
        target: "/root",
        filesystemType: "overlay",
        options: ["ro", "upperdir=/upper"],
      },
      { kind: "directory", path: "/after" },
    ]]]),
    {
      makeDirectory: (path) => void story.push(path),
      mount: ({ target, type, flags, data }: MountOptions) => {
        if (isBroken) throw new Error(`mount ${target}: ENODEV`);
        story.push(`${type} ${target} ${flags} ${data}`);
      },
    },
  );
  assertThrows(() => preparer.prepare("web"), Error, "mount /root: ENODEV");
  assertEquals(story, ["/upper", "/root"]);
  isBroken = false;
  preparer.prepare("web");
  preparer.prepare("web");
  preparer.prepare("no bundle");
  assertEquals(story, [
    "/upper",
    "/root",
    "overlay /root ro upperdir=/upper",
    "/after",
  ]);
});
