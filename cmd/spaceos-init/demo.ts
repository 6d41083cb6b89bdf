/**
 * A service to look at: says that it is alive, at an interval, until SIGTERM.
 * An image without any other program has this one to show what supervision,
 * readiness and the log look like.
 *
 * @module
 */

/** How often it speaks when it is not told, in seconds. */
const DEFAULT_INTERVAL_SECONDS = 10;

/**
 * `demo [SECONDS]`: prints a line every so many seconds.
 *
 * @param args The words after `demo`.
 * @returns 0 after SIGTERM, 2 for a wrong command line.
 */
export async function runDemo(args: readonly string[]): Promise<number> {
  const [text = `${DEFAULT_INTERVAL_SECONDS}`] = args;
  const seconds = Number(text);
  if (args.length > 1 || !(seconds >= 0.01 && seconds <= 86_400)) {
    console.error(
      `spaceos-init demo: met ${
        JSON.stringify(args)
      }, expected seconds between 0.01 and 86400`,
    );
    return 2;
  }
  const stopped = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGTERM", () => stopped.resolve());
  console.log(`hello from process ${Deno.pid}`);
  let count = 0;
  const timer = setInterval(
    () => console.log(`alive, ${++count}`),
    seconds * 1000,
  );
  await stopped.promise;
  clearInterval(timer);
  console.log("goodbye");
  return 0;
}
