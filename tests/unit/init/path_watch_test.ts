import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { PathWatch } from "../../../lib/init/path_watch.ts";
import { libc, overrideLibc, setErrno } from "../../../lib/linux/libc.ts";
import { Poller } from "../../../lib/linux/poller.ts";

async function withFolder(
  action: (folder: string, paths: PathWatch, poller: Poller) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const poller = new Poller();
  try {
    await action(folder, new PathWatch(poller), poller);
  } finally {
    await poller.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Settled when a path is there. */
function there(paths: PathWatch, key: number, path: string): Promise<void> {
  return new Promise((resolve) => paths.add(key, path, resolve));
}

Deno.test("PathWatch tells at once of a path that is there, and leaves nothing open", () =>
  withFolder(async (folder, paths, poller) => {
    await there(paths, 1, folder);
    assertEquals(poller.size, 0);
  }));

Deno.test("PathWatch tells of a file, a folder, a symbolic link and a name that is moved, each once", () =>
  withFolder(async (folder, paths, poller) => {
    Deno.writeTextFileSync(`${folder}/other`, "");
    const makers: ((path: string) => void)[] = [
      (path) => Deno.writeTextFileSync(path, ""),
      (path) => Deno.mkdirSync(path),
      (path) => Deno.symlinkSync("/nowhere", path),
      (path) => Deno.renameSync(`${folder}/other`, path),
    ];
    const told: number[] = [];
    const all = makers.map(async (_, key) => {
      await there(paths, key, `${folder}/${key}`);
      told.push(key);
    });
    makers.forEach((make, key) => make(`${folder}/${key}`));
    await Promise.all(all);
    assertEquals(told.sort(), [0, 1, 2, 3]);
    assertEquals(poller.size, 0);
  }));

Deno.test("PathWatch hears of a path although the folders above it come later, one by one or all at once", () =>
  withFolder(async (folder, paths) => {
    const slow = there(paths, 1, `${folder}/a/b/c/d`);
    const fast = there(paths, 2, `${folder}/e/f/g/h`);
    Deno.mkdirSync(`${folder}/e/f/g/h`, { recursive: true });
    await fast;
    for (const part of ["a", "a/b", "a/b/c", "a/b/c/d"]) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      Deno.mkdirSync(`${folder}/${part}`);
    }
    await slow;
  }));

Deno.test("PathWatch finds what comes at the far end of a symbolic link, of which nobody tells", () =>
  withFolder(async (folder, paths) => {
    const far = Deno.makeTempDirSync();
    Deno.symlinkSync(`${far}/real`, `${folder}/link`);
    const found = there(paths, 1, `${folder}/link/socket`);
    Deno.mkdirSync(`${far}/real`);
    Deno.writeTextFileSync(`${far}/real/socket`, "");
    await found;
    Deno.removeSync(far, { recursive: true });
  }));

Deno.test("PathWatch looks by itself where the kernel can't tell", () =>
  withFolder(async (folder, paths, poller) => {
    using _ = overrideLibc({ inotify_init1: () => setErrno(24) });
    const found = there(paths, 1, `${folder}/late`);
    assertEquals(poller.size, 0);
    Deno.writeTextFileSync(`${folder}/late`, "");
    await found;
  }));

Deno.test("PathWatch is not kept busy by a busy folder, and says nothing once nobody waits", () =>
  withFolder(async (folder, paths, poller) => {
    let watched = 0;
    const { inotify_add_watch } = libc();
    using _ = overrideLibc({
      inotify_add_watch: (...values) => {
        watched++;
        return inotify_add_watch(...values);
      },
    });
    let told = 0;
    paths.add(1, `${folder}/never`, () => told++);
    const perLook = watched;
    const startMs = performance.now();
    for (let count = 0; count < 1000; count++) {
      Deno.writeTextFileSync(`${folder}/${count}`, "");
      await new Promise((resolve) => setTimeout(resolve));
    }
    const looks = watched / perLook - 1;
    // It looks, and then hears nothing for 10 ms.
    assertLess(looks, (performance.now() - startMs) / 9 + 2);
    assertGreater(looks, 0);
    paths.remove(1);
    Deno.writeTextFileSync(`${folder}/never`, "");
    await new Promise((resolve) => setTimeout(resolve, 30));
    assertEquals([told, poller.size], [0, 0]);
  }));
