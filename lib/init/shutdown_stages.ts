/**
 * The work of each stage of the shutdown: signals to whoever is left, the end
 * of the storage, the file systems, the machine. When a stage begins and how
 * long it may take is decided in `shutdown.ts`. Reaches the kernel only through
 * the machine that it is given. Imports types of this room.
 *
 * @module
 */
import type { InitEffect } from "./core_types.ts";
import type { Log } from "./log.ts";
import type { Machine } from "./machine.ts";
import type { ShutdownStage } from "./shutdown.ts";

/** What the stages work on. */
export interface ShutdownStagesParts {
  /** The machine that goes down. */
  readonly machine: Pick<
    Machine,
    "killAll" | "hasChildren" | "detachFilesystems" | "end"
  >;
  /** Where they say what fails. */
  readonly log: Log;
  /** What has not been printed yet is, before the end. */
  readonly console: { flush(): void };
  /** Writes what is to be kept, the report with it, and closes the volume. */
  readonly closeStorage: (report: string) => Promise<void>;
  /** Who is told that a stage has done its work. */
  readonly onDone: (stage: ShutdownStage) => void;
}

/** The work of the stages of one shutdown. */
export class ShutdownStages {
  readonly #parts: ShutdownStagesParts;

  /** Takes what the stages work on. */
  constructor(parts: ShutdownStagesParts) {
    this.#parts = parts;
  }

  /** Begins the work of a stage; the services' own is the supervisor's. */
  begin(
    { stage, action, report }: Extract<InitEffect, { readonly kind: "stage" }>,
  ): void {
    const { machine, log, console } = this.#parts;
    switch (stage) {
      case "services":
        return;
      case "terminate":
        machine.killAll("SIGTERM");
        // A stopped process does not see SIGTERM until it goes on.
        machine.killAll("SIGCONT");
        return this.#endIfAlone(stage);
      case "kill":
        machine.killAll("SIGKILL");
        return this.#endIfAlone(stage);
      case "storage":
        return void this.#closeStorage(report);
      case "unmount":
        return void this.#detach();
      case "power":
        log.info(report);
        console.flush();
        return machine.end(action);
    }
  }

  /** Children have ended: a stage that waits for the last of them may be over. */
  childrenReaped(stage: ShutdownStage): void {
    if (stage === "terminate" || stage === "kill") this.#endIfAlone(stage);
  }

  /** Goes on with the shutdown once there is nobody left to wait for. */
  #endIfAlone(stage: ShutdownStage): void {
    if (this.#parts.machine.hasChildren()) return;
    this.#parts.onDone(stage);
  }

  async #closeStorage(report: string): Promise<void> {
    try {
      await this.#parts.closeStorage(report);
    } catch (error) {
      this.#parts.log.error(`storage: ${String(error)}`);
    } finally {
      this.#parts.onDone("storage");
    }
  }

  async #detach(): Promise<void> {
    try {
      await this.#parts.machine.detachFilesystems(this.#parts.log);
    } catch (error) {
      this.#parts.log.error(`unmount: ${String(error)}`);
    } finally {
      this.#parts.onDone("unmount");
    }
  }
}
