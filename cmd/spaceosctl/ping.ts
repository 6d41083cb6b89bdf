/**
 * `spaceosctl ping`: how fast the VM answers, in figures.
 *
 * @module
 */

import { HostClientError } from "../../lib/host/client_error.ts";
import type { VmCommand, VmContext } from "./command.ts";
import { ExitCode } from "./exit_code.ts";

const DEFAULT_COUNT = 4;
const DEFAULT_INTERVAL_MS = 1000;
const PAYLOAD_MAX_BYTES = 242;

/** The figures of a series. */
export interface PingStatistics {
  /** Pings sent. */
  readonly sent: number;
  /** Pings answered. */
  readonly received: number;
  /** Milliseconds; null without an answer. */
  readonly minMs: number | null;
  /** Milliseconds; null without an answer. */
  readonly medianMs: number | null;
  /** Milliseconds; null without an answer. */
  readonly p99Ms: number | null;
  /** Milliseconds; null without an answer. */
  readonly maxMs: number | null;
}

/** The figures of some latencies, by nearest rank. */
function pingStatistics(
  sent: number,
  latenciesMs: readonly number[],
): PingStatistics {
  const sorted = latenciesMs.toSorted((left, right) => left - right);
  const rank = (fraction: number) =>
    sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? null;
  return {
    sent,
    received: sorted.length,
    minMs: rank(0),
    medianMs: rank(0.5),
    p99Ms: rank(0.99),
    maxMs: rank(1),
  };
}

/** The subcommand `ping`. */
export const ping: VmCommand = {
  scope: "vm",
  summary: "measure how fast the VM answers",
  operands: [],
  options: {
    count: { value: "N", help: "how many (default 4)", letter: "c" },
    interval: {
      value: "MS",
      help: "milliseconds from one to the next (default 1000; 0 for no pause)",
      letter: "i",
    },
    size: { value: "BYTES", help: "payload, 0..242 (default 0)", letter: "s" },
    quiet: { help: "only the statistics", letter: "q" },
  },
  json: `{"sent", "received", "minMs", "medianMs", "p99Ms", "maxMs"}`,
  details:
    `Ctrl-C ends the series early. Percentiles are by nearest rank. Exits with ${ExitCode.ATTENTION} if
some pings were not answered in time, with ${ExitCode.TIMEOUT} if none was.`,
  isFollowing: () => true,
  check: (args) => {
    args.integer("count", 1, 1_000_000_000);
    args.integer("interval", 0, 3_600_000);
    args.integer("size", 0, PAYLOAD_MAX_BYTES);
  },
  run: async (context) => {
    let interrupt: () => void = () => {};
    const interrupted = new Promise<null>((resolve) => {
      interrupt = () => resolve(null);
    });
    Deno.addSignalListener("SIGINT", interrupt);
    try {
      return await series(context, interrupted);
    } finally {
      Deno.removeSignalListener("SIGINT", interrupt);
    }
  },
};

async function series(
  { client, args, tell }: VmContext,
  interrupted: Promise<null>,
): Promise<ExitCode> {
  const count = args.integer("count", 1, 1_000_000_000) ?? DEFAULT_COUNT;
  const intervalMs = args.integer("interval", 0, 3_600_000) ??
    DEFAULT_INTERVAL_MS;
  const size = args.integer("size", 0, PAYLOAD_MAX_BYTES) ?? 0;
  const isSilent = args.has("quiet") || args.has("json");
  const latenciesMs: number[] = [];
  let sent = 0;
  let failure: HostClientError | null = null;
  const payload = crypto.getRandomValues(new Uint8Array(size));
  while (sent < count) {
    sent++;
    const startMs = performance.now();
    const answer = client.ping(payload).catch((error: unknown) => error);
    const latencyMs = await Promise.race([answer, interrupted]);
    if (latencyMs === null) {
      sent--;
      break;
    }
    if (typeof latencyMs === "number") {
      latenciesMs.push(latencyMs);
      if (!isSilent) tell(null, [`answer ${sent}: ${latencyMs.toFixed(3)} ms`]);
    } else if (
      latencyMs instanceof HostClientError && latencyMs.kind === "timeout"
    ) {
      failure = latencyMs;
      if (!isSilent) tell(null, [`answer ${sent}: none in time`]);
    } else {
      throw latencyMs;
    }
    const pauseMs = startMs + intervalMs - performance.now();
    if (sent === count || pauseMs <= 0) continue;
    if (await Promise.race([pause(pauseMs), interrupted]) === null) break;
  }
  const figures = pingStatistics(sent, latenciesMs);
  if (latenciesMs.length === 0 && failure !== null) throw failure;
  tell(figures, statisticsLines(figures));
  return latenciesMs.length === sent ? ExitCode.OK : ExitCode.ATTENTION;
}

function pause(delayMs: number): Promise<true> {
  return new Promise((resolve) => setTimeout(() => resolve(true), delayMs));
}

function statisticsLines(figures: PingStatistics): string[] {
  const { sent, received, minMs, medianMs, p99Ms, maxMs } = figures;
  const show = (ms: number | null) => ms === null ? "-" : ms.toFixed(3);
  return [
    `${sent} sent, ${received} answered`,
    `min ${show(minMs)}  median ${show(medianMs)}  p99 ${show(p99Ms)}  max ${
      show(maxMs)
    } ms`,
  ];
}
