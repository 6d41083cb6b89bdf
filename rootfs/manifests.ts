/**
 * What other engines need to run the image: a KubeVirt virtual machine that
 * boots its kernel from a container image, a Nomad job for its QEMU driver, and
 * a Firecracker configuration. Pure texts, made from one description. It
 * imports nothing.
 */

/** The machine that the manifests describe. */
export interface MachineDescription {
  /** Its name: small letters, digits and hyphens. */
  readonly name: string;
  /** The container image with the kernel and the initrd under /boot. */
  readonly bootImage: string;
  /** The kernel command line. */
  readonly commandLine: string;
  /** Memory in MiB. */
  readonly memoryMebibytes: number;
  /** Processors. */
  readonly cpus: number;
}

/** A text in double quotes, for YAML. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

/** A text in double quotes, for HCL, where `${` and `%{` would mean something. */
function quotedHcl(text: string): string {
  return JSON.stringify(text.replaceAll(/([$%])(?=\{)/g, "$1$1"));
}

/**
 * A VirtualMachine of KubeVirt's API kubevirt.io/v1, with kernelBoot. Its data
 * disk is the persistent volume claim NAME-data, as a raw block device, which
 * the guest sees as /dev/vda.
 *
 * @param machine what it describes
 * @returns YAML
 */
export function kubevirtManifest(machine: MachineDescription): string {
  const { name, bootImage, commandLine, memoryMebibytes, cpus } = machine;
  return `# Made by "deno task image --manifests"; kubectl apply -f kubevirt.yaml
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: ${name}
spec:
  runStrategy: RerunOnFailure
  template:
    metadata:
      labels:
        kubevirt.io/domain: ${name}
    spec:
      terminationGracePeriodSeconds: 60
      domain:
        cpu:
          cores: ${cpus}
        memory:
          guest: ${memoryMebibytes}Mi
        firmware:
          kernelBoot:
            container:
              image: ${quoted(bootImage)}
              kernelPath: /boot/spaceos-kernel
              initrdPath: /boot/spaceos-initrd.img
            kernelArgs: ${quoted(commandLine)}
        devices:
          autoattachGraphicsDevice: false
          autoattachSerialConsole: true
          disks:
            - name: data
              disk:
                bus: virtio
      volumes:
        - name: data
          persistentVolumeClaim:
            claimName: ${name}-data
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: ${name}-data
spec:
  accessModes:
    - ReadWriteOnce
  volumeMode: Block
  resources:
    requests:
      storage: 16Mi
`;
}

/**
 * A job for Nomad's QEMU driver. The driver's own disk is the data disk; the
 * kernel and the initrd come by QEMU's arguments, and so does the port that
 * the host talks over.
 *
 * @param machine what it describes
 * @returns HCL
 */
export function nomadJob(machine: MachineDescription): string {
  const { name, commandLine, memoryMebibytes, cpus } = machine;
  const args = [
    "-kernel",
    "local/spaceos-kernel",
    "-initrd",
    "local/spaceos-initrd.img",
    "-append",
    commandLine,
    "-smp",
    String(cpus),
    "-no-reboot",
    "-device",
    "virtio-serial-pci",
    "-chardev",
    "socket,id=ipc,path=ALLOCATION/spaceos-ipc.sock,server=on,wait=off",
    "-device",
    "virtserialport,chardev=ipc,name=ipc",
  ].map((text) =>
    // Nomad fills in the folder that belongs to the allocation.
    quotedHcl(text).replace("ALLOCATION", "${NOMAD_ALLOC_DIR}")
  );
  return `# Made by "deno task image --manifests"; nomad job run nomad.hcl
variable "files" {
  type        = string
  description = "Where the kernel, the initrd and the disk are served, such as https://files.example/spaceos"
}

job ${quotedHcl(name)} {
  type = "service"

  group "vm" {
    task ${quotedHcl(name)} {
      driver       = "qemu"
      kill_timeout = "60s"

      artifact {
        source      = "\${var.files}/spaceos-kernel"
        destination = "local/"
      }

      artifact {
        source      = "\${var.files}/spaceos-initrd.img"
        destination = "local/"
      }

      artifact {
        source      = "\${var.files}/spaceos-disk.img"
        destination = "local/"
      }

      config {
        image_path        = "local/spaceos-disk.img"
        drive_interface   = "virtio"
        accelerator       = "kvm"
        graceful_shutdown = true
        args = [
${args.map((text) => `          ${text},`).join("\n")}
        ]
      }

      resources {
        cpu    = 500
        memory = ${memoryMebibytes}
      }
    }
  }
}
`;
}

/**
 * Firecracker's configuration file, with paths relative to where it starts.
 *
 * @param machine what it describes
 * @returns JSON
 */
export function firecrackerConfiguration(machine: MachineDescription): string {
  const { commandLine, memoryMebibytes, cpus } = machine;
  const configuration = {
    "boot-source": {
      kernel_image_path: "spaceos-vmlinux",
      initrd_path: "spaceos-initrd.img",
      // It has no power button: a reset by the keyboard controller ends it.
      boot_args: `${commandLine} reboot=k`,
    },
    drives: [{
      drive_id: "data",
      path_on_host: "spaceos-disk.img",
      is_root_device: false,
      is_read_only: false,
      // Otherwise a flush of the guest would not reach the medium.
      cache_type: "Writeback",
    }],
    "machine-config": { vcpu_count: cpus, mem_size_mib: memoryMebibytes },
  };
  return `${JSON.stringify(configuration, null, 2)}\n`;
}
