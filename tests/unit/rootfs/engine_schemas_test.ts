/**
 * The manifests, read by others: KubeVirt's and Kubernetes' own OpenAPI
 * descriptions, as packages of npm have them, and the parsers of YAML and HCL
 * that the world uses. They run in processes of their own, so that this
 * project imports none of them.
 */
import { assertEquals, assertMatch } from "@std/assert";
import {
  kubevirtManifest,
  type MachineDescription,
  nomadJob,
} from "../../../rootfs/manifests.ts";
import { type CommandResult, run } from "../../../rootfs/toolchain/command.ts";
import {
  currentEnvironment,
  REPOSITORY,
} from "../../../rootfs/toolchain/environment.ts";

const KUBEVIRT_TYPES = "npm:@kubevirt-ui-ext/kubevirt-api@1.7.0";
const YAML_PARSER = "npm:yaml@2.9.1";
const HCL_PARSER = "npm:@cdktf/hcl2json@0.21.0";

const MACHINE: MachineDescription = {
  name: "spaceos",
  bootImage: "docker.io/spaceos/boot:0.1.0",
  commandLine: 'console=ttyS0 spaceos.disk="${x}" %{y} # : - \\',
  memoryMebibytes: 512,
  cpus: 2,
};

/** Runs `deno` on a program that is written down for it. */
async function deno(
  subcommand: "check" | "run",
  files: Readonly<Record<string, string>>,
): Promise<CommandResult> {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-engines-" });
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    return await run([
      Deno.execPath(),
      subcommand,
      ...(subcommand === "run" ? ["--allow-all"] : []),
      ...["--no-config", "--no-lock", "main.ts"],
    ], {
      cwd: folder,
      env: { ...currentEnvironment().variables, NO_COLOR: "1" },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A text as the YAML parser reads it: its documents. */
async function readYaml(text: string): Promise<unknown[]> {
  const { stdout: read, stderr: errors } = await deno("run", {
    "text.yaml": text,
    "main.ts": `import { parseAllDocuments } from "${YAML_PARSER}";
      const documents = [...parseAllDocuments(Deno.readTextFileSync("text.yaml"))];
      for (const { errors, warnings } of documents) {
        if (errors.length + warnings.length > 0) throw [...errors, ...warnings][0];
      }
      console.log(JSON.stringify(documents.map((one) => one.toJS())));`,
  });
  if (read === "") throw new Error(errors);
  return JSON.parse(read);
}

Deno.test("kubevirt.yaml is what KubeVirt's and Kubernetes' descriptions of their API allow", async () => {
  const [machine, claim] = await readYaml(kubevirtManifest(MACHINE));
  const json = (value: unknown): string => JSON.stringify(value);
  /** The same with another value somewhere: the types have to refuse it. */
  const changed = (value: unknown, from: string, to: string): string => {
    const text = json(value);
    assertEquals(text.split(from).length, 2, `${from} stands there once`);
    return `// @ts-expect-error it is not allowed\n_ = ${
      text.replace(from, to)
    };`;
  };
  const { code, stderr: errors } = await deno("check", {
    "main.ts":
      `import type { V1VirtualMachine } from "${KUBEVIRT_TYPES}/kubevirt";
      import type { IoK8sApiCoreV1PersistentVolumeClaim } from "${KUBEVIRT_TYPES}/kubernetes";
      {
        let _: V1VirtualMachine = ${json(machine)};
        ${changed(machine, '"kernelPath"', '"kernelPth"')}
        ${
        changed(
          machine,
          '"autoattachSerialConsole":true',
          '"autoattachSerialConsole":"yes"',
        )
      }
        ${changed(machine, '"cores":2', '"cores":"2"')}
        ${changed(machine, '"disks"', '"disk"')}
        ${
        changed(machine, '"claimName":"spaceos-data"', '"claim":"spaceos-data"')
      }
      }
      {
        let _: IoK8sApiCoreV1PersistentVolumeClaim = ${json(claim)};
        ${changed(claim, '"volumeMode"', '"volumeMod"')}
        ${changed(claim, '"storage":"16Mi"', '"storage":{}')}
      }`,
  });
  assertEquals(code, 0, errors);
  const { spec: { template: { spec } } } = machine as {
    spec: {
      template: {
        spec: { domain: { firmware: { kernelBoot: { kernelArgs: string } } } };
      };
    };
  };
  assertEquals(spec.domain.firmware.kernelBoot.kernelArgs, MACHINE.commandLine);
});

Deno.test("linuxkit.yml is YAML, and says what it seems to say", async () => {
  const text = await Deno.readTextFile(`${REPOSITORY}/rootfs/linuxkit.yml`);
  const [document] = await readYaml(text);
  assertEquals(Object.keys(document as Record<string, unknown>), [
    "kernel",
    "init",
    "files",
  ]);
});

/** A block of HCL as JSON: each may stand there more than once. */
type Block<T> = readonly [T];

/** The job, as far as it is looked at. */
interface Job {
  readonly job: Readonly<
    Record<
      string,
      Block<{
        readonly type: string;
        readonly group: Readonly<
          Record<
            string,
            Block<{
              readonly task: Readonly<Record<string, Block<Task>>>;
            }>
          >
        >;
      }>
    >
  >;
  readonly variable: Readonly<
    Record<string, Block<Readonly<Record<string, unknown>>>>
  >;
}

interface Task {
  readonly driver: string;
  readonly kill_timeout: string;
  readonly artifact: readonly { source: string; destination: string }[];
  readonly config: Block<
    Readonly<Record<string, unknown>> & { readonly args: readonly string[] }
  >;
  readonly resources: Block<Readonly<Record<string, number>>>;
}

Deno.test("nomad.hcl is HCL, with the blocks and attributes of a job of the QEMU driver", async () => {
  const { stdout: text, stderr: errors } = await deno("run", {
    "nomad.hcl": nomadJob(MACHINE),
    "main.ts": `import { parse } from "${HCL_PARSER}";
      const text = Deno.readTextFileSync("nomad.hcl");
      console.log(JSON.stringify(await parse("nomad.hcl", text)));
      // It leaves something running.
      Deno.exit(0);`,
  });
  assertMatch(text, /^\{/, errors);
  const { job, variable, ...rest }: Job = JSON.parse(text);
  assertEquals([rest, Object.keys(variable)], [{}, ["files"]]);
  assertEquals(Object.keys(job), [MACHINE.name]);
  const found = job[MACHINE.name]?.[0];
  assertEquals(Object.keys(found ?? {}).sort(), ["group", "type"]);
  assertEquals(found?.type, "service");
  assertEquals(Object.keys(found?.group ?? {}), ["vm"]);
  const task = found?.group["vm"]?.[0].task[MACHINE.name]?.[0];
  assertEquals(Object.keys(task ?? {}).sort(), [
    "artifact",
    "config",
    "driver",
    "kill_timeout",
    "resources",
  ]);
  assertEquals(task?.driver, "qemu");
  assertEquals(
    task?.artifact.map(({ source, destination }) => [source, destination]),
    ["kernel", "initrd.img", "disk.img"].map((name) => [
      `\${var.files}/spaceos-${name}`,
      "local/",
    ]),
  );
  const config = task?.config[0];
  // What the driver's specification knows, besides image_path, which it requires.
  assertEquals(
    Object.entries(config ?? {}).map(([name, value]) =>
      `${name}: ${Array.isArray(value) ? "list" : typeof value}`
    ).sort(),
    [
      "accelerator: string",
      "args: list",
      "drive_interface: string",
      "graceful_shutdown: boolean",
      "image_path: string",
    ],
  );
  const args = config?.args ?? [];
  // As it stands in the text: what is Nomad's is filled in, what is the guest's is not.
  assertEquals(
    args[args.indexOf("-append") + 1],
    MACHINE.commandLine.replaceAll(/([$%])(?=\{)/g, "$1$1"),
  );
  assertMatch(args.join(" "), /path=\$\{NOMAD_ALLOC_DIR\}\/spaceos-ipc\.sock,/);
});
