/**
 * The rehearsal of a publication on JSR: `deno publish --dry-run` judges what
 * would be published, for example that every exported symbol has an explicit
 * type. It resolves `jsr:` imports, so on closed machines it runs on a copy
 * whose configuration names the stand-ins of @std instead. It imports nothing
 * outside rootfs/toolchain.
 */
import { lastLines, run } from "./command.ts";
import { type Environment, REPOSITORY } from "./environment.ts";
import { say } from "./report.ts";

/** Where the stand-ins lie in the copy. */
const STAND_INS = "std_stand_ins";

/** A deno.json as far as this file looks at it. */
interface Configuration {
  readonly imports: Readonly<Record<string, string>>;
  readonly scopes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly publish: { readonly include: readonly string[] };
}

function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Makes the copy that needs no network but npm. */
function makeCopy(folder: string): void {
  const configuration: Configuration = JSON.parse(
    Deno.readTextFileSync(`${REPOSITORY}/deno.json`),
  );
  copyFolder(`${REPOSITORY}/lib`, `${folder}/lib`);
  for (const name of ["mod.ts", "README.md"]) {
    Deno.copyFileSync(`${REPOSITORY}/${name}`, `${folder}/${name}`);
  }
  const imports: Record<string, string> = {
    ...configuration.scopes["./"],
  };
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
      scopes: {},
      tasks: {},
      publish: { include: [...include, `${STAND_INS}/**/*.ts`] },
    }),
  );
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
      [Deno.execPath(), "publish", "--dry-run", "--allow-dirty", "--quiet"],
      { cwd: folder, env: { ...environment.variables, NO_COLOR: "1" } },
    );
    if (result.success) return 0;
    say(lastLines(result));
    return 1;
  } finally {
    if (isClosed) await Deno.remove(folder, { recursive: true });
  }
}
