/**
 * An OCI image layout in a tar archive (OCI image specification 1.0,
 * image-layout.md, manifest.md, config.md), as `linuxkit cache import` and
 * `skopeo copy oci-archive:` take it. Each image has one layer. The same
 * contents give the same digests. It imports cpio.ts, tar_archive.ts and
 * host_files.ts, and node:crypto and node:zlib.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { Tree } from "./cpio.ts";
import { joinPieces } from "./host_files.ts";
import { writeTar } from "./tar_archive.ts";

/** Where a blob, an image or a list of images is described. */
const MEDIA_TYPES = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;

/** An image of the layout. */
export interface OciImage {
  /** Its full name with a tag, such as `docker.io/spaceos/init:0.1.0`. */
  readonly name: string;
  /** What its one layer holds. */
  readonly tree: Tree;
  /** The program that a container of it would run. */
  readonly entrypoint?: readonly string[];
  /** One sentence on what it is. */
  readonly description: string;
}

interface Blob {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function blobOf(bytes: Uint8Array): Blob {
  return { digest: sha256(bytes), bytes };
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function descriptor(
  mediaType: string,
  { digest, bytes }: Blob,
): Record<string, unknown> {
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
}

/** An image's three blobs, and its entry in the index. */
function imageBlobs(
  image: OciImage,
  timeSeconds: number,
): { blobs: Blob[]; entry: Record<string, unknown> } {
  const pieces: Uint8Array[] = [];
  writeTar(image.tree, (piece) => pieces.push(piece), timeSeconds);
  const archive = joinPieces(pieces);
  const layer = blobOf(gzipSync(archive, { level: 6 }));
  const created = new Date(timeSeconds * 1000).toISOString();
  const config = blobOf(json({
    created,
    architecture: "amd64",
    os: "linux",
    config: image.entrypoint === undefined
      ? {}
      : { Entrypoint: image.entrypoint },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(archive)}`] },
    history: [{ created, created_by: "deno task image --oci" }],
  }));
  const manifest = blobOf(json({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: descriptor(MEDIA_TYPES.config, config),
    layers: [descriptor(MEDIA_TYPES.layer, layer)],
    annotations: { "org.opencontainers.image.description": image.description },
  }));
  return {
    blobs: [layer, config, manifest],
    entry: {
      ...descriptor(MEDIA_TYPES.manifest, manifest),
      platform: { architecture: "amd64", os: "linux" },
      // The first is what the specification says, the second what LinuxKit's
      // cache and containerd look for.
      annotations: {
        "org.opencontainers.image.ref.name": image.name,
        "io.containerd.image.name": image.name,
      },
    },
  };
}

/**
 * Makes the archive.
 *
 * @param images what it holds
 * @param timeSeconds the time of everything in it, in seconds since 1970
 * @returns the bytes of a tar archive
 */
export function ociArchive(
  images: readonly OciImage[],
  timeSeconds: number,
): Uint8Array<ArrayBuffer> {
  const layout = new Tree();
  const add = (path: string, bytes: Uint8Array): void =>
    layout.add(path, { kind: "file", bytes, mode: 0o644 });
  add("/oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  const entries: Record<string, unknown>[] = [];
  for (const image of images) {
    const { blobs, entry } = imageBlobs(image, timeSeconds);
    entries.push(entry);
    for (const { digest, bytes } of blobs) {
      const path = `/blobs/sha256/${digest}`;
      // Images may share what is the same in them.
      if (layout.get(path) === undefined) add(path, bytes);
    }
  }
  add(
    "/index.json",
    json({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.index,
      manifests: entries,
    }),
  );
  const pieces: Uint8Array[] = [];
  writeTar(layout, (piece) => pieces.push(piece), timeSeconds);
  return joinPieces(pieces);
}
