import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  configValues,
  decodeInitValue,
  encodeInitValue,
  INIT_PARAMETER_FIRST,
  INIT_PARAMETERS,
  readConfig,
} from "../../../lib/init/config.ts";
import { parseCommandLine } from "../../../lib/init/command_line.ts";
import { loadConfig } from "../../../lib/init/load_config.ts";
import { isRecordId } from "../../../lib/init/staged_commit.ts";
import { StagingId } from "../../../lib/wire/parameter_staging.ts";

const all = Object.values(INIT_PARAMETERS);

Deno.test("INIT_PARAMETERS has ids of its own, defaults in range, and a value for each that can be set", () => {
  assertEquals(new Set(all.map(({ id }) => id)).size, all.length);
  const values = configValues(readConfig(() => undefined).config);
  for (const parameter of all) {
    const { id, minimum, maximum, defaultValue, isReadOnly, name } = parameter;
    assert(id >= INIT_PARAMETER_FIRST && !isRecordId(id), name);
    assert(id !== StagingId.STAGE && id !== StagingId.COMMIT, name);
    assert(minimum <= defaultValue && defaultValue <= maximum, name);
    assertEquals(values.has(name as never), !isReadOnly, name);
    if (!isReadOnly) assertEquals(values.get(name as never), defaultValue);
  }
});

Deno.test("decodeInitValue takes what encodeInitValue makes, and nothing else", () => {
  for (const parameter of all) {
    const { minimum, maximum, type } = parameter;
    for (const value of [minimum, maximum]) {
      const bytes = encodeInitValue(parameter, value);
      assertEquals(decodeInitValue(parameter, bytes), value);
      const longer = Uint8Array.from([...bytes, 0]);
      assertEquals(decodeInitValue(parameter, longer), null);
      assertEquals(decodeInitValue(parameter, longer.subarray(0, -2)), null);
    }
    const limit = type === "u8" ? 0xFF : 0xFFFF_FFFF;
    const bytes = new Uint8Array(type === "u8" ? 1 : 4).fill(0xFF);
    const expected = maximum === limit ? limit : null;
    assertEquals(decodeInitValue(parameter, bytes), expected);
    assertThrows(
      () => encodeInitValue(parameter, maximum + 1),
      RangeError,
      parameter.name,
    );
    assertThrows(() => encodeInitValue(parameter, minimum + 0.5), RangeError);
  }
});

Deno.test("loadConfig lets the command line have the last word, but not on what it does not name", async () => {
  const none = await loadConfig(null, parseCommandLine(""));
  assertEquals(none.config, readConfig(() => undefined).config);
  const { config } = await loadConfig(
    null,
    parseCommandLine("spaceos.watchdog=7 spaceos.log=error"),
  );
  assertEquals(config.watchdogTimeoutSeconds, 7);
  assertEquals(config.logLevel, "error");
  const off = await loadConfig(null, parseCommandLine("spaceos.watchdog=0"));
  assertEquals(off.config.watchdogTimeoutSeconds, 30);
});
