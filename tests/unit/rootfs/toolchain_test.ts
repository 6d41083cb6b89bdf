import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parsePackageRecords } from "../../../rootfs/toolchain/apt.ts";
import {
  cached,
  exists,
  fileDigest,
  sweepLeftovers,
} from "../../../rootfs/toolchain/cache.ts";
import { closedConfiguration } from "../../../rootfs/toolchain/config.ts";
import { kernelDependency } from "../../../rootfs/toolchain/kernel_package.ts";
import { probeNetwork } from "../../../rootfs/toolchain/network.ts";
import {
  formatSize,
  ToolchainError,
} from "../../../rootfs/toolchain/report.ts";
import { isSealed, seal } from "../../../rootfs/toolchain/sealed_folder.ts";
import { extractPrefix } from "../../../rootfs/toolchain/tar.ts";

async function withFolder(
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-test-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("probeNetwork says open only when every server answers", async () => {
  assertEquals(
    (await probeNetwork(undefined, () => Promise.resolve(true))).network,
    "open",
  );
  const half = await probeNetwork(
    undefined,
    (address) => Promise.resolve(!address.includes("jsr.io")),
  );
  assertEquals(half.network, "closed");
  assertStringIncludes(half.reason, "jsr.io");
  assertEquals(
    (await probeNetwork(undefined, () => Promise.reject(new TypeError("dns"))))
      .network,
    "closed",
  );
});

Deno.test("probeNetwork ends although nobody ever answers", async () => {
  const finding = await probeNetwork(
    undefined,
    () => new Promise(() => {}),
    10,
  );
  assertEquals(finding.network, "closed");
});

Deno.test("probeNetwork takes the environment's word without asking anyone", async () => {
  const fail = () => Promise.reject(new Error("asked"));
  assertEquals((await probeNetwork("open", fail)).network, "open");
  assertEquals((await probeNetwork("closed", fail)).network, "closed");
  await assertRejects(
    () => probeNetwork("maybe", fail),
    ToolchainError,
    "maybe",
  );
});

Deno.test("cached makes an entry once and gives it again", async () => {
  await withFolder(async (folder) => {
    let made = 0;
    const entry = {
      name: "thing",
      verify: async (path: string) => await Deno.readTextFile(path) === "right",
      produce: async (path: string) => {
        made++;
        await Deno.writeTextFile(path, "right");
      },
    };
    assertEquals(await cached(entry, folder), `${folder}/thing`);
    await cached(entry, folder);
    assertEquals(made, 1);
    await Deno.writeTextFile(`${folder}/thing`, "damaged");
    await cached(entry, folder);
    assertEquals(made, 2);
    assertEquals(names(folder), ["thing"]);
  });
});

Deno.test("cached leaves nothing behind when a download is interrupted or wrong", async () => {
  await withFolder(async (folder) => {
    const verify = async (path: string) =>
      await Deno.readTextFile(path) === "right";
    const interrupted = {
      name: "thing",
      verify,
      produce: async (path: string) => {
        await Deno.writeTextFile(path, "ri");
        throw new Error("the cable");
      },
    };
    await assertRejects(() => cached(interrupted, folder), Error, "the cable");
    assertEquals(names(folder), []);
    const wrong = {
      name: "thing",
      verify,
      produce: (path: string) => Deno.writeTextFile(path, "wrong"),
    };
    await assertRejects(() => cached(wrong, folder), ToolchainError, "digest");
    assertEquals(names(folder), []);
  });
});

Deno.test("cached takes what another run made meanwhile", async () => {
  await withFolder(async (folder) => {
    const entry = {
      name: "tree",
      verify: (path: string) => exists(`${path}/complete`),
      produce: async (path: string) => {
        await Deno.mkdir(path);
        await Deno.writeTextFile(`${path}/complete`, "");
        await Deno.mkdir(`${folder}/tree`);
        await Deno.writeTextFile(`${folder}/tree/complete`, "the other's");
      },
    };
    const path = await cached(entry, folder);
    assertEquals(await Deno.readTextFile(`${path}/complete`), "the other's");
    assertEquals(names(folder), ["tree"]);
  });
});

Deno.test("sweepLeftovers removes what interrupted runs left, but not what may still grow", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/.partial-old`);
    await Deno.writeTextFile(`${folder}/kept`, "");
    await sweepLeftovers(folder, Date.now());
    assertEquals(names(folder), [".partial-old", "kept"]);
    await sweepLeftovers(folder, Date.now() + 2 * 86_400_000);
    assertEquals(names(folder), ["kept"]);
  });
});

Deno.test("isSealed sees whatever was changed in a folder after seal", async () => {
  await withFolder(async (folder) => {
    const tree = `${folder}/tree`;
    await Deno.mkdir(`${tree}/lib/below`, { recursive: true });
    const fill = async (): Promise<void> => {
      await Deno.writeTextFile(`${tree}/lib/below/module.ko`, "module");
      await Deno.writeTextFile(`${tree}/vmlinuz`, "kernel");
      await Deno.remove(`${tree}/link`).catch(() => {});
      await Deno.symlink("vmlinuz", `${tree}/link`);
    };
    await fill();
    assertEquals(await isSealed(tree), false);
    await seal(tree);
    assertEquals(await isSealed(tree), true);
    const changes = [
      () => Deno.writeTextFile(`${tree}/vmlinuz`, "kernem"),
      () => Deno.truncate(`${tree}/lib/below/module.ko`, 1),
      () => Deno.remove(`${tree}/lib/below/module.ko`),
      () => Deno.remove(`${tree}/link`),
      () => Deno.writeTextFile(`${tree}/lib/one more`, ""),
    ];
    for (const change of changes) {
      await change();
      assertEquals(await isSealed(tree), false);
      await fill();
      await Deno.remove(`${tree}/lib/one more`).catch(() => {});
      assertEquals(await isSealed(tree), true);
    }
    assertEquals(await isSealed(`${folder}/nothing`), false);
  });
});

Deno.test("fileDigest gives the digests of the standard", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/abc`, "abc");
    assertEquals(
      await fileDigest(`${folder}/abc`, "sha256"),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});

Deno.test("parsePackageRecords reads apt's paragraphs and leaves out what has no digest", () => {
  const digest = "0123456789abcdef".repeat(4);
  const records = parsePackageRecords(
    `Package: linux-image-cloud-amd64\nVersion: 6.1.1-1\nDepends: linux-image-6.1.0-1-cloud-amd64 (= 6.1.1-1)\n` +
      `Description: a\n b\nSHA256: ${digest}\n\nPackage: other\nVersion: 1\n\n`,
  );
  assertEquals(records, [{
    name: "linux-image-cloud-amd64",
    version: "6.1.1-1",
    sha256: digest,
    depends: "linux-image-6.1.0-1-cloud-amd64 (= 6.1.1-1)",
  }]);
});

Deno.test("kernelDependency finds the kernel among the dependencies", () => {
  assertEquals(
    kernelDependency("linux-image-6.1.0-1-cloud-amd64 (= 6.1.1-1)"),
    "linux-image-6.1.0-1-cloud-amd64",
  );
  assertEquals(
    kernelDependency("linux-base, linux-image-6.1-x | linux-image-y"),
    "linux-image-6.1-x",
  );
  assertEquals(kernelDependency("linux-base"), undefined);
});

Deno.test("closedConfiguration keeps the rules, maps the library and rewrites paths", () => {
  const closed = closedConfiguration({
    name: "@spaceos/pid1",
    version: "1.0.0",
    exports: "./mod.ts",
    tasks: { a: "b" },
    imports: { "@std/bytes": "jsr:@std/bytes@1.0.6" },
    scopes: { "./": { "hash-wasm": "npm:hash-wasm@4.12.0" } },
    lock: false,
    exclude: ["rootfs/out", "!rootfs/out/x"],
    fmt: { lineWidth: 80, exclude: ["rootfs/out"] },
    publish: { include: ["mod.ts"] },
  });
  assertEquals(closed, {
    lock: false,
    exclude: ["../../rootfs/out", "!../../rootfs/out/x"],
    fmt: { lineWidth: 80, exclude: ["../../rootfs/out"] },
    imports: {
      "@std/bytes": "jsr:@std/bytes@1.0.6",
      "hash-wasm": "npm:hash-wasm@4.12.0",
      "@spaceos/pid1": "../../mod.ts",
    },
    links: ["assert", "bytes", "cli"].map((name) =>
      `../../rootfs/toolchain/std/${name}`
    ),
  });
  assertThrows(() => closedConfiguration({}), TypeError, "name");
});

Deno.test("extractPrefix copies the beginning of one file of an archive", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/package`);
    await Deno.writeTextFile(`${folder}/package/a`, "first");
    await Deno.writeTextFile(`${folder}/package/b`, "0123456789".repeat(1000));
    const archive = `${folder}/x.tgz`;
    const made = await new Deno.Command("tar", {
      args: ["-czf", archive, "package"],
      cwd: folder,
    }).output();
    assert(made.success);
    const pieces: Uint8Array[] = [];
    const collect = (piece: Uint8Array): Promise<void> => {
      pieces.push(piece.slice());
      return Promise.resolve();
    };
    await extractPrefix(archive, "package/b", 4321, collect);
    const text = pieces.map((piece) => new TextDecoder().decode(piece)).join(
      "",
    );
    assertEquals(text, "0123456789".repeat(1000).slice(0, 4321));
    await assertRejects(
      () => extractPrefix(archive, "package/b", 10_001, collect),
      Error,
      "10000",
    );
    await assertRejects(
      () => extractPrefix(archive, "package/c", 1, collect),
      Error,
      "package/c",
    );
    const whole = await Deno.readFile(archive);
    await Deno.writeFile(archive, whole.subarray(0, whole.length - 20));
    await assertRejects(() => extractPrefix(archive, "package/c", 1, collect));
  });
});

Deno.test("formatSize writes sizes for people", () => {
  assertEquals([0, 999, 1000, 26_713_492, 999_960].map(formatSize), [
    "0 B",
    "999 B",
    "1.0 kB",
    "26.7 MB",
    "1.0 MB",
  ]);
});
