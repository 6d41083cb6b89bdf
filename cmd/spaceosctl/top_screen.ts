/**
 * What `spaceosctl top` shows, as lines for a terminal of a size. Pure: the
 * views of the VMs come in, lines go out, and whatever a VM has written is made
 * harmless first.
 *
 * @module
 */

import { EventSeverity } from "../../lib/wire/event.ts";
import { eventCodeName } from "../../lib/wire/event_code.ts";
import {
  type ServiceEntry,
  ServiceStateCode,
} from "../../lib/wire/service_list.ts";
import type { Colour } from "../command_line/output.ts";
import { printable } from "../command_line/output.ts";
import {
  alignColumns,
  flagNames,
  harmless,
  modeColour,
  modeName,
  severityColour,
  severityName,
  showKib,
  showMilliseconds,
  showSeconds,
  stateColour,
  stateName,
} from "./text.ts";
import type { VmView } from "./watcher.ts";

/** How the screen is looked at. */
export interface ScreenView {
  /** The terminal's size. */
  readonly columns: number;
  /** The terminal's size. */
  readonly rows: number;
  /** How many services are scrolled past. */
  readonly scroll: number;
  /** The time of day, such as `12:34:56`. */
  readonly clock: string;
  /** Text in a colour. */
  readonly paint: (colour: Colour, text: string) => string;
}

/** What is shown, and how far it can be scrolled. */
export interface ScreenLines {
  /** As many lines as the terminal has, or fewer. */
  readonly lines: readonly string[];
  /** The most that `scroll` may be. */
  readonly scrollLimit: number;
  /** How many services there is room for. */
  readonly pageSize: number;
}

const EVENT_ROWS_MAX = 8;
const VM_ROWS_MAX = 10;

/** Draws the screen. */
export function topScreen(
  views: readonly VmView[],
  screen: ScreenView,
): ScreenLines {
  const { columns, rows, paint } = screen;
  const isMany = views.length > 1;
  const head = padTo(
    "spaceosctl top",
    `${screen.clock}  q quits, arrows scroll`,
    columns,
  );
  const vms = vmLines(views.slice(0, VM_ROWS_MAX), screen);
  const hidden = views.length - VM_ROWS_MAX;
  if (hidden > 0) {
    vms.push(paint("faint", clip(`and ${hidden} more VMs`, columns)));
  }
  // Head, VMs, a blank, the services' title, and a blank before the events.
  const room = Math.max(0, rows - vms.length - 4);
  const services = views.flatMap((view) =>
    (view.services ?? []).map((service) => ({ view, service }))
  ).sort((left, right) => rank(left.service) - rank(right.service));
  const eventRows = Math.min(
    EVENT_ROWS_MAX,
    Math.floor(room / 2),
    views.reduce((sum, { events }) => sum + events.length, 0),
  );
  const pageSize = Math.max(
    1,
    services.length <= room - eventRows ? services.length : room - eventRows,
  );
  const scrollLimit = Math.max(0, services.length - pageSize);
  const scroll = Math.min(screen.scroll, scrollLimit);
  const shown = services.slice(scroll, scroll + pageSize);
  const table = alignColumns([
    [
      ...(isMany ? ["VM"] : []),
      "SERVICE",
      "STATE",
      "PID",
      "RESTARTS",
      "SINCE",
      "FLAGS",
    ],
    ...shown.map(({ view, service }) => [
      ...(isMany ? [clip(printable(view.target.label), 16)] : []),
      clip(printable(service.name), 32),
      stateName(service.state),
      service.pid === 0 ? "-" : String(service.pid),
      String(service.restarts),
      showMilliseconds(service.sinceMs),
      flagNames(service.flags).join(","),
    ]),
  ]).map((line) => clip(line, columns));
  const [title = "", ...serviceLines] = table;
  const range = services.length > pageSize
    ? `${scroll + 1}-${scroll + shown.length} of ${services.length}`
    : "";
  const left = rows - vms.length - 4 - serviceLines.length;
  const lines = [
    paint("strong", clip(head, columns)),
    ...vms,
    "",
    paint("faint", clip(padTo(title, range, columns), columns)),
    ...serviceLines.map((line, index) =>
      paint(stateColour(shown[index]?.service.state ?? 0), line)
    ),
    "",
    ...eventLines(views, Math.max(0, left), screen),
  ];
  return { lines: lines.slice(0, rows), scrollLimit, pageSize };
}

/** What needs attention comes first; else the VM's own order. */
function rank({ state }: ServiceEntry): number {
  switch (state) {
    case ServiceStateCode.FAILED:
      return 0;
    case ServiceStateCode.BACKOFF:
      return 1;
    case ServiceStateCode.STARTING:
      return 2;
    default:
      return 3;
  }
}

function vmLines(
  views: readonly VmView[],
  { columns, paint }: ScreenView,
): string[] {
  const rows = views.map(({ target, health, services, latencyMs, problem }) => {
    const label = clip(printable(target.label), 16);
    if (health === null) {
      return [label, printable(problem ?? "waiting for HEALTH")];
    }
    // Newer than HEALTH, which comes at an interval.
    const running = services?.filter(({ state }) =>
      state === ServiceStateCode.RUNNING
    ).length;
    const used = health.memoryTotalKib - health.memoryAvailableKib;
    const percent = health.memoryTotalKib === 0
      ? 0
      : Math.round(100 * used / health.memoryTotalKib);
    return [
      label,
      problem === null ? modeName(health.mode) : "lost",
      showSeconds(health.uptimeSeconds),
      `${showKib(used)} ${percent}%`,
      (health.loadHundredths / 100).toFixed(2),
      services === null ? "-" : `${running}/${services.length}`,
      String(health.anomaliesActive),
      String(health.framesDropped),
      latencyMs === null ? "-" : `${latencyMs.toFixed(1)} ms`,
    ];
  });
  const [title = "", ...lines] = alignColumns([
    ["VM", "MODE", "UPTIME", "MEMORY", "LOAD", "UP", "ANOM", "DROP", "PING"],
    ...rows,
  ]).map((line) => clip(line, columns));
  return [
    paint("faint", title),
    ...lines.flatMap((line, index) => {
      const view = views[index];
      if (view === undefined) return [];
      const { health, problem } = view;
      const colour = health === null || problem !== null
        ? "bad"
        : modeColour(health.mode);
      const isLost = problem !== null && health !== null;
      return [
        paint(colour, line),
        ...(isLost && views.length === 1
          ? [paint("bad", clip(`  ${printable(problem)}`, columns))]
          : []),
      ];
    }),
  ];
}

function eventLines(
  views: readonly VmView[],
  count: number,
  { columns, paint }: ScreenView,
): string[] {
  if (count === 0) return [];
  const isMany = views.length > 1;
  const all = views.flatMap(({ target, events }) =>
    events.map(({ id, event }) => ({ id, event, label: target.label }))
  );
  if (isMany) {
    all.sort((left, right) => left.event.timestamp - right.event.timestamp);
  }
  return all.slice(-count).map(({ event, label }) => {
    const text = [
      ...(isMany ? [clip(printable(label), 16).padEnd(12)] : []),
      timeOfDay(event.timestamp),
      severityName(event.severity).padEnd(8),
      eventCodeName(event.eventCode),
      harmless(event.payload),
    ].join(" ");
    const colour = severityColour(event.severity);
    const line = clip(text, columns);
    return colour === undefined || event.severity === EventSeverity.DEBUG
      ? line
      : paint(colour, line);
  });
}

/** Mission seconds as a time of day, UTC. */
function timeOfDay(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 19);
}

/** Text on the left and on the right of a line. */
function padTo(left: string, right: string, columns: number): string {
  const gap = columns - [...left].length - [...right].length;
  return gap < 2 ? left : left + " ".repeat(gap) + right;
}

/** Text that is no wider than so many columns; `~` shows that it was. */
export function clip(text: string, columns: number): string {
  if (text.length <= columns && !WIDE.test(text)) return text;
  let used = 0;
  let kept = "";
  for (const character of text) {
    const width = WIDE.test(character) ? 2 : 1;
    if (used + width > columns - 1) {
      return text.length > kept.length ? `${kept}~` : kept;
    }
    used += width;
    kept += character;
  }
  return kept;
}

/** What takes two columns: the scripts of East Asia, and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}|[\u{20000}-\u{3fffd}]/u;
