import { assert, assertEquals, assertThrows } from "@std/assert";
import { Tree } from "../../../rootfs/cpio.ts";
import { billOfMaterials, type BomFacts } from "../../../rootfs/sbom.ts";
import { kernelVersionText } from "../../../rootfs/own_kernel.ts";
import {
  importedModules,
  runtimeVersions,
} from "../../../rootfs/sbom_facts.ts";
import { spdxProblems } from "../../fixtures/spdx_rules.ts";

const encoder = new TextEncoder();

function smallTree(): Tree {
  const tree = new Tree();
  const add = (path: string, text: string, mode = 0o644) =>
    tree.add(path, { kind: "file", bytes: encoder.encode(text), mode });
  add("/init", "\x7fELF init", 0o755);
  add("/lib/x86_64-linux-gnu/libc.so.6", "\x7fELF libc", 0o755);
  add("/lib/x86-64/libstdc++.so.6", "abc");
  add("/etc/a b", "");
  add("/etc/a_b", "");
  tree.add("/proc/self/exe", { kind: "link", target: "/init" });
  return tree;
}

const FACTS: BomFacts = {
  timeSeconds: 1_700_000_000,
  imageSha256: "ab".repeat(32),
  version: "0.1.0",
  packages: [
    {
      id: "spaceos-init",
      name: "@spaceos/pid1",
      version: "0.1.0",
      license: "ISC",
      purpose: "APPLICATION",
    },
    {
      id: "deb-libc6",
      name: "libc6",
      version: "2.36-9+deb12u13",
      purl: "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64",
      purpose: "LIBRARY",
    },
  ],
  packageOf: (path) =>
    path === "/init"
      ? "spaceos-init"
      : path.endsWith("libc.so.6")
      ? "deb-libc6"
      : undefined,
  links: [["spaceos-init", "deb-libc6"]],
};

/** The document again, to be changed. */
const parsed = () => JSON.parse(billOfMaterials(smallTree(), FACTS));

Deno.test("billOfMaterials keeps SPDX's rules and lists every file with its digests", () => {
  const document = parsed();
  assertEquals(spdxProblems(document), []);
  assertEquals(
    document.files.map(({ fileName }: { fileName: string }) => fileName),
    [
      "./etc/a b",
      "./etc/a_b",
      "./init",
      "./lib/x86-64/libstdc++.so.6",
      "./lib/x86_64-linux-gnu/libc.so.6",
    ],
  );
  // By sha1sum and sha256sum of the text "abc".
  assertEquals(document.files[3].checksums, [
    {
      algorithm: "SHA1",
      checksumValue: "a9993e364706816aba3e25717850c26c9cd0d89d",
    },
    {
      algorithm: "SHA256",
      checksumValue:
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    },
  ]);
  assertEquals(document.creationInfo.created, "2023-11-14T22:13:20Z");
  const relations = document.relationships.map((
    { spdxElementId, relationshipType, relatedSpdxElement }: Record<
      string,
      string
    >,
  ) => `${spdxElementId} ${relationshipType} ${relatedSpdxElement}`);
  for (
    const expected of [
      "SPDXRef-DOCUMENT DESCRIBES SPDXRef-Package-image",
      "SPDXRef-Package-image CONTAINS SPDXRef-File-init",
      "SPDXRef-File-init GENERATED_FROM SPDXRef-Package-spaceos-init",
      "SPDXRef-Package-spaceos-init STATIC_LINK SPDXRef-Package-deb-libc6",
    ]
  ) assert(relations.includes(expected), expected);
});

Deno.test("billOfMaterials gives the same bytes for the same image, and others for another", () => {
  const first = billOfMaterials(smallTree(), FACTS);
  assertEquals(billOfMaterials(smallTree(), FACTS), first);
  const other = smallTree();
  other.add("/etc/more", {
    kind: "file",
    bytes: encoder.encode("x"),
    mode: 0o644,
  });
  assert(billOfMaterials(other, FACTS) !== first);
  const code = (text: string) =>
    JSON.parse(text).packages[0].packageVerificationCode
      .packageVerificationCodeValue;
  assert(code(billOfMaterials(other, FACTS)) !== code(first));
});

Deno.test("the rules find what is wrong with a document", () => {
  const changes: [string, (document: ReturnType<typeof parsed>) => void][] = [
    ["$.dataLicense is", (it) => it.dataLicense = "MIT"],
    ["$.creationInfo.created is", (it) => it.creationInfo.created = "now"],
    ["$.name is missing", (it) => delete it.name],
    ["$.extra is not known", (it) => it.extra = 1],
    ["has no SHA1", (it) => it.files[0].checksums.shift()],
    ["is no SHA256", (it) => it.files[0].checksums[1].checksumValue = "ab"],
    ["$.files[1].SPDXID is", (it) => it.files[1].SPDXID = "SPDXRef-a b"],
    ["there twice", (it) => it.files[1].SPDXID = it.files[0].SPDXID],
    ["leads nowhere", (it) => it.packages.pop()],
    [
      "verification code",
      (it) => delete it.packages[0].packageVerificationCode,
    ],
    ["describes nothing", (it) => it.relationships.shift()],
    [
      "referenceLocator",
      (it) => it.packages[2].externalRefs[0].referenceLocator = "libc6",
    ],
  ];
  for (const [expected, change] of changes) {
    const document = parsed();
    change(document);
    const problems = spdxProblems(document).join("\n");
    assert(problems.includes(expected), `${expected}: ${problems}`);
  }
});

Deno.test("kernelVersionText reads all that a bzImage's header points at", () => {
  const kernel = new Uint8Array(0x4000);
  const text = "6.1.0-50-cloud-amd64 (x@debian.org) #1 SMP Debian 6.1.170-1";
  kernel.set(encoder.encode("HdrS"), 0x202);
  new DataView(kernel.buffer).setUint16(0x20E, 0x3000 - 0x200, true);
  kernel.set(encoder.encode(text), 0x3000);
  assertEquals(kernelVersionText("kernel", kernel), text);
  assertThrows(() => kernelVersionText("kernel", new Uint8Array(100)), Error);
});

Deno.test("runtimeVersions reads what deno --version prints, and nothing else", () => {
  const text = "deno 2.4.2 (stable, release, x86_64)\nv8 13.7.152.14-rusty\n";
  assertEquals(runtimeVersions(text), {
    deno: "2.4.2",
    v8: "13.7.152.14-rusty",
  });
  assertThrows(() => runtimeVersions("node 20"), Error, "deno --version");
});

Deno.test("importedModules gives each package its place in the document", () => {
  const [wasm, cli, other] = importedModules([
    { registry: "npm", name: "hash-wasm", version: "4.12.0" },
    { registry: "jsr", name: "@std/cli", version: "1.0.32" },
    { registry: "npm", name: "@a/b_c", version: "1.0.0-rc.1+2" },
  ]);
  assertEquals([wasm?.id, wasm?.license, wasm?.purl], [
    "npm-hash-wasm-4.12.0",
    "MIT",
    "pkg:npm/hash-wasm@4.12.0",
  ]);
  assertEquals([cli?.id, cli?.purl], ["jsr-std-cli-1.0.32", undefined]);
  assertEquals([other?.id, other?.license, other?.purl], [
    "npm-a-b-c-1.0.0-rc.1-2",
    undefined,
    "pkg:npm/%40a/b_c@1.0.0-rc.1+2",
  ]);
});
