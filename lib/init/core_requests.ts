/**
 * What the core does with the requests of the host: whether each can be carried
 * out now, what it brings about, and what is answered. Pure; imports the command
 * table, the supervisor, the wire formats and pure files of this room.
 *
 * @module
 */
import { type HostAction, hostCommand } from "../host/commands.ts";
import type { HostRequest } from "../host/requests.ts";
import { statusOf } from "../supervisor/supervisor.ts";
import { CommandStatus } from "../wire/telecommand.ts";
import { checkFaults, expectChange } from "./core_faults.ts";
import type { Turn } from "./core_turn.ts";
import { serviceListResult, serviceStatusResult } from "./service_answers.ts";

type ServicesAction = Extract<
  HostAction,
  { readonly kind: "list-services" | "service-status" }
>;

/**
 * Carries out a request of the host, or says why not.
 *
 * @param turn The step.
 * @param request The request.
 *
 * @example
 * ```ts
 * import { readRequest } from "../host/requests.ts";
 * import { createInit } from "./core.ts";
 * import { takeRequest } from "./core_requests.ts";
 * import { Turn } from "./core_turn.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const turn = new Turn(createInit(settings, 0), 5, 0);
 * takeRequest(turn, readRequest(Uint8Array.of(0, 2, 0, 7)));
 * assertEquals(turn.state.shutdown?.action, "poweroff");
 * assertEquals(turn.effects[0]?.kind, "answer");
 * ```
 */
export function takeRequest(turn: Turn, request: HostRequest): void {
  const status = refusal(turn, request);
  if (status === CommandStatus.OK) carryOut(turn, request);
  else turn.answer(request, status);
}

/** Why a request can't be carried out now, or OK. */
function refusal(turn: Turn, { command, action }: HostRequest): number {
  if (action.kind === "refused") return action.status;
  const { supervisor, shutdown } = turn.state;
  const needs = hostCommand(command)?.needs;
  const isWaiting = supervisor === null ||
    (needs === "operation" && shutdown !== null);
  if ((needs === "services" || needs === "operation") && isWaiting) {
    return CommandStatus.EBUSY;
  }
  const isKnown = action.kind !== "service" || supervisor === null ||
    statusOf(supervisor, action.service) !== null;
  return isKnown ? CommandStatus.OK : CommandStatus.ENOENT;
}

function carryOut(turn: Turn, request: HostRequest): void {
  const { action } = request;
  switch (action.kind) {
    case "ping":
      return turn.answer(request, CommandStatus.OK, action.payload);
    // The answer goes out first: after a power-off nobody is there to give it.
    case "power":
      turn.answer(request);
      return turn.shutDown(action.action, "the host");
    case "service": {
      const { command, service } = action;
      turn.answer(request);
      return turn.supervise({ kind: "command", command, service });
    }
    case "safe-mode":
      turn.changeSafeMode(action.isOn, "asked for by the host");
      return action.isOn ? turn.answer(request) : answerForgiven(turn, request);
    case "list-services":
    case "service-status":
      return answerOfServices(turn, request, action);
    case "set-time":
      turn.answer(request);
      turn.effects.push({ kind: "set-clock", time: action.time });
      return expectChange(turn, "clock");
    case "follow-log": {
      const { isOn, name } = action;
      turn.answer(request);
      turn.effects.push({ kind: "follow-log", isOn, name });
      return;
    }
    case "check-fdir":
      return checkFaults(turn, request, action.action);
    case "read-events":
    case "read-timeline":
    case "list-products":
    case "read-product":
      turn.effects.push({ kind: "query", request, action });
      return;
    case "refused":
      return;
  }
}

/** Who leaves safe mode relies on it that the next boot is not a safe one. */
function answerForgiven(turn: Turn, request: HostRequest): void {
  const { forgiveness } = turn.state;
  if (forgiveness === null) return turn.answer(request);
  const requests = [...forgiveness.requests, request];
  if (!forgiveness.isUnderWay) return turn.forgiveBoots(requests);
  turn.set({ forgiveness: { isUnderWay: true, requests } });
}

function answerOfServices(
  turn: Turn,
  request: HostRequest,
  action: ServicesAction,
): void {
  const { supervisor } = turn.state;
  if (supervisor === null) return;
  const result = action.kind === "list-services"
    ? serviceListResult(supervisor, action.first)
    : serviceStatusResult(supervisor, action.service);
  if (result !== null) return turn.answer(request, CommandStatus.OK, result);
  turn.answer(request, CommandStatus.ENOENT);
}
