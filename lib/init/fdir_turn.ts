/**
 * What the core needs of FDIR: which processes are looked at, and what the
 * host is answered. Pure; imports `fdir`'s pure files, types of the
 * supervisor, and `wire`.
 *
 * @module
 */
import { CHECK_CODES } from "../fdir/checks.ts";
import { activeAnomalies, type FdirState } from "../fdir/fdir_state.ts";
import type { ProcessSubject } from "../fdir/snapshot.ts";
import type { SupervisorState } from "../supervisor/supervisor.ts";
import { cutText } from "../wire/cut_text.ts";
import {
  encodeFdirResult,
  FDIR_TEXT_MAX_BYTES,
  FdirFlag,
} from "../wire/fdir_result.ts";

/** How long a look may take before it counts as lost. */
export const LOOK_LIMIT_MS = 120_000;

/** Most questions of the host that wait for one look. */
export const WAITING_REQUESTS = 16;

/**
 * The processes that are looked at: the init, and the main process of each
 * service that is up.
 *
 * @param supervisor The services.
 * @param readyMs Since when the init is up, milliseconds since boot.
 * @returns The init first.
 *
 * @example
 * ```ts
 * import { createSupervisor } from "../supervisor/supervisor.ts";
 * import { fdirSubjects } from "./fdir_turn.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(fdirSubjects(createSupervisor([]), 0).length, 1);
 * ```
 */
export function fdirSubjects(
  supervisor: SupervisorState,
  readyMs: number,
): ProcessSubject[] {
  const subjects: ProcessSubject[] = [{
    service: null,
    instance: 0,
    pid: 1,
    cgroup: null,
    sinceMs: readyMs,
    definition: null,
  }];
  for (
    const { definition, instance, state, isOutdated } of supervisor.records
  ) {
    const isUp = state.kind === "running" && state.stopping === null;
    if (!isUp || instance === null || instance.pid === null) continue;
    if (instance.phase !== "main" || instance.isExited) continue;
    subjects.push({
      service: definition.name,
      instance: instance.number,
      pid: instance.pid,
      cgroup: instance.hasCgroup ? `/spaceos/${definition.name}` : null,
      sinceMs: state.sinceMs,
      definition: isOutdated ? null : definition,
    });
  }
  return subjects;
}

/**
 * The result of FDIR_CHECK.
 *
 * @param state What FDIR knows.
 * @returns The bytes.
 *
 * @example
 * ```ts
 * import { DEFAULT_FDIR_POLICY } from "../fdir/checks.ts";
 * import { createFdir } from "../fdir/fdir_state.ts";
 * import { decodeFdirResult } from "../wire/fdir_result.ts";
 * import { fdirResult } from "./fdir_turn.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const result = decodeFdirResult(fdirResult(createFdir(DEFAULT_FDIR_POLICY)));
 * assertEquals(result.anomalies, []);
 * ```
 */
export function fdirResult(state: FdirState): Uint8Array<ArrayBuffer> {
  const anomalies = activeAnomalies(state);
  const none = new Uint8Array(32);
  return encodeFdirResult({
    checks: state.checks >>> 0,
    compared: Math.min(0xFFFF, state.compared),
    anomalyCount: Math.min(0xFFFF, anomalies.length),
    mappingsDigest: state.digests?.mappings ?? none,
    seccompDigest: state.digests?.seccomp ?? none,
    cgroupDigest: state.digests?.cgroup ?? none,
    anomalies: anomalies.map((anomaly) => ({
      check: CHECK_CODES[anomaly.check],
      flags: (anomaly.isLatched ? FdirFlag.LATCHED : 0) |
        (anomaly.isFlapping ? FdirFlag.FLAPPING : 0),
      sinceMs: BigInt(Math.floor(anomaly.sinceMs)),
      subject: wireText(anomaly.subject),
      text: wireText(anomaly.text),
    })),
  });
}

/** A path may hold any bytes; a text on the wire holds neither NUL nor U+FFFD. */
function wireText(text: string): string {
  const bytes = cutText(
    text.replaceAll(/[\0\uFFFD]/g, "?"),
    FDIR_TEXT_MAX_BYTES,
  );
  return new TextDecoder().decode(bytes);
}
