/**
 * The rehearsal of a publication on JSR: `deno publish --dry-run` judges what
 * would be published, for example that every exported symbol has an explicit
 * type. It resolves `jsr:` imports, so on closed machines it runs on a copy of
 * the published files whose configuration names the stand-ins of @std instead.
 * It imports nothing outside rootfs/toolchain.
 */
import { lastLines, run } from "./command.ts";
import { type Environment, REPOSITORY } from "./environment.ts";
import { say } from "./report.ts";

/** Where the stand-ins lie in the copy. */
const STAND_INS = "std_stand_ins";

/** A deno.json as far as this file looks at it. */
interface Configuration {
  readonly imports: Readonly<Record<string, string>>;
  readonly publish: { readonly include: readonly string[] };
}

function readConfiguration(): Configuration {
  return JSON.parse(Deno.readTextFileSync(`${REPOSITORY}/deno.json`));
}

function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/**
 * Copies the files that are published, and no others.
 *
 * @param folder where to
 */
export function copyPublished(folder: string): void {
  for (const path of readConfiguration().publish.include) {
    const to = `${folder}/${path}`;
    Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    Deno.copyFileSync(`${REPOSITORY}/${path}`, to);
  }
}

/** Makes the copy that needs no network but npm. */
function makeCopy(folder: string): void {
  const configuration = readConfiguration();
  copyPublished(folder);
  // What is npm's stays as it is published: only jsr: can't be resolved.
  const imports: Record<string, string> = {};
  for (const specifier of Object.keys(configuration.imports)) {
    const name = specifier.slice("@std/".length);
    copyFolder(
      `${REPOSITORY}/rootfs/toolchain/std/${name}`,
      `${folder}/${STAND_INS}/${name}`,
    );
    imports[`${specifier}/`] = `./${STAND_INS}/${name}/`;
    for (const file of Deno.readDirSync(`${folder}/${STAND_INS}/${name}`)) {
      const module = file.name.replace(/\.ts$/, "");
      const path = module.replaceAll("_", "-");
      imports[`${specifier}/${path}`] = `./${STAND_INS}/${name}/${module}.ts`;
    }
  }
  const { include } = configuration.publish;
  Deno.writeTextFileSync(
    `${folder}/deno.json`,
    JSON.stringify({
      ...configuration,
      imports,
      tasks: {},
      publish: { include: [...include, `${STAND_INS}/**/*.ts`] },
    }),
  );
}

/** The files that a dry run says it would publish, and how many bytes, as it shows them. */
function simulatedFiles(text: string): string[] {
  return [...text.matchAll(/^ +file:\/\/\S+ \(.*\)$/gm)].map(([line]) => line)
    .filter((line) => !line.includes(`/${STAND_INS}/`));
}

/**
 * Rehearses the publication.
 *
 * @param environment the kind of machine
 * @returns 0 when nothing is wrong
 */
export async function rehearsePublication(
  environment: Environment,
): Promise<number> {
  const isClosed = environment.network === "closed";
  const folder = isClosed
    ? await Deno.makeTempDir({ prefix: "spaceos-publish-" })
    : REPOSITORY;
  try {
    if (isClosed) makeCopy(folder);
    const result = await run(
      [Deno.execPath(), "publish", "--dry-run", "--allow-dirty"],
      { cwd: folder, env: { ...environment.variables, NO_COLOR: "1" } },
    );
    if (!result.success) {
      say(lastLines(result));
      return 1;
    }
    const files = simulatedFiles(result.stdout + result.stderr);
    const expected = readConfiguration().publish.include.length;
    if (files.length !== expected) {
      say(`the package would have ${files.length} files, expected ${expected}`);
      return 1;
    }
    say(
      `${files.length} files${
        isClosed ? ", with stand-ins for what is JSR's" : ""
      }`,
    );
    return 0;
  } finally {
    if (isClosed) await Deno.remove(folder, { recursive: true });
  }
}
