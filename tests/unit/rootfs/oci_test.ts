/**
 * The OCI layout, read back by its specification: every digest and size is
 * computed anew here, and the archives are read by a reader of the test's own.
 */
import { gunzipSync } from "node:zlib";
import { assert, assertEquals } from "@std/assert";
import { Tree } from "../../../rootfs/cpio.ts";
import { ociArchive } from "../../../rootfs/oci.ts";
import { writeTar } from "../../../rootfs/tar_archive.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (part: Uint8Array): string => new TextDecoder().decode(part);

interface Entry {
  readonly type: string;
  readonly mode: number;
  readonly target: string;
  readonly bytes: Uint8Array;
}

/** Reads a ustar archive with pax headers; checks every check sum. */
function readTar(archive: Uint8Array): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const pax = new Map<string, string>();
  let at = 0;
  for (; archive.subarray(at, at + 512).some((byte) => byte !== 0);) {
    const header = archive.slice(at, at + 512);
    const field = (from: number, length: number): string =>
      text(header.subarray(from, from + length)).replace(/[\0 ].*$/s, "");
    const sum = parseInt(field(148, 8), 8);
    header.fill(0x20, 148, 156);
    assertEquals(header.reduce((total, byte) => total + byte, 0), sum);
    assertEquals(text(header.subarray(257, 265)), "ustar\x0000");
    const size = parseInt(field(124, 12), 8);
    const data = archive.subarray(at + 512, at + 512 + size);
    const type = field(156, 1);
    if (type === "x") {
      for (const line of text(data).split("\n").filter((row) => row !== "")) {
        const [, key = "", value = ""] = /^\d+ (\w+)=(.*)$/.exec(line) ?? [];
        assertEquals(parseInt(line), bytes(`${line}\n`).length);
        pax.set(key, value);
      }
    } else {
      entries.set(pax.get("path") ?? field(0, 100), {
        type,
        mode: parseInt(field(100, 8), 8),
        target: pax.get("linkpath") ?? field(157, 100),
        bytes: data,
      });
      pax.clear();
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  assertEquals(archive.length, at + 1024, "two blocks of zeros at the end");
  return entries;
}

function sampleTree(): Tree {
  const tree = new Tree();
  tree.add("/init", { kind: "file", bytes: bytes("program"), mode: 0o755 });
  tree.add("/proc/self/exe", { kind: "link", target: "/init" });
  tree.add("/dev/null", {
    kind: "character device",
    mode: 0o666,
    major: 1,
    minor: 3,
  });
  tree.add(`/${"long/".repeat(40)}name`, {
    kind: "file",
    bytes: bytes("x"),
    mode: 0o600,
  });
  return tree;
}

Deno.test("writeTar writes files, folders, links and devices, with names of any length", () => {
  const pieces: Uint8Array[] = [];
  writeTar(sampleTree(), (piece) => pieces.push(piece), 7);
  const entries = readTar(
    new Uint8Array(pieces.flatMap((piece) => [...piece])),
  );
  assertEquals(entries.get("init")?.type, "0");
  assertEquals(entries.get("init")?.mode, 0o755);
  assertEquals(entries.get("proc/self/")?.type, "5");
  assertEquals(entries.get("proc/self/exe")?.target, "/init");
  assertEquals(entries.get("dev/null")?.type, "3");
  const long = entries.get(`${"long/".repeat(40)}name`);
  assertEquals(text(long?.bytes ?? bytes("")), "x");
});

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Record<string, string>;
  readonly platform?: Record<string, string>;
}

Deno.test("ociArchive holds a layout whose digests, sizes and media types are right", async () => {
  const archive = ociArchive([
    {
      name: "docker.io/spaceos/init:1",
      description: "d",
      tree: sampleTree(),
      entrypoint: ["/init"],
    },
    { name: "docker.io/spaceos/same:1", description: "d", tree: sampleTree() },
  ], 7);
  const entries = readTar(archive);
  const digest = async (part: Uint8Array): Promise<string> =>
    [
      ...new Uint8Array(
        await crypto.subtle.digest("SHA-256", part.slice()),
      ),
    ].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const blob = async (wanted: Descriptor): Promise<Uint8Array> => {
    const [algorithm, hash = ""] = wanted.digest.split(":");
    assertEquals(algorithm, "sha256");
    const part = entries.get(`blobs/sha256/${hash}`)?.bytes;
    assert(part !== undefined, `${wanted.digest} is there`);
    assertEquals(part.length, wanted.size);
    assertEquals(await digest(part), hash);
    return part;
  };
  const parse = (part: Uint8Array | undefined) =>
    JSON.parse(text(part ?? bytes("null")));
  assertEquals(parse(entries.get("oci-layout")?.bytes), {
    imageLayoutVersion: "1.0.0",
  });
  const index = parse(entries.get("index.json")?.bytes);
  assertEquals(index.schemaVersion, 2);
  assertEquals(index.mediaType, "application/vnd.oci.image.index.v1+json");
  const manifests: Descriptor[] = index.manifests;
  assertEquals(manifests.length, 2);
  for (const entry of manifests) {
    assertEquals(
      entry.mediaType,
      "application/vnd.oci.image.manifest.v1+json",
    );
    assertEquals(entry.platform, { architecture: "amd64", os: "linux" });
    const names = entry.annotations ?? {};
    assertEquals(
      names["org.opencontainers.image.ref.name"],
      names["io.containerd.image.name"],
    );
    const manifest = parse(await blob(entry));
    const config = parse(await blob(manifest.config));
    assertEquals(
      manifest.config.mediaType,
      "application/vnd.oci.image.config.v1+json",
    );
    assertEquals([config.architecture, config.os], ["amd64", "linux"]);
    assertEquals(config.created, "1970-01-01T00:00:07.000Z");
    const [layer]: Descriptor[] = manifest.layers;
    assert(layer !== undefined && manifest.layers.length === 1);
    assertEquals(
      layer.mediaType,
      "application/vnd.oci.image.layer.v1.tar+gzip",
    );
    const unpacked = new Uint8Array(gunzipSync(await blob(layer)));
    assertEquals(config.rootfs, {
      type: "layers",
      diff_ids: [`sha256:${await digest(unpacked)}`],
    });
    assertEquals(
      text(readTar(unpacked).get("init")?.bytes ?? bytes("")),
      "program",
    );
  }
  // Two images that hold the same share the layer.
  assertEquals(
    [...entries.keys()].filter((name) => /^blobs\/sha256\/./.test(name)).length,
    5,
  );
});

Deno.test("ociArchive gives the same bytes for the same contents", () => {
  const images = [{ name: "a:1", description: "d", tree: sampleTree() }];
  assertEquals(ociArchive(images, 7), ociArchive(images, 7));
});
