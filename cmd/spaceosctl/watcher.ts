/**
 * One VM watched over time, for those who show it live: connects, connects
 * again when it has gone, asks for the services at an interval, and keeps a
 * bounded piece of what the VM told. Imports `lib/host` and `lib/wire`.
 *
 * @module
 */

import { connectHost } from "../../lib/host/connect_host.ts";
import type { HostClient } from "../../lib/host/client.ts";
import { HostClientError } from "../../lib/host/client_error.ts";
import type { NumberedEvent } from "../../lib/wire/event_list.ts";
import type { Health } from "../../lib/wire/health.ts";
import type { ServiceEntry } from "../../lib/wire/service_list.ts";
import { CommandStatus } from "../../lib/wire/telecommand.ts";
import { NewEvents } from "./new_events.ts";
import type { Target } from "./targets.ts";

/** Events that are kept. */
const EVENTS_KEPT = 200;
/** Services that are kept and shown; a machine with more shows how many more. */
const SERVICES_KEPT = 2000;
/** Samples of a plot that are kept. */
const SAMPLES_KEPT = 600;

const RECONNECT_MS = 1000;

/** One point of the plots. */
export interface HealthSample {
  /** When it came, milliseconds since 1970 by this machine's clock. */
  readonly timeMs: number;
  /** What the VM told. */
  readonly health: Health;
}

/** An event with a number of our own, so that a viewer can ask for the newer ones. */
export interface WatchedEvent {
  /** Counts from 1 since the watch began. */
  readonly id: number;
  /** What happened. */
  readonly event: NumberedEvent;
}

/** What is known of a VM at this moment. */
export interface VmView {
  /** Which VM. */
  readonly target: Target;
  /** Whether it answers. */
  readonly isConnected: boolean;
  /** Why it does not, or null. */
  readonly problem: string | null;
  /** The last word on its health, or null. */
  readonly health: Health | null;
  /** The same over time, oldest first. */
  readonly samples: readonly HealthSample[];
  /** Its services, or null while it has not come to them. */
  readonly services: readonly ServiceEntry[] | null;
  /** How many there are besides. */
  readonly moreServices: number;
  /** Its last events, oldest first. */
  readonly events: readonly WatchedEvent[];
  /** How long the last answer took, milliseconds, or null. */
  readonly latencyMs: number | null;
}

/** How a VM is watched. */
export interface WatcherOptions {
  /** How often it is asked for its services, milliseconds. */
  readonly intervalMs: number;
  /** How long an answer may take, milliseconds. */
  readonly timeoutMs: number;
  /** Called when something has changed. */
  readonly onChange: () => void;
}

/** Watches one VM until it is stopped. */
export class VmWatcher {
  readonly #target: Target;
  readonly #options: WatcherOptions;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #watching: Promise<void>;
  #client: HostClient | null = null;
  #isStopped = false;
  #isConnected = false;
  #problem: string | null = "connecting";
  #health: Health | null = null;
  #samples: HealthSample[] = [];
  #services: readonly ServiceEntry[] | null = null;
  #moreServices = 0;
  #events: WatchedEvent[] = [];
  #lastEventId = 0;
  /** Tells what the log has already; null before it was read. */
  #newEvents: NewEvents | null = null;
  #latencyMs: number | null = null;

  /** Begins to watch. */
  constructor(target: Target, options: WatcherOptions) {
    this.#target = target;
    this.#options = options;
    this.#watching = this.#watch();
  }

  /** What is known now. */
  get view(): VmView {
    return {
      target: this.#target,
      isConnected: this.#isConnected,
      problem: this.#problem,
      health: this.#health,
      samples: this.#samples,
      services: this.#services,
      moreServices: this.#moreServices,
      events: this.#events,
      latencyMs: this.#latencyMs,
    };
  }

  /** Lets the VM go. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopped.resolve();
    await this.#client?.close();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#isStopped) {
      try {
        const { path } = this.#target;
        const { timeoutMs } = this.#options;
        this.#client = await connectHost({ path, timeoutMs });
        await this.#talk(this.#client);
      } catch (error) {
        this.#lose(error instanceof Error ? error.message : String(error));
      }
      await this.#client?.close();
      this.#client = null;
      if (!this.#isStopped) await this.#pause(RECONNECT_MS);
    }
  }

  #lose(problem: string): void {
    this.#isConnected = false;
    this.#problem = problem;
    this.#latencyMs = null;
    this.#options.onChange();
  }

  /** Until the connection ends, or an answer does not come. */
  async #talk(client: HostClient): Promise<void> {
    this.#newEvents = null;
    const streams = [
      this.#follow(client.health(), (health) => this.#tookHealth(health)),
      this.#follow(
        client.events(),
        (event) => {
          if (this.#newEvents?.isNew(event) === false) return;
          this.#tookEvent({ ...event, sequence: null });
        },
      ),
    ];
    try {
      await this.#ask(client);
      await this.#readLog(client);
      while (client.ended === null && !this.#isStopped) {
        await this.#pause(this.#options.intervalMs, client.closed);
        if (client.ended === null) await this.#ask(client);
      }
    } finally {
      await client.close();
      await Promise.all(streams);
    }
    throw client.ended ?? new Error("the connection ended");
  }

  async #follow<T>(
    stream: AsyncIterable<T>,
    take: (item: T) => void,
  ): Promise<void> {
    for await (const item of stream) {
      take(item);
      this.#options.onChange();
    }
  }

  async #ask(client: HostClient): Promise<void> {
    this.#latencyMs = await client.ping();
    const services = await orNull(client.services(), CommandStatus.EBUSY);
    this.#services = services?.slice(0, SERVICES_KEPT) ?? null;
    this.#moreServices = Math.max(0, (services?.length ?? 0) - SERVICES_KEPT);
    this.#isConnected = true;
    this.#problem = null;
    this.#options.onChange();
  }

  /** What happened before we came; a machine without a volume has no log. */
  async #readLog(client: HostClient): Promise<void> {
    const log = await orNull(client.readEvents(), CommandStatus.ENODEV);
    if (log === null) return;
    // The log has what came meanwhile, too, and each with its number.
    this.#newEvents = new NewEvents(log.events);
    this.#events = [];
    for (const event of log.events) this.#tookEvent(event);
    this.#options.onChange();
  }

  #tookHealth(health: Health): void {
    this.#health = health;
    this.#samples.push({ timeMs: Date.now(), health });
    if (this.#samples.length > SAMPLES_KEPT) this.#samples.shift();
  }

  #tookEvent(event: NumberedEvent): void {
    this.#events.push({ id: ++this.#lastEventId, event });
    if (this.#events.length > EVENTS_KEPT) this.#events.shift();
  }

  async #pause(delayMs: number, sooner?: Promise<void>): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const time = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, delayMs);
    });
    await Promise.race([time, this.#stopped.promise, sooner ?? time]);
    clearTimeout(timer);
  }
}

/** An answer, or null where the VM says that it has none. */
async function orNull<T>(
  answer: Promise<T>,
  status: number,
): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof HostClientError && error.status === status) {
      return null;
    }
    throw error;
  }
}
