/**
 * Tells the two kinds of machine apart. An open machine reaches JSR and
 * Deno's download server, and nothing special happens there. A closed one
 * reaches only the npm registry and Debian's packages. It imports nothing
 * outside rootfs/toolchain.
 */
import { ToolchainError } from "./report.ts";

/** What the machine can reach. */
export type Network = "open" | "closed";

/** The environment variable that replaces the probe: `open` or `closed`. */
export const NETWORK_VARIABLE = "SPACEOS_NETWORK";

/** What an open machine must reach: JSR for @std, and the runtime for `deno compile`. */
const PROBED_ADDRESSES = [
  "https://jsr.io/@std/bytes/meta.json",
  "https://dl.deno.land/release-latest.txt",
];

/** How long the probe may take in all. */
const PROBE_TIMEOUT_MS = 3000;

/** What was found, and how. */
export interface NetworkFinding {
  /** What the machine can reach. */
  readonly network: Network;
  /** One line for the user that says what was found. */
  readonly reason: string;
}

/** Fetches an address; replaced in tests. */
export type Fetch = (address: string, signal: AbortSignal) => Promise<boolean>;

async function fetchHead(
  address: string,
  signal: AbortSignal,
): Promise<boolean> {
  const response = await fetch(address, { method: "HEAD", signal });
  await response.body?.cancel();
  return response.ok;
}

/**
 * Finds out what the machine can reach, in a bounded time.
 *
 * @param override the value of SPACEOS_NETWORK, if it is set
 * @param fetchAddress how to reach an address
 * @param timeoutMs the longest that the probe may take
 * @returns the finding
 * @throws {ToolchainError} for an override that is neither `open` nor `closed`
 */
export async function probeNetwork(
  override: string | undefined,
  fetchAddress: Fetch = fetchHead,
  timeoutMs: number = PROBE_TIMEOUT_MS,
): Promise<NetworkFinding> {
  if (override !== undefined && override !== "") {
    if (override !== "open" && override !== "closed") {
      throw new ToolchainError(
        `${NETWORK_VARIABLE} is "${override}", expected "open" or "closed"`,
      );
    }
    return {
      network: override,
      reason: `network: ${override}, as ${NETWORK_VARIABLE} says`,
    };
  }
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const attempt = async (address: string): Promise<boolean> => {
    try {
      return await Promise.race([fetchAddress(address, abort.signal), timeout]);
    } catch {
      return false;
    }
  };
  const reached = await Promise.all(PROBED_ADDRESSES.map(attempt));
  clearTimeout(timer);
  abort.abort();
  const missing = PROBED_ADDRESSES
    .filter((_, index) => !reached[index])
    .map((address) => new URL(address).host);
  if (missing.length === 0) {
    return { network: "open", reason: "network: open" };
  }
  return {
    network: "closed",
    reason: `network: closed (${
      missing.join(" and ")
    } not reached); using npm and Debian packages only`,
  };
}
