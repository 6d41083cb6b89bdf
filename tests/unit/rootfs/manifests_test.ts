/**
 * The manifests, held against what the engines' published schemas demand. The
 * rules below were written down from: KubeVirt's API kubevirt.io/v1
 * (VirtualMachine, KernelBootContainer), the configuration of Nomad's QEMU
 * driver (its hclspec: one required attribute, image_path, and six others), and
 * Firecracker's OpenAPI description (FullVmConfiguration, BootSource, Drive,
 * MachineConfiguration). LinuxKit's come from the JSON schema in its moby package.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  firecrackerConfiguration,
  kubevirtManifest,
  nomadJob,
} from "../../../rootfs/manifests.ts";
import { REPOSITORY } from "../../../rootfs/toolchain/environment.ts";

const MACHINE = {
  name: "spaceos",
  bootImage: "docker.io/spaceos/boot:0.1.0",
  commandLine: 'console=ttyS0 spaceos.disk="${x}"',
  memoryMebibytes: 512,
  cpus: 2,
};

/** A value of the YAML that is written here: maps, lists and scalars, by indentation. */
type Yaml = string | number | boolean | Yaml[] | { [key: string]: Yaml };

function scalar(text: string): Yaml {
  if (text.startsWith('"')) return JSON.parse(text);
  if (/^-?\d+$/.test(text)) return Number(text);
  if (text === "true" || text === "false") return text === "true";
  return text;
}

/** Reads the plain subset of YAML that the manifests and linuxkit.yml keep to. */
function parseYaml(text: string): Yaml {
  const lines = text.split("\n")
    .filter((line) => !/^\s*(#.*)?$/.test(line))
    .map((line) => ({
      indent: line.length - line.trimStart().length,
      text: line.trim(),
    }));
  let at = 0;
  const block = (indent: number): Yaml => {
    const list: Yaml[] = [];
    const map: { [key: string]: Yaml } = {};
    let isList = false;
    for (let line = lines[at]; line?.indent === indent; line = lines[at]) {
      if (line.text.startsWith("- ")) {
        isList = true;
        const rest = line.text.slice(2);
        if (/^[\w-]+:(\s|$)/.test(rest)) {
          lines[at] = { indent: indent + 2, text: rest };
          list.push(block(indent + 2));
        } else {
          list.push(scalar(rest));
          at++;
        }
        continue;
      }
      const [, key = "", value = ""] = /^([\w./-]+):\s*(.*)$/.exec(line.text) ??
        [];
      assert(key !== "", `a key in ${line.text}`);
      assert(!Object.hasOwn(map, key), `${key} stands there once`);
      at++;
      map[key] = value === "" ? block(lines[at]?.indent ?? 0) : scalar(value);
    }
    return isList ? list : map;
  };
  const value = block(0);
  assertEquals(at, lines.length, "all lines were read");
  return value;
}

/** What stands at a path of keys; a rule that misses it fails. */
function valueAt(value: Yaml, path: string): Yaml | undefined {
  let met: Yaml | undefined = value;
  for (const key of path.split("/")) {
    met = typeof met === "object"
      ? (met as { [key: string]: Yaml })[key]
      : undefined;
  }
  return met;
}

Deno.test("kubevirtManifest is a VirtualMachine that boots its kernel from a container, and its claim", () => {
  const [machine, claim] = kubevirtManifest(MACHINE).split("\n---\n")
    .map(parseYaml);
  assert(machine !== undefined && claim !== undefined);
  const at = (path: string) => valueAt(machine, path);
  assertEquals(at("apiVersion"), "kubevirt.io/v1");
  assertEquals(at("kind"), "VirtualMachine");
  assert(
    ["Always", "Halted", "Manual", "RerunOnFailure", "Once"].includes(
      String(at("spec/runStrategy")),
    ),
  );
  const boot = "spec/template/spec/domain/firmware/kernelBoot";
  assertEquals(at(`${boot}/container/image`), MACHINE.bootImage);
  assertEquals(at(`${boot}/container/kernelPath`), "/boot/spaceos-kernel");
  assertEquals(at(`${boot}/container/initrdPath`), "/boot/spaceos-initrd.img");
  assertEquals(at(`${boot}/kernelArgs`), MACHINE.commandLine);
  assertEquals(at("spec/template/spec/domain/memory/guest"), "512Mi");
  assertEquals(at("spec/template/spec/domain/cpu/cores"), 2);
  const disk = at("spec/template/spec/domain/devices/disks/0");
  const volume = at("spec/template/spec/volumes/0");
  assert(disk !== undefined && volume !== undefined);
  assertEquals(valueAt(disk, "disk/bus"), "virtio");
  assertEquals(valueAt(disk, "name"), valueAt(volume, "name"));
  assertEquals(
    valueAt(volume, "persistentVolumeClaim/claimName"),
    valueAt(claim, "metadata/name"),
  );
  assertEquals(valueAt(claim, "kind"), "PersistentVolumeClaim");
  assertEquals(valueAt(claim, "spec/volumeMode"), "Block");
});

Deno.test("nomadJob has what the QEMU driver requires, and no attribute that it does not know", () => {
  const job = nomadJob(MACHINE);
  assertMatch(job, /^job "spaceos" \{$/m);
  assertMatch(job, /driver {7}= "qemu"/);
  const [, config = ""] = /^ {6}config \{\n([\s\S]*?)^ {6}\}/m.exec(job) ?? [];
  const attributes = [...config.matchAll(/^ {8}(\w+) += /gm)]
    .map(([, name = ""]) => name);
  const known = [
    "image_path",
    "drive_interface",
    "accelerator",
    "graceful_shutdown",
    "guest_agent",
    "args",
    "port_map",
  ];
  assertEquals(attributes.filter((name) => !known.includes(name)), []);
  assert(attributes.includes("image_path"));
  assertMatch(
    config,
    /drive_interface {3}= "(ide|scsi|sd|mtd|floppy|pflash|virtio|none)"/,
  );
  // The driver takes 128 MB and more.
  assertEquals(Number(/memory = (\d+)/.exec(job)?.[1]) >= 128, true);
  assert(job.includes('"console=ttyS0 spaceos.disk=\\"$${x}\\""'), job);
  assertMatch(job, /path=\$\{NOMAD_ALLOC_DIR\}\/spaceos-ipc\.sock/);
  assertEquals(job.split("{").length, job.split("}").length);
});

Deno.test("firecrackerConfiguration has every required field and only known ones", () => {
  const configuration = JSON.parse(firecrackerConfiguration(MACHINE));
  assertEquals(Object.keys(configuration).sort(), [
    "boot-source",
    "drives",
    "machine-config",
  ]);
  const { "boot-source": source, drives, "machine-config": machine } =
    configuration;
  assertEquals(Object.keys(source).sort(), [
    "boot_args",
    "initrd_path",
    "kernel_image_path",
  ]);
  assertMatch(source.boot_args, /reboot=k$/);
  for (const drive of drives) {
    assertEquals(typeof drive.drive_id, "string");
    // With an initrd no drive may be the root device.
    assertEquals(drive.is_root_device, false);
    assertEquals(typeof drive.path_on_host, "string");
    assert(["Unsafe", "Writeback"].includes(drive.cache_type));
  }
  assert(Number.isInteger(machine.vcpu_count) && machine.vcpu_count >= 1);
  assert(machine.vcpu_count === 1 || machine.vcpu_count % 2 === 0);
  assert(Number.isInteger(machine.mem_size_mib));
});

Deno.test("linuxkit.yml keeps to LinuxKit's schema, and names this version", () => {
  const text = Deno.readTextFileSync(`${REPOSITORY}/rootfs/linuxkit.yml`);
  const configuration = parseYaml(text);
  assert(
    typeof configuration === "object" && !Array.isArray(configuration),
  );
  const allowed: Record<string, readonly string[]> = {
    kernel: ["image", "cmdline", "binary", "tar", "ucode"],
    init: [],
    onboot: [],
    onshutdown: [],
    services: [],
    trust: ["image", "org"],
    files: [
      "path",
      "directory",
      "symlink",
      "contents",
      "source",
      "metadata",
      "optional",
      "mode",
      "uid",
      "gid",
    ],
    volumes: ["name", "image", "readonly", "format", "platforms"],
  };
  for (const [section, value] of Object.entries(configuration)) {
    const keys = allowed[section];
    assert(keys !== undefined, `${section} is no section of LinuxKit's`);
    const objects = (Array.isArray(value) ? value : [value])
      .filter((part) => typeof part === "object");
    for (const part of objects) {
      for (const [key, inner] of Object.entries(part)) {
        assert(keys.includes(key), `${section} takes no ${key}`);
        assertEquals(typeof inner, key === "directory" ? "boolean" : "string");
      }
    }
  }
  const { version } = JSON.parse(
    Deno.readTextFileSync(`${REPOSITORY}/deno.json`),
  );
  assertEquals(configuration.init, [`spaceos/init:${version}`]);
  assertEquals(
    valueAt(configuration, "kernel/image"),
    `spaceos/kernel:${version}`,
  );
});
