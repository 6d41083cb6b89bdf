import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  findSharedMemory,
  openSharedPage,
} from "../../../lib/host/shared_page_file.ts";
import { SystemError } from "../../../lib/linux/error.ts";
import { WireError } from "../../../lib/wire/error.ts";

const WRITER = new URL("../../fixtures/page_writer.ts", import.meta.url);
const CONFIG = new URL("../../../rootfs/out/deno.json", import.meta.url);

function startWriter(path: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--no-lock",
      "--config",
      decodeURIComponent(CONFIG.pathname),
      "--allow-all",
      decodeURIComponent(WRITER.pathname),
      path,
    ],
    stdin: "null",
  }).spawn();
}

Deno.test("two processes share a page: no time is torn, and a writer killed in the middle stops nobody", async () => {
  const path = Deno.makeTempFileSync({ prefix: "page-" });
  Deno.writeFileSync(path, new Uint8Array(4096));
  const page = openSharedPage(path);
  let torn = 0;
  for (let life = 0; life < 2; life++) {
    const writer = startWriter(path);
    const begin = page.timeVersion;
    while (page.timeVersion === begin) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    let reads = 0;
    for (let attempt = 0; attempt < 200_000; attempt++) {
      try {
        const { seconds, nanos } = page.readMissionTime();
        assertEquals(seconds, BigInt(nanos));
        reads++;
      } catch (error) {
        assert(error instanceof WireError);
      }
      const word = page.word64("hostHeartbeatAck");
      if (word >> 32n !== (word & 0xFFFF_FFFFn)) torn++;
    }
    assert(reads > 0, "no attempt met a whole time");
    writer.kill("SIGKILL");
    await writer.status;
    // It stays as the writer left it: whole, or refused within the bound.
    const version = page.timeVersion;
    if (version % 2 === 0) page.readMissionTime();
    else assertThrows(() => page.readMissionTime(), WireError);
  }
  assertEquals(torn, 0, "single words move at once");
  Deno.removeSync(path);
});

Deno.test("a writer that died in the middle is told, whatever it left, and the next one mends it", () => {
  const path = Deno.makeTempFileSync({ prefix: "page-" });
  const torn = new Uint8Array(4096);
  new DataView(torn.buffer).setUint32(0x010, 41);
  Deno.writeFileSync(path, torn);
  const page = openSharedPage(path);
  assertThrows(() => page.readMissionTime(), WireError, "64 attempts");
  const next = openSharedPage(path);
  next.writeMissionTime({ seconds: 3n, nanos: 4 });
  assertEquals(page.readMissionTime(), { seconds: 3n, nanos: 4 });
  assertEquals(page.timeVersion, 42);
  Deno.removeSync(path);
});

Deno.test("what is no page is refused at once: too short, a device, a FIFO, nothing", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "page-" });
  Deno.writeFileSync(`${folder}/short`, new Uint8Array(4095));
  await new Deno.Command("mkfifo", { args: [`${folder}/fifo`] }).output();
  for (const path of [`${folder}/short`, `${folder}/fifo`, "/dev/zero"]) {
    assertThrows(
      () => openSharedPage(path),
      SystemError,
      "expected a file of at least 4096",
    );
  }
  assertThrows(() => openSharedPage(`${folder}/none`), SystemError, "ENOENT");
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("findSharedMemory finds QEMU's device among others and switches it on", () => {
  const folder = Deno.makeTempDirSync({ prefix: "pci-" });
  const add = (name: string, vendor: string, device: string) => {
    Deno.mkdirSync(`${folder}/${name}`);
    Deno.writeTextFileSync(`${folder}/${name}/vendor`, `${vendor}\n`);
    Deno.writeTextFileSync(`${folder}/${name}/device`, `${device}\n`);
    Deno.writeTextFileSync(`${folder}/${name}/enable`, "0");
  };
  add("0000:00:01.0", "0x1af4", "0x1042");
  assertEquals(findSharedMemory(folder), undefined);
  add("0000:00:02.0", "0x8086", "0x1110");
  add("0000:00:03.0", "0x1af4", "0x1110");
  assertEquals(findSharedMemory(folder), `${folder}/0000:00:03.0/resource2`);
  assertEquals(Deno.readTextFileSync(`${folder}/0000:00:03.0/enable`), "1");
  assertEquals(Deno.readTextFileSync(`${folder}/0000:00:02.0/enable`), "0");
  Deno.removeSync(folder, { recursive: true });
});
