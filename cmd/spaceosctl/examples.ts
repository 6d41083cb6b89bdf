/**
 * Examples for the help of each subcommand. Imports nothing.
 *
 * @module
 */

/** Command lines by subcommand, without the program's name. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  status: ["status", "status --socket '/run/vms/*.sock' --json"],
  services: ["services", "services camera"],
  start: ["start camera"],
  stop: ["stop camera"],
  restart: ["restart camera"],
  logs: ["logs", "logs -f camera"],
  events: ["events", "events --follow --json"],
  "param list": ["param list"],
  "param get": ["param get health-interval"],
  "param set": [
    "param set health-interval 500",
    "param set health-interval=500 log-level=debug",
  ],
  "dp list": ["dp list"],
  "dp get": ["dp get image-0001 picture.png"],
  ping: ["ping", "ping -c 1000 -i 0 --json"],
  "boot-chart": ["boot-chart", "boot-chart --svg boot.svg"],
  top: ["top --socket '/run/vms/*.sock'"],
  dashboard: ["dashboard", "dashboard --port 8080"],
  poweroff: ["poweroff"],
  reboot: ["reboot"],
  halt: ["halt"],
  "safe-mode": ["safe-mode on", "safe-mode off"],
  "fdir check": ["fdir check"],
  "time set": ["time set now", "time set 1795493145"],
  send: ["send 0001000742", "send 0001000742 --apid 0x10 --all"],
  completion: ["completion bash"],
};
