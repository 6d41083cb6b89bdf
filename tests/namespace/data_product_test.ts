/** A data product that is written while the init runs is told to the host, and can be read at once. */
import { assertEquals } from "@std/assert";
import { connectHost } from "../../lib/host/connect_host.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { InitMachine } from "./init_machine.ts";

Deno.test("each data product comes to the host as a DP frame once it is in the catalogue", async () => {
  let listener: Deno.UnixListener | undefined;
  await using machine = InitMachine.start({
    disk: makeDisk("good"),
    program: "product.ts",
    prepare: (folder) => {
      listener = Deno.listen({ transport: "unix", path: `${folder}/port` });
    },
  });
  if (listener === undefined) throw new Error("the machine was not prepared");
  using port = listener;
  await using client = await connectHost({ connection: await port.accept() });
  const products = client.newDataProducts()[Symbol.asyncIterator]();
  await machine.waitFor(/READY after/);
  for (const count of [1, 2]) {
    const name = `image-${count}`;
    await machine.signal("SIGUSR2");
    const told = await products.next();
    assertEquals(told.done, false);
    assertEquals(told.value?.name, name);
    assertEquals(told.value?.dataProductClass, 7);
    assertEquals(told.value?.priority, 3);
    // Whoever was told finds it.
    const catalogue = await client.dataProducts();
    const found = catalogue.products.find((product) => product.name === name);
    assertEquals(found?.dataLength, 1000 * count);
    assertEquals(found?.dataCrc32, told.value?.dataCrc32);
    assertEquals(
      await client.readDataProduct(name),
      new Uint8Array(1000 * count).fill(count),
    );
  }
});
