/**
 * `spaceosctl fdir check`: has the VM look for anomalies now.
 *
 * @module
 */

import { CHECK_CODES } from "../../lib/fdir/checks.ts";
import {
  FdirAction,
  type FdirEntry,
  FdirFlag,
} from "../../lib/wire/fdir_result.ts";
import { toHex } from "../../lib/wire/hex.ts";
import { usageError } from "../command_line/error.ts";
import type { Arguments } from "../command_line/options.ts";
import { printable } from "../command_line/output.ts";
import type { VmCommand } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { showMilliseconds } from "./text.ts";

const CHECK_NAMES = new Map<number, string>(
  Object.entries(CHECK_CODES).map(([name, code]) => [code, name]),
);

/** The VM reads and hashes every file of its image for an answer. */
const TIMEOUT_MS = 120_000;

/** The subcommand `fdir check`. */
export const fdirCheck: VmCommand = {
  scope: "vm",
  changesVm: true,
  timeoutMs: TIMEOUT_MS,
  summary: "look for anomalies now",
  operands: [],
  options: {
    release: { help: "let go of latched anomalies first" },
    adopt: { help: "take what is found for the reference of later checks" },
  },
  json:
    `{"checks", "compared", "anomalyCount", "anomalies": [{"check", "subject",
"text", "sinceMs", "isLatched", "isFlapping"}], "mappingsDigest",
"seccompDigest", "cgroupDigest"}; "anomalies" has as many as there was room for`,
  details:
    `The VM hashes every file of its image, which can take a while: here an answer may
take 120 seconds unless --timeout says otherwise.
Exits with ${ExitCode.OK} if there is no anomaly, else with ${ExitCode.ATTENTION}. What is wrong in truth is found
again after --release.`,
  check: (args) => void actionOf(args),
  run: async ({ client, args, tell, columns, paint }) => {
    const found = await client.checkFdir(actionOf(args));
    const { anomalies, anomalyCount, checks, compared } = found;
    const head = `check ${checks}: ${compared} processes compared, ${
      anomalyCount === 0 ? "no anomaly" : `${anomalyCount} anomalies`
    }`;
    const [title = "", ...lines] = columns([
      ["CHECK", "SUBJECT", "SINCE", "FLAGS", "WHAT"],
      ...anomalies.map((entry) => [
        checkName(entry.check),
        printable(entry.subject),
        showMilliseconds(entry.sinceMs),
        flagNames(entry).join(",") || "-",
        printable(entry.text),
      ]),
    ]);
    const hidden = anomalyCount - anomalies.length;
    tell({
      checks,
      compared,
      anomalyCount,
      anomalies: anomalies.map((entry) => ({
        check: checkName(entry.check),
        subject: entry.subject,
        text: entry.text,
        sinceMs: entry.sinceMs,
        isLatched: (entry.flags & FdirFlag.LATCHED) !== 0,
        isFlapping: (entry.flags & FdirFlag.FLAPPING) !== 0,
      })),
      mappingsDigest: toHex(found.mappingsDigest),
      seccompDigest: toHex(found.seccompDigest),
      cgroupDigest: toHex(found.cgroupDigest),
    }, [
      paint(anomalyCount === 0 ? "good" : "bad", head),
      ...(anomalies.length > 0 ? [paint("faint", title), ...lines] : []),
      ...(hidden > 0 ? [paint("faint", `and ${hidden} more`)] : []),
    ]);
    return anomalyCount === 0 ? ExitCode.OK : ExitCode.ATTENTION;
  },
};

function actionOf(args: Arguments): FdirAction {
  if (args.has("release") && args.has("adopt")) {
    throw usageError("fdir check: expected at most one of --release, --adopt");
  }
  if (args.has("adopt")) return FdirAction.ADOPT;
  return args.has("release") ? FdirAction.RELEASE : FdirAction.CHECK;
}

function checkName(code: number): string {
  return CHECK_NAMES.get(code) ?? String(code);
}

function flagNames({ flags }: FdirEntry): string[] {
  return Object.entries(FdirFlag).filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name.toLowerCase());
}
