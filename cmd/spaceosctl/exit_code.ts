/**
 * How the command ends: its exit codes in one table, the error that carries
 * one, and which of them an error of the host's client means. The higher the
 * code, the worse the end: with several VMs the highest counts. Imports
 * `lib/host`.
 *
 * @module
 */

import type {
  HostClientError,
  HostClientErrorKind,
} from "../../lib/host/client_error.ts";
import { ParameterStatus } from "../../lib/wire/parameter_message.ts";
import { CommandStatus } from "../../lib/wire/telecommand.ts";
import { FAILED_EXIT_CODE, USAGE_EXIT_CODE } from "../command_line/error.ts";

/** The exit codes, as `--help` lists them. */
export const ExitCode = {
  /** Done, and the VM is as it should be. */
  OK: 0,
  /** Done, but the VM needs attention. */
  ATTENTION: 1,
  /** What the VM answered is not what the format says. */
  BAD: 2,
  /** The VM can't be reached, its connection ended, or a file can't be written. */
  FAILED: FAILED_EXIT_CODE,
  /** There is no such service, parameter or data product. */
  NOT_FOUND: 4,
  /** The VM said no. */
  REFUSED: 5,
  /** Nobody answered in time. */
  TIMEOUT: 6,
  /** The command line is not understood. */
  USAGE: USAGE_EXIT_CODE,
} as const;

/** One of the exit codes. */
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** What each exit code means, for the help. */
export const EXIT_CODES: readonly (readonly [ExitCode, string])[] = [
  [ExitCode.OK, "done, and the VM is as it should be"],
  [
    ExitCode.ATTENTION,
    "done, but: the VM is degraded or safe, a service failed, FDIR found anomalies, or pings were lost",
  ],
  [ExitCode.BAD, "what the VM answered is not what the format says"],
  [
    ExitCode.FAILED,
    "the socket is not there, the connection ended, or a file can't be written",
  ],
  [ExitCode.NOT_FOUND, "there is no such service, parameter or data product"],
  [ExitCode.REFUSED, "the VM said no"],
  [ExitCode.TIMEOUT, "nobody answered in time"],
  [ExitCode.USAGE, "the command line is not understood"],
];

/** Ends the command, for one VM or for all, with one line and an exit code. */
export class CtlError extends Error {
  /** Always `"CtlError"`. */
  override readonly name = "CtlError";
  /** What the process exits with. */
  readonly exitCode: ExitCode;

  /** Makes the error from its exit code and its line. */
  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

const EXIT_OF_KIND: Readonly<Record<HostClientErrorKind, ExitCode>> = {
  unreachable: ExitCode.FAILED,
  closed: ExitCode.FAILED,
  timeout: ExitCode.TIMEOUT,
  malformed: ExitCode.BAD,
  limit: ExitCode.BAD,
  refused: ExitCode.REFUSED,
  status: ExitCode.REFUSED,
  parameter: ExitCode.REFUSED,
};

/** The exit code that an error of the client means. */
export function exitCodeOf(error: HostClientError): ExitCode {
  const isMissing = error.status === CommandStatus.ENOENT ||
    error.parameterStatus === ParameterStatus.UNKNOWN;
  return isMissing ? ExitCode.NOT_FOUND : EXIT_OF_KIND[error.kind];
}

/** The worse of two ends. */
export function worse(left: ExitCode, right: ExitCode): ExitCode {
  return left > right ? left : right;
}
