/**
 * The bill of materials of an image, in SPDX 2.3 as JSON (ISO/IEC 5962's
 * successor, https://spdx.github.io/spdx-spec/v2.3/): every file of the initial
 * RAM file system with its digests, the packages that they come from, and how
 * they belong together. Pure: the same image gives the same bytes, and what
 * this machine knows of its packages is handed in. It imports cpio.ts.
 */
import { createHash } from "node:crypto";
import type { Tree } from "./cpio.ts";

/** A package, as far as its origin tells. */
export interface BomPackage {
  /** A word of letters, digits, `.` and `-`, unique in the document. */
  readonly id: string;
  /** Its name. */
  readonly name: string;
  /** Its version, or undefined where nobody knows. */
  readonly version: string | undefined;
  /** The SPDX expression of its license, or undefined where nobody has looked. */
  readonly license?: string;
  /** Its package URL (https://github.com/package-url/purl-spec). */
  readonly purl?: string;
  /** The SHA-256 of the whole, where it is one file. */
  readonly sha256?: string;
  /** What it is to a machine. */
  readonly purpose: "APPLICATION" | "LIBRARY" | "OPERATING_SYSTEM" | "ARCHIVE";
  /** More in words. */
  readonly comment?: string;
}

/** What is known of an image. */
export interface BomFacts {
  /** The time that stands for "now", in seconds since 1970. */
  readonly timeSeconds: number;
  /** The archive's SHA-256. */
  readonly imageSha256: string;
  /** This project's version. */
  readonly version: string;
  /** The packages that went into the image, or are shipped beside it. */
  readonly packages: readonly BomPackage[];
  /** Which package a file is from, by its id; undefined: this image's own. */
  readonly packageOf: (path: string) => string | undefined;
  /** What is compiled into what, by ids: the first holds the second. */
  readonly links: readonly (readonly [holder: string, held: string])[];
}

/** The package that is the image itself. */
export const IMAGE_ID = "image";

const NOT_KNOWN = "NOASSERTION";

type JsonObject = Record<string, unknown>;

const packageRef = (id: string): string => `SPDXRef-Package-${id}`;

/** SPDX allows letters, digits, `.` and `-`; the rest becomes its code. */
function fileRef(path: string): string {
  const word = path.slice(1).replace(
    /[^A-Za-z0-9.]/g,
    (character) =>
      character === "/" ? "-" : `-x${character.charCodeAt(0).toString(16)}-`,
  );
  return `SPDXRef-File-${word}`;
}

function digest(algorithm: "sha1" | "sha256", bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

interface BomFile {
  readonly path: string;
  readonly sha1: string;
  readonly entry: JsonObject;
}

function bomFiles(tree: Tree): BomFile[] {
  return tree.paths().flatMap((path) => {
    const node = tree.get(path);
    if (node?.kind !== "file") return [];
    const sha1 = digest("sha1", node.bytes);
    const isElf = node.bytes[0] === 0x7F && node.bytes[1] === 0x45;
    const entry = {
      SPDXID: fileRef(path),
      fileName: `.${path}`,
      checksums: [
        { algorithm: "SHA1", checksumValue: sha1 },
        { algorithm: "SHA256", checksumValue: digest("sha256", node.bytes) },
      ],
      fileTypes: [isElf ? "BINARY" : "TEXT"],
      licenseConcluded: NOT_KNOWN,
      licenseInfoInFiles: [NOT_KNOWN],
      copyrightText: NOT_KNOWN,
    };
    return [{ path, sha1, entry }];
  });
}

/**
 * SPDX's digest of all files of a package: of their SHA-1 digests, sorted and
 * joined (section 7.9).
 */
function verificationCode(files: readonly BomFile[]): string {
  const joined = files.map(({ sha1 }) => sha1).sort().join("");
  return digest("sha1", new TextEncoder().encode(joined));
}

function packageEntry(
  { id, name, version, license, purl, sha256, purpose, comment }: BomPackage,
): JsonObject {
  return {
    SPDXID: packageRef(id),
    name,
    ...(version === undefined ? {} : { versionInfo: version }),
    downloadLocation: NOT_KNOWN,
    filesAnalyzed: false,
    licenseConcluded: NOT_KNOWN,
    licenseDeclared: license ?? NOT_KNOWN,
    copyrightText: NOT_KNOWN,
    primaryPackagePurpose: purpose,
    ...(sha256 === undefined
      ? {}
      : { checksums: [{ algorithm: "SHA256", checksumValue: sha256 }] }),
    ...(purl === undefined ? {} : {
      externalRefs: [{
        referenceCategory: "PACKAGE-MANAGER",
        referenceType: "purl",
        referenceLocator: purl,
      }],
    }),
    ...(comment === undefined ? {} : { comment }),
  };
}

/**
 * The bill of materials.
 *
 * @param tree the image's files
 * @param facts what is known of them
 * @returns the document, as JSON with a final line end
 */
export function billOfMaterials(tree: Tree, facts: BomFacts): string {
  const files = bomFiles(tree);
  const created = new Date(facts.timeSeconds * 1000).toISOString();
  const relationship = (
    from: string,
    relationshipType: string,
    to: string,
  ): JsonObject => ({
    spdxElementId: from,
    relationshipType,
    relatedSpdxElement: to,
  });
  const document = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: "spaceos-initrd.img",
    documentNamespace:
      `https://spdx.org/spdxdocs/spaceos-initrd-${facts.imageSha256}`,
    creationInfo: {
      created: created.replace(/\.\d+Z$/, "Z"),
      creators: [`Tool: spaceos-image-${facts.version}`],
    },
    packages: [
      {
        ...packageEntry({
          id: IMAGE_ID,
          name: "spaceos-initrd.img",
          version: facts.version,
          sha256: facts.imageSha256,
          purpose: "OPERATING_SYSTEM",
        }),
        filesAnalyzed: true,
        packageVerificationCode: {
          packageVerificationCodeValue: verificationCode(files),
        },
        licenseInfoFromFiles: [NOT_KNOWN],
      },
      ...facts.packages.map(packageEntry),
    ],
    files: files.map(({ entry }) => entry),
    relationships: [
      relationship("SPDXRef-DOCUMENT", "DESCRIBES", packageRef(IMAGE_ID)),
      ...facts.packages.map(({ id }) =>
        relationship(packageRef(IMAGE_ID), "DEPENDS_ON", packageRef(id))
      ),
      ...facts.links.map(([holder, held]) =>
        relationship(packageRef(holder), "STATIC_LINK", packageRef(held))
      ),
      ...files.map(({ path }) =>
        relationship(packageRef(IMAGE_ID), "CONTAINS", fileRef(path))
      ),
      ...files.flatMap(({ path }) => {
        const owner = facts.packageOf(path);
        return owner === undefined
          ? []
          : [relationship(fileRef(path), "GENERATED_FROM", packageRef(owner))];
      }),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
