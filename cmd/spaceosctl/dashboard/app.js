/**
 * The dashboard's page: takes what the server tells and draws it. Everything
 * that a VM has written is set as text, never as markup. No other script, and
 * nothing from elsewhere, is loaded.
 */

const KEPT_EVENTS = 200;
const KEPT_SAMPLES = 600;
const PLOT_WIDTH = 300;
const PLOT_HEIGHT = 100;
const SVG = "http://www.w3.org/2000/svg";

/** What is known of each VM, by its socket. */
const vms = new Map();

/** An element with attributes and children; strings become text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function svgElement(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  return made;
}

const MODE_CLASSES = { nominal: "good", safe: "bad" };
const STATE_CLASSES = { running: "good", failed: "bad", pending: "plain" };
const SEVERITY_CLASSES = {
  DEBUG: "plain",
  INFO: "plain",
  WARNING: "warning",
};

function pill(text, className) {
  return element("span", { class: `pill ${className}` }, text);
}

function showSeconds(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const parts = [];
  let rest = seconds;
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

const showTime = (seconds) =>
  new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
const showMib = (mib) => `${mib.toFixed(1)} MiB`;

/** The plots: what each takes of a sample and the one before it. */
const PLOTS = [
  {
    title: "Memory used",
    value: ({ memoryUsedMib }) => memoryUsedMib,
    show: showMib,
    top: (last) => last.memoryTotalMib,
  },
  {
    title: "Load, 1 minute",
    value: ({ load1 }) => load1,
    show: (value) => value.toFixed(2),
    top: () => 1,
  },
  {
    title: "Services running",
    value: ({ servicesRunning }) => servicesRunning,
    show: (value) => value.toFixed(0),
    top: () => 1,
  },
  {
    title: "Frames to the host",
    value: ({ framesOut, timeMs }, before) =>
      before === undefined || framesOut < before.framesOut
        ? null
        : (framesOut - before.framesOut) * 1000 /
          Math.max(1, timeMs - before.timeMs),
    show: (value) => `${value.toFixed(1)} /s`,
    top: () => 1,
  },
];

/** Round, and at least as much as the value. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  const factor = [1, 1.5, 2, 3, 5, 7.5, 10].find((each) =>
    each * power >= value * (1 - 1e-9)
  );
  return (factor ?? 10) * power;
}

/** A plot with its own reading under the pointer. */
class Plot {
  constructor(kind) {
    this.kind = kind;
    this.points = [];
    this.reading = element("output");
    this.svg = svgElement("svg", {
      viewBox: `0 0 ${PLOT_WIDTH} ${PLOT_HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
    });
    this.area = svgElement("path", { class: "area" });
    this.curve = svgElement("path", { class: "curve" });
    this.cursor = svgElement("line", {
      class: "cursor",
      y1: 0,
      y2: PLOT_HEIGHT,
      visibility: "hidden",
    });
    for (const share of [0, 0.5, 1]) {
      const y = share * PLOT_HEIGHT;
      const line = { class: "grid", x1: 0, x2: PLOT_WIDTH, y1: y, y2: y };
      this.svg.append(svgElement("line", line));
    }
    this.svg.append(this.area, this.curve, this.cursor);
    this.begin = element("span");
    this.scale = element("span");
    this.root = element(
      "section",
      { class: "card plot" },
      element("header", {}, element("h3", {}, kind.title), this.reading),
      this.svg,
      element("footer", {}, this.begin, this.scale, element("span", {}, "now")),
    );
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.point(null));
  }

  draw(samples) {
    const points = samples.flatMap((sample, index) => {
      const value = this.kind.value(sample, samples[index - 1]);
      return value === null ? [] : [{ timeMs: sample.timeMs, value }];
    });
    const last = samples.at(-1);
    if (last === undefined || points.length === 0) return;
    const highest = Math.max(
      this.kind.top(last),
      ...points.map(({ value }) => value),
    );
    const top = roundUp(highest);
    const from = points[0].timeMs;
    const span = Math.max(1, points.at(-1).timeMs - from);
    this.points = points.map(({ timeMs, value }) => ({
      timeMs,
      value,
      x: points.length === 1 ? PLOT_WIDTH : (timeMs - from) / span * PLOT_WIDTH,
      y: PLOT_HEIGHT - value / top * PLOT_HEIGHT,
    }));
    const path = this.points.map(({ x, y }) =>
      `${x.toFixed(2)} ${y.toFixed(2)}`
    )
      .join(" L");
    const [first] = this.points;
    this.curve.setAttribute("d", `M${path}`);
    this.area.setAttribute(
      "d",
      `M${first.x} ${PLOT_HEIGHT} L${path} L${PLOT_WIDTH} ${PLOT_HEIGHT} Z`,
    );
    this.begin.textContent = `${showSeconds(Math.round(span / 1000))} ago`;
    this.scale.textContent = `0 to ${this.kind.show(top)}`;
    this.latest = this.kind.show(points.at(-1).value);
    this.svg.setAttribute("aria-label", `${this.kind.title}: ${this.latest}`);
    if (this.cursor.getAttribute("visibility") === "hidden") {
      this.reading.textContent = this.latest;
    }
  }

  point(event) {
    if (event === null || this.points.length === 0) {
      this.cursor.setAttribute("visibility", "hidden");
      this.reading.textContent = this.latest ?? "";
      return;
    }
    const box = this.svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * PLOT_WIDTH;
    const nearest = this.points.reduce((best, each) =>
      Math.abs(each.x - x) < Math.abs(best.x - x) ? each : best
    );
    this.cursor.setAttribute("x1", nearest.x);
    this.cursor.setAttribute("x2", nearest.x);
    this.cursor.setAttribute("visibility", "visible");
    const time = new Date(nearest.timeMs).toLocaleTimeString();
    this.reading.textContent = `${time}  ${this.kind.show(nearest.value)}`;
  }
}

/** One VM on the page. */
class VmSection {
  constructor(label) {
    this.samples = [];
    this.events = [];
    this.mode = element("span", { class: "pill plain" });
    this.problem = element("p", { class: "problem" });
    this.facts = element("dl", { class: "card facts" });
    this.plots = PLOTS.map((kind) => new Plot(kind));
    this.services = element("tbody");
    this.serviceNote = element("p", { class: "empty" });
    this.eventRows = element("tbody");
    this.eventNote = element("p", { class: "empty" }, "nothing has happened");
    this.root = element(
      "section",
      { class: "vm" },
      element(
        "header",
        {},
        element("h2", {}, label),
        this.mode,
        this.problem,
      ),
      this.facts,
      element(
        "div",
        { class: "plots" },
        ...this.plots.map(({ root }) => root),
      ),
      element(
        "div",
        { class: "lists" },
        card(
          "Services",
          [
            ["Service", ""],
            ["State", ""],
            ["PID", "number"],
            ["Restarts", "number"],
            ["Since boot", "number"],
          ],
          this.services,
          this.serviceNote,
        ),
        card(
          "Events",
          [
            ["Mission time, UTC", ""],
            ["Severity", ""],
            ["Event", ""],
          ],
          this.eventRows,
          this.eventNote,
        ),
      ),
    );
  }

  update(told) {
    this.samples.push(...told.samples);
    this.samples.splice(0, this.samples.length - KEPT_SAMPLES);
    if (told.isReset) this.events = [];
    this.events.push(...told.events);
    this.events.splice(0, this.events.length - KEPT_EVENTS);
    const { health, isConnected } = told;
    const mode = isConnected ? health?.mode ?? "connected" : "lost";
    this.mode.textContent = mode;
    const className = isConnected ? MODE_CLASSES[mode] ?? "warning" : "bad";
    this.mode.className = `pill ${className}`;
    this.problem.textContent = told.problem ?? "";
    this.drawFacts(told);
    if (told.samples.length > 0) {
      for (const plot of this.plots) plot.draw(this.samples);
    }
    this.drawServices(told);
    if (told.events.length > 0 || told.isReset) this.drawEvents();
  }

  drawFacts({ health, services, latencyMs }) {
    const latency = latencyMs === null ? "-" : `${latencyMs.toFixed(1)} ms`;
    // Newer than HEALTH, which comes at an interval.
    const count = (state) =>
      services === null
        ? "?"
        : services.filter((service) => service.state === state).length;
    const facts = health === null ? [["Health", "not told yet"]] : [
      ["Uptime", showSeconds(health.uptimeSeconds)],
      [
        "Services up",
        `${count("running")} of ${services?.length ?? "?"}`,
      ],
      ["Failed", String(count("failed"))],
      ["Anomalies", String(health.anomaliesActive)],
      [
        "Memory free",
        showMib(health.memoryTotalMib - health.memoryUsedMib),
      ],
      ["Boots", String(health.bootCount)],
      ["Child exits", String(health.childExits)],
      ["Watchdog pets", String(health.watchdogPets)],
      ["Frames lost", String(health.framesDropped)],
      ["Latency", latency],
    ];
    this.facts.replaceChildren(
      ...facts.map(([name, value]) =>
        element("div", {}, element("dt", {}, name), element("dd", {}, value))
      ),
    );
  }

  drawServices({ services, moreServices }) {
    const rows = (services ?? []).map((service) =>
      element(
        "tr",
        {},
        element("td", { class: "name" }, service.name),
        element(
          "td",
          {},
          pill(service.state, STATE_CLASSES[service.state] ?? "warning"),
        ),
        element("td", { class: "number" }, String(service.pid ?? "-")),
        element("td", { class: "number" }, String(service.restarts)),
        element(
          "td",
          { class: "number" },
          `${(service.sinceMs / 1000).toFixed(1)} s`,
        ),
      )
    );
    this.services.replaceChildren(...rows);
    this.serviceNote.textContent = services === null
      ? "the VM has not come to its services yet"
      : services.length === 0
      ? "there are no services"
      : moreServices > 0
      ? `and ${moreServices} more`
      : "";
  }

  drawEvents() {
    const rows = this.events.toReversed().map((event) =>
      element(
        "tr",
        {},
        element("td", { class: "time" }, showTime(event.timestamp)),
        element(
          "td",
          {},
          pill(event.severity, SEVERITY_CLASSES[event.severity] ?? "bad"),
        ),
        element("td", {}, `${event.name} ${event.text ?? event.payload}`),
      )
    );
    this.eventRows.replaceChildren(...rows);
    this.eventNote.hidden = rows.length > 0;
  }
}

function card(title, columns, body, note) {
  const head = element(
    "tr",
    {},
    ...columns.map(([name, className]) =>
      element("th", { scope: "col", class: className }, name)
    ),
  );
  return element(
    "section",
    { class: "card" },
    element("h3", {}, title),
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
      element("table", {}, element("thead", {}, head), body),
      note,
    ),
  );
}

function take({ vms: told }) {
  for (const vm of told) {
    let section = vms.get(vm.socket);
    if (section === undefined) {
      section = new VmSection(vm.label);
      vms.set(vm.socket, section);
      document.getElementById("vms").append(section.root);
    }
    section.update(vm);
  }
  const well =
    told.filter(({ isConnected, health }) =>
      isConnected && health?.mode === "nominal"
    ).length;
  const text = `${told.length} ${told.length === 1 ? "VM" : "VMs"}, ` +
    `${well} nominal`;
  const summary = document.getElementById("summary");
  if (summary.textContent !== text) summary.textContent = text;
  document.title = `${well}/${told.length} spaceos`;
}

function setLink(isLive) {
  const link = document.getElementById("link");
  link.textContent = isLive ? "live" : "offline";
  link.className = `link ${isLive ? "good" : "bad"}`;
}

const source = new EventSource("/api/stream");
source.addEventListener("open", () => {
  // A new stream begins with everything.
  for (const section of vms.values()) section.samples = [];
  setLink(true);
});
source.addEventListener("error", () => setLink(false));
source.addEventListener("message", ({ data }) => take(JSON.parse(data)));
