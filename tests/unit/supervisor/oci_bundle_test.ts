import { assertEquals } from "@std/assert";
import {
  type OciBundle,
  ociServices,
} from "../../../lib/supervisor/oci_bundle.ts";
import { issueText } from "../../../lib/supervisor/schema.ts";

const runtime = { command: "/usr/bin/runc", noPivot: false };

function bundle(path: string, parts: Partial<OciBundle> = {}): OciBundle {
  const stage = path.split("/")[2] as OciBundle["stage"];
  return {
    stage,
    path,
    config: config(),
    runtimeConfig: null,
    hasLower: false,
    ...parts,
  };
}

function config(parts: Record<string, unknown> = {}): string {
  return JSON.stringify({
    ociVersion: "1.0.2",
    process: { terminal: false, args: ["/bin/app", "-x"], cwd: "/" },
    root: { path: "rootfs", readonly: true },
    linux: {},
    ...parts,
  });
}

Deno.test("ociServices runs onboot one by one, then services, and onshutdown one by one", () => {
  const { definitions, issues } = ociServices([
    bundle("/containers/services/rngd"),
    bundle("/containers/onshutdown/001-b"),
    bundle("/containers/onboot/001-dhcpcd"),
    bundle("/containers/services/getty"),
    bundle("/containers/onboot/000-sysctl"),
    bundle("/containers/onshutdown/000-a"),
  ], runtime);
  assertEquals(issues, []);
  assertEquals(
    definitions.map((
      { name, type, start, after },
    ) => [name, type, start, ...after]),
    [
      ["onboot.000-sysctl", "oneshot", "boot"],
      ["onboot.001-dhcpcd", "oneshot", "boot", "onboot.000-sysctl"],
      ["getty", "process", "boot", "onboot.001-dhcpcd"],
      ["rngd", "process", "boot", "onboot.001-dhcpcd"],
      ["onshutdown.000-a", "oneshot", "shutdown"],
      ["onshutdown.001-b", "oneshot", "shutdown", "onshutdown.000-a"],
    ],
  );
});

Deno.test("ociServices runs the container in the foreground and removes what is left of it", () => {
  const [service] =
    ociServices([bundle("/containers/services/getty")], runtime).definitions;
  assertEquals(service?.command, [
    "/usr/bin/runc",
    "run",
    "--bundle",
    "/containers/services/getty",
    "getty+oci",
  ]);
  assertEquals(service?.post, [[
    "/usr/bin/runc",
    "delete",
    "--force",
    "getty+oci",
  ]]);
  assertEquals(service?.restart, "always");
  assertEquals(service?.description, "container: /bin/app -x");
  const [once] = ociServices([bundle("/containers/onboot/000-x")], {
    command: "/usr/bin/crun",
    noPivot: true,
  }).definitions;
  assertEquals(once?.command.slice(0, 3), [
    "/usr/bin/crun",
    "run",
    "--no-pivot",
  ]);
  assertEquals(once?.restart, "never");
});

Deno.test("ociServices prepares a read-only root as a mount point and a writable one as an overlay", () => {
  const plain = ociServices([bundle("/containers/services/a")], runtime);
  assertEquals(plain.preparations.get("a"), [{
    kind: "mount",
    source: "/containers/services/a/rootfs",
    target: "/containers/services/a/rootfs",
    filesystemType: "bind",
    options: ["bind"],
  }]);
  const writable = ociServices([
    bundle("/containers/services/a", { hasLower: true }),
  ], runtime);
  assertEquals(
    writable.preparations.get("a")?.map((step) =>
      step.kind === "directory"
        ? step.path
        : `${step.filesystemType} ${step.target}`
    ),
    [
      "tmpfs /containers/services/a/tmp",
      "/containers/services/a/tmp/upper",
      "/containers/services/a/tmp/work",
      "overlay /containers/services/a/rootfs",
    ],
  );
});

Deno.test("ociServices takes mounts, then directories and groups of runtime.json, and names what it leaves out", () => {
  const { preparations, issues, definitions } = ociServices([
    bundle("/containers/services/a", {
      runtimeConfig: JSON.stringify({
        mkdir: ["/var/a", "data"],
        mounts: [
          {
            destination: "/mnt",
            source: "tmpfs",
            type: "tmpfs",
            options: ["size=1m"],
          },
          { destination: "srv", source: "/mnt", options: ["bind"] },
        ],
        cgroups: ["system", "/podruntime/a"],
        interfaces: [{ name: "wg0" }],
        bindNS: { net: "/run/netns/a" },
        namespace: "containerd's own",
      }),
    }),
  ], runtime);
  assertEquals(definitions.length, 1);
  assertEquals(preparations.get("a")?.slice(1), [
    {
      kind: "mount",
      source: "tmpfs",
      target: "/mnt",
      filesystemType: "tmpfs",
      options: ["size=1m"],
    },
    {
      kind: "mount",
      source: "/mnt",
      target: "/containers/services/a/rootfs/srv",
      filesystemType: "none",
      options: ["bind"],
    },
    { kind: "directory", path: "/var/a" },
    { kind: "directory", path: "/containers/services/a/rootfs/data" },
    { kind: "directory", path: "/sys/fs/cgroup/system" },
    { kind: "directory", path: "/sys/fs/cgroup/podruntime/a" },
  ]);
  assertEquals(issues.map((issue) => [issue.severity, issue.path]), [
    ["warning", "$.interfaces"],
    ["warning", "$.bindNS"],
  ]);
});

Deno.test("ociServices leaves the root to the mounts that LinuxKit writes for it", () => {
  const path = "/containers/services/a";
  const { preparations, issues } = ociServices([
    bundle(path, {
      hasLower: true,
      runtimeConfig: JSON.stringify({
        mounts: [
          { destination: `${path}/tmp`, type: "tmpfs", source: "tmpfs" },
          { destination: `${path}/tmp`, options: ["remount", "private"] },
          {
            destination: `${path}/rootfs`,
            type: "overlay",
            source: "overlay",
            options: [
              `lowerdir=${path}/lower`,
              `upperdir=${path}/tmp/upper`,
              `workdir=${path}/tmp/work`,
            ],
          },
        ],
        bindNS: {},
      }),
    }),
  ], runtime);
  assertEquals(issues, []);
  assertEquals(
    preparations.get("a")?.map((step) =>
      step.kind === "directory"
        ? step.path
        : `${step.filesystemType} ${step.target}`
    ),
    [
      `tmpfs ${path}/tmp`,
      `none ${path}/tmp`,
      `${path}/tmp/upper`,
      `${path}/tmp/work`,
      `overlay ${path}/rootfs`,
    ],
  );
});

Deno.test("ociServices names what is wrong with a bundle and leaves it out", () => {
  const at = "/containers/services/a/config.json";
  const table: [Partial<OciBundle>, string][] = [
    [
      { config: "{" },
      `${at}:1:2: error: not JSON: expected a key in double quotes, met the end of the file`,
    ],
    [{ config: "[]" }, `${at}:1:1: error: $: expected an object, met []`],
    [
      { config: config({ ociVersion: "2.0" }) },
      `${at}:1:15: error: $.ociVersion: expected a version "1.x.y", met "2.0"`,
    ],
    [
      { config: config({ process: { args: [] } }) },
      `${at}:1:41: error: $.process.args: expected an array of at least one text, met []`,
    ],
    [
      { config: config({ process: { args: [1] } }) },
      `${at}:1:42: error: $.process.args[0]: expected a text, met 1`,
    ],
    [
      { config: config({ process: { args: ["/a"], terminal: true } }) },
      `${at}:1:59: error: $.process.terminal: expected false, because there is no terminal, met true`,
    ],
    [
      { config: config({ root: {} }) },
      `${at}: error: $.root.path: expected the root's path`,
    ],
    [
      { runtimeConfig: "nope" },
      '/containers/services/a/runtime.json:1:1: error: not JSON: expected a value, met "nope"',
    ],
    [
      { runtimeConfig: '{"mounts":[{}]}' },
      "/containers/services/a/runtime.json:1:12: error: $.mounts[0].destination: expected a path, met {}",
    ],
    [
      { runtimeConfig: '{"mkdir":"/a"}' },
      '/containers/services/a/runtime.json:1:10: error: $.mkdir: expected an array, met "/a"',
    ],
    [
      { runtimeConfig: '{"cgroups":["a/../.."]}' },
      '/containers/services/a/runtime.json:1:13: error: $.cgroups[0]: expected a group\'s path, met "a/../.."',
    ],
  ];
  for (const [parts, expected] of table) {
    const { definitions, issues } = ociServices([
      bundle("/containers/services/a", parts),
    ], runtime);
    assertEquals(definitions, []);
    assertEquals(issues.map(issueText), [expected]);
  }
});

Deno.test("ociServices says so when there is nothing to run containers with", () => {
  const { definitions, issues } = ociServices([
    bundle("/containers/services/a"),
  ], null);
  assertEquals(definitions, []);
  assertEquals(issues.map(issueText), [
    "/containers/services/a/config.json: error: the image holds neither runc nor crun to run this bundle",
  ]);
});

Deno.test("ociServices gives up privileges for a bundle whose config.json does", () => {
  const promises = ([undefined, false, true, "true"] as const).map(
    (noNewPrivileges) => {
      const process = { args: ["/bin/app"], cwd: "/", noNewPrivileges };
      const { definitions } = ociServices(
        [bundle("/containers/services/app", { config: config({ process }) })],
        runtime,
      );
      return definitions[0]?.noNewPrivileges;
    },
  );
  assertEquals(promises, [false, false, true, false]);
});
