/**
 * How this project's programs are started on this machine: with which Deno,
 * which configuration and which environment. The task runner decides once and
 * hands the decision down to its children in SPACEOS_NETWORK. It imports
 * nothing outside rootfs/toolchain.
 */
import { CLOSED_CONFIG_PATH, writeClosedConfiguration } from "./config.ts";
import { type Network, NETWORK_VARIABLE } from "./network.ts";
import { ToolchainError } from "./report.ts";

/** The repository's folder, without a trailing slash. */
export const REPOSITORY: string = (import.meta.dirname ?? "/").split("/")
  .slice(0, -2).join("/");

/** The version of Deno whose runtime closed machines can get. */
export const DENO_VERSION = "2.4.2";

/** How to start programs. */
export interface Environment {
  /** What the machine can reach. */
  readonly network: Network;
  /** The arguments of `deno run`, `test`, `check` and so on that name the configuration. */
  readonly configArguments: readonly string[];
  /** The folder whose deno.json is to be used by `deno doc`, which has no `--config`. */
  readonly configFolder: string;
  /** Additions to the environment of every child. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Makes ready what a kind of machine needs.
 *
 * @param network what the machine can reach
 * @returns how to start programs
 * @throws {ToolchainError} when the repository's own folder can't be written to
 */
export function prepareEnvironment(network: Network): Environment {
  if (network === "open") {
    return {
      network,
      configArguments: ["--config", `${REPOSITORY}/deno.json`],
      configFolder: REPOSITORY,
      variables: { [NETWORK_VARIABLE]: network },
    };
  }
  const path = closedConfigurationPath();
  const variables: Record<string, string> = { [NETWORK_VARIABLE]: network };
  if (Deno.env.get("DENO_TLS_CA_STORE") === undefined) {
    // npm's registry may be reached through a proxy with its own certificate.
    variables.DENO_TLS_CA_STORE = "system";
  }
  return {
    network,
    configArguments: ["--config", path],
    configFolder: path.slice(0, path.lastIndexOf("/")),
    variables,
  };
}

/**
 * The environment of a program that may have been started by the task runner
 * or by hand: SPACEOS_NETWORK, else `closed` where a generated configuration
 * is there, else `open`.
 *
 * @returns how to start programs
 */
export function currentEnvironment(): Environment {
  const variable = Deno.env.get(NETWORK_VARIABLE);
  if (variable === "open" || variable === "closed") {
    return prepareEnvironment(variable);
  }
  try {
    Deno.statSync(`${REPOSITORY}/${CLOSED_CONFIG_PATH}`);
    return prepareEnvironment("closed");
  } catch {
    return prepareEnvironment("open");
  }
}

function closedConfigurationPath(): string {
  try {
    return writeClosedConfiguration(REPOSITORY);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ToolchainError(
      `${REPOSITORY}/${CLOSED_CONFIG_PATH} can't be written, with which programs find what a closed machine lacks: copy the repository to where it may be written to (${reason})`,
      { cause },
    );
  }
}
