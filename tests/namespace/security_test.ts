/**
 * Services as another user, as an attacker who has taken one over would find
 * things: what the kernel says that the process is, every way back to root that
 * a shell can try, and the files that the init has made.
 */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { makeDisk } from "../fixtures/make_disk.ts";
import { InitMachine } from "./init_machine.ts";
import { statusFields } from "./namespace.ts";
import { oneProcessOf, powerOff, shell, staying } from "./supervisor_facts.ts";

const NOBODY = 65_534;
const NO_CAPABILITIES = "0000000000000000";

/** What the taken-over service tries, each in a line: a name, and its result. */
const ATTACK = `
say() { echo "$1: $(eval "$2" 2>/dev/null || echo failed)"; }
say setuid-program 'FOLDER/root-id -u'
say setgid-program 'FOLDER/root-id -g'
say reuid 'setpriv --reuid 0 id -u'
say regid 'setpriv --regid 0 id -g'
say groups 'setpriv --groups 0 id -G'
say capability 'setpriv --inh-caps +net_admin --ambient-caps +net_admin true && echo got'
say user-namespace 'unshare --user --map-root-user setpriv --nnp true && cat /proc/1/environ && echo got'
say kill 'kill -0 1 && echo got'
say environment 'cat /proc/1/environ'
say memory 'cat /proc/1/maps'
say descriptors 'ls /proc/1/fd/'
say root-folder 'ls /root'
say console 'echo x > /dev/console && echo got'
say notify-folder 'touch /run/spaceos/notify/x && echo got'
say notify-socket 'rm -f /run/spaceos/notify/* && ls /run/spaceos/notify | wc -l'
say run-folder 'touch /run/x && echo got'
say definitions 'touch FOLDER/services.d/evil.json && echo got'
say disk 'cat FOLDER/disk'
say cgroup 'echo 0 > /sys/fs/cgroup/cgroup.procs && echo got'
say mount 'mount -t tmpfs none /mnt && echo got'
say chroot 'chroot / id -u'
say hostname 'hostname evil && echo got'
say clock 'date -s @0 > /dev/null && echo got'
say nice 'nice -n -5 nice'
echo attack over`;

/** The results of the attack, by name. */
function attackOf(console: string): Record<string, string> {
  return Object.fromEntries(
    [...console.matchAll(/\] attacker: ([a-z-]+): (.*)\n/g)].map((
      [, name = "", result = ""],
    ) => [name, result]),
  );
}

interface Entry {
  readonly path: string;
  readonly kind: "folder" | "socket" | "file";
  readonly mode: string;
  readonly owner: string;
}

/** Everything below a folder, with its permissions. */
function entriesBelow(root: string, path: string): Entry[] {
  const entries: Entry[] = [];
  for (const { name } of Deno.readDirSync(`${root}${path}`)) {
    const below = `${path}/${name}`;
    const status = Deno.lstatSync(`${root}${below}`);
    entries.push({
      path: below,
      kind: status.isDirectory ? "folder" : status.isSocket ? "socket" : "file",
      mode: ((status.mode ?? 0) & 0o7777).toString(8),
      owner: `${status.uid}:${status.gid}`,
    });
    if (status.isDirectory) entries.push(...entriesBelow(root, below));
  }
  return entries;
}

Deno.test("a service of another user has no way back, and the init's files are safe under any umask", async () => {
  // The worst that the init can inherit.
  const umask = Deno.umask(0);
  let machine: InitMachine;
  let control = "";
  try {
    machine = InitMachine.start({
      disk: makeDisk("good"),
      services: {
        guest: { command: staying, user: "nobody" },
        member: {
          command: staying,
          user: "nobody",
          group: 4242,
          supplementaryGroups: [4343],
        },
        capable: {
          command: staying,
          user: "nobody",
          ambientCapabilities: ["CAP_NET_BIND_SERVICE"],
        },
        root: { command: staying },
        notifier: {
          command: staying,
          user: "nobody",
          readiness: { kind: "sd-notify", timeoutMs: null },
          critical: false,
        },
      },
      prepare: (folder) => {
        // As attackers are after: readable by all, and owned by root.
        Deno.chmodSync(folder, 0o755);
        Deno.chmodSync(`${folder}/services.d`, 0o755);
        Deno.copyFileSync("/usr/bin/id", `${folder}/root-id`);
        Deno.chownSync(`${folder}/root-id`, 0, 0);
        Deno.chmodSync(`${folder}/root-id`, 0o6755);
        Deno.writeTextFileSync(
          `${folder}/services.d/attacker.json`,
          JSON.stringify({
            command: shell(ATTACK.replaceAll("FOLDER", folder)),
            type: "oneshot",
            user: "nobody",
            requires: ["guest"],
          }),
        );
        // Without the init, the program does give root away.
        control = new TextDecoder().decode(
          new Deno.Command("setpriv", {
            args: [
              ...["--reuid", String(NOBODY), "--clear-groups"],
              ...[`${folder}/root-id`, "-u"],
            ],
          }).outputSync().stdout,
        ).trim();
      },
    });
  } finally {
    Deno.umask(umask);
  }
  await using _ = machine;
  Deno.chmodSync(`${machine.folder}/disk`, 0o600);
  assertEquals(control, "0", "the setuid program works where nothing forbids");
  await machine.waitFor(/attack over/);

  const status = async (service: string) => {
    const status = statusFields(await oneProcessOf(machine, service)) ?? {};
    return Object.fromEntries(
      [
        ...["Uid", "Gid", "Groups", "NoNewPrivs"],
        ...["CapInh", "CapPrm", "CapEff", "CapAmb"],
      ].map((name) => [name, status[name]?.trim()]),
    );
  };
  const none = {
    CapInh: NO_CAPABILITIES,
    CapPrm: NO_CAPABILITIES,
    CapEff: NO_CAPABILITIES,
    CapAmb: NO_CAPABILITIES,
  };
  const four = (id: number) => Array(4).fill(id).join("\t");
  assertEquals(await status("guest"), {
    Uid: four(NOBODY),
    Gid: four(NOBODY),
    Groups: "",
    NoNewPrivs: "1",
    ...none,
  });
  assertEquals(await status("member"), {
    Uid: four(NOBODY),
    Gid: four(4242),
    Groups: "4343",
    NoNewPrivs: "1",
    ...none,
  });
  const bind = "0000000000000400";
  assertEquals(await status("capable"), {
    Uid: four(NOBODY),
    Gid: four(NOBODY),
    Groups: "",
    NoNewPrivs: "1",
    CapInh: bind,
    CapPrm: bind,
    CapEff: bind,
    CapAmb: bind,
  });

  assertEquals(attackOf(machine.console), {
    "setuid-program": String(NOBODY),
    "setgid-program": String(NOBODY),
    reuid: "failed",
    regid: "failed",
    groups: "failed",
    capability: "failed",
    "user-namespace": "failed",
    kill: "failed",
    environment: "failed",
    memory: "failed",
    descriptors: "failed",
    "root-folder": "failed",
    console: "failed",
    "notify-folder": "failed",
    "notify-socket": "failed",
    "run-folder": "failed",
    definitions: "failed",
    disk: "failed",
    cgroup: "failed",
    mount: "failed",
    chroot: "failed",
    hostname: "failed",
    clock: "failed",
    nice: "0",
  });

  const root = `/proc/${await machine.pid()}/root`;
  const entries = entriesBelow(root, "/run");
  const sockets = entries.filter(({ kind }) => kind === "socket");
  assertEquals(
    sockets.map(({ mode, owner }) => `${mode} ${owner}`),
    [`600 ${NOBODY}:${NOBODY}`],
    "the notifier's socket is its own",
  );
  assert(entries.some(({ path }) => path === "/run/spaceos/notify"));
  for (const { path, kind, mode, owner } of entries) {
    if (kind === "socket") continue;
    assertEquals(owner, "0:0", path);
    assertFalse(/[2367].?$/.test(mode.slice(-2)), `${path} ${mode}`);
  }
  await powerOff(machine);
});
