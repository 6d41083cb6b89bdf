/**
 * The dashboard's web server: the page, and what the VMs tell as server-sent
 * events (WHATWG HTML, 9.2). Read-only, for the loopback address only, and
 * for pages of its own only. Imports the watcher's views.
 *
 * A page of somebody else in the same browser must get nothing: its requests
 * name a foreign host if it rebinds its name to 127.0.0.1, and what it asks
 * for under our name is kept from it by the browser, since nothing here allows
 * other origins.
 *
 * @module
 */

import { eventJson } from "./events.ts";
import { entryJson } from "./services.ts";
import { modeName } from "./text.ts";
import type { HealthSample, VmView } from "./watcher.ts";

/** The names of this machine that a browser may use. */
const OWN_NAMES: readonly string[] = ["127.0.0.1", "[::1]", "localhost"];

/** Pages that may be open at once. */
export const STREAMS_MAX_COUNT = 16;

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store",
};

interface Asset {
  readonly file: string;
  readonly type: string;
}

const ASSETS: Readonly<Record<string, Asset>> = {
  "/": { file: "index.html", type: "text/html; charset=utf-8" },
  "/app.js": { file: "app.js", type: "text/javascript; charset=utf-8" },
  "/app.css": { file: "app.css", type: "text/css; charset=utf-8" },
  "/icon.svg": { file: "icon.svg", type: "image/svg+xml" },
};

/** What of a VM a page has been told already. */
interface Told {
  sampleMs: number;
  eventId: number;
}

/** One page that listens. */
interface Listener {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  readonly told: Map<string, Told>;
}

/** Answers requests, and tells the pages that listen. */
export class DashboardServer {
  readonly #views: () => readonly VmView[];
  readonly #listeners = new Set<Listener>();

  /** @param views What is known of the VMs at any moment. */
  constructor(views: () => readonly VmView[]) {
    this.#views = views;
  }

  /** Answers one request; never throws. */
  handle(request: Request): Response {
    if (!isOwnHost(request.headers.get("host"))) {
      return refuse(403, "this server is only for pages of its own");
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return refuse(405, "read-only: only GET", { allow: "GET, HEAD" });
    }
    const { pathname } = new URL(request.url);
    const isForeign = ["cross-site", "same-site"].includes(
      request.headers.get("sec-fetch-site") ?? "",
    );
    if (pathname.startsWith("/api/") && isForeign) {
      return refuse(403, "this is only for pages of this server");
    }
    if (pathname === "/api/state") {
      return answer(JSON.stringify(this.#tell(new Map())), "application/json");
    }
    if (pathname === "/api/stream") return this.#stream();
    const asset = Object.hasOwn(ASSETS, pathname)
      ? ASSETS[pathname]
      : undefined;
    if (asset === undefined) return refuse(404, "there is no such page");
    try {
      return answer(readAsset(asset.file), asset.type);
    } catch {
      return refuse(500, "the page's files are missing");
    }
  }

  /** Tells every page what is new. A page that does not read misses turns, not facts. */
  broadcast(): void {
    for (const listener of this.#listeners) {
      if ((listener.controller.desiredSize ?? 0) > 0) this.#send(listener);
    }
  }

  /** Ends every stream. */
  close(): void {
    for (const { controller } of this.#listeners) {
      try {
        controller.close();
      } catch {
        // The page has gone.
      }
    }
    this.#listeners.clear();
  }

  #stream(): Response {
    if (this.#listeners.size >= STREAMS_MAX_COUNT) {
      return refuse(503, `${STREAMS_MAX_COUNT} pages are open already`);
    }
    let listener: Listener | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        listener = { controller, told: new Map() };
        this.#listeners.add(listener);
        this.#send(listener);
      },
      cancel: () => {
        if (listener !== undefined) this.#listeners.delete(listener);
      },
    });
    return answer(body, "text/event-stream");
  }

  #send(listener: Listener): void {
    const text = `data: ${JSON.stringify(this.#tell(listener.told))}\n\n`;
    try {
      listener.controller.enqueue(new TextEncoder().encode(text));
    } catch {
      this.#listeners.delete(listener);
    }
  }

  /** What is known now, without the samples and events that were told already. */
  #tell(told: Map<string, Told>): object {
    return {
      vms: this.#views().map((view) => {
        const { path, label } = view.target;
        const before = told.get(path);
        const samples = view.samples.filter(({ timeMs }) =>
          timeMs > (before?.sampleMs ?? 0)
        );
        const events = view.events.filter(({ id }) =>
          id > (before?.eventId ?? 0)
        );
        // The log was read anew: what was told before comes again, numbered.
        const isReset = before === undefined ||
          (view.events[0]?.id ?? 0) > before.eventId;
        told.set(path, {
          sampleMs: view.samples.at(-1)?.timeMs ?? 0,
          eventId: view.events.at(-1)?.id ?? 0,
        });
        const last = view.samples.at(-1);
        return {
          label,
          socket: path,
          isConnected: view.isConnected,
          problem: view.problem,
          latencyMs: view.latencyMs,
          health: last === undefined ? null : sampleJson(last),
          samples: samples.map(sampleJson),
          services: view.services?.map((entry) => numbers(entryJson(entry))) ??
            null,
          moreServices: view.moreServices,
          isReset,
          events: events.map(({ event }) => numbers(eventJson(event))),
        };
      }),
    };
  }
}

/** Whether a Host header is a loopback name, with any port (RFC 9110, 7.2). */
function isOwnHost(host: string | null): boolean {
  if (host === null) return false;
  const [, name = ""] = /^(.*?)(?::\d{1,5})?$/.exec(host.toLowerCase()) ?? [];
  return OWN_NAMES.includes(name);
}

function sampleJson({ timeMs, health }: HealthSample) {
  const { memoryTotalKib, memoryAvailableKib, loadHundredths, mode } = health;
  return {
    timeMs,
    mode: modeName(mode),
    uptimeSeconds: health.uptimeSeconds,
    servicesRunning: health.servicesRunning,
    servicesFailed: health.servicesFailed,
    anomaliesActive: health.anomaliesActive,
    memoryTotalMib: memoryTotalKib / 1024,
    memoryUsedMib: (memoryTotalKib - memoryAvailableKib) / 1024,
    load1: loadHundredths / 100,
    bootCount: health.bootCount,
    childExits: health.childExits,
    watchdogPets: health.watchdogPets,
    framesOut: health.framesOut,
    framesDropped: health.framesDropped,
  };
}

/** JSON has no 64-bit integers; a double is good enough to be shown. */
function numbers(object: object): object {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      key,
      typeof value === "bigint" ? Number(value) : value,
    ]),
  );
}

function readAsset(file: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(`./dashboard/${file}`, import.meta.url));
}

function answer(body: BodyInit, type: string): Response {
  return new Response(body, { headers: { ...HEADERS, "content-type": type } });
}

function refuse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(`${text}\n`, {
    status,
    headers: {
      ...HEADERS,
      ...headers,
      "content-type": "text/plain; charset=utf-8",
    },
  });
}
