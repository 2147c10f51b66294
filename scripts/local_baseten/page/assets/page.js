// The stand-in's page. Whatever comes from a request or a document is set as text, never as HTML.

const KEY = "outbox-key";
const EVERY_MS = 1000;
const FIRST_PAGES = 6;
const SHOWN_CHARACTERS = 100_000;
const FILTERS = [
  { name: "All", statuses: [] },
  { name: "Queued", statuses: ["QUEUED"] },
  { name: "Running", statuses: ["IN_PROGRESS"] },
  { name: "Succeeded", statuses: ["SUCCEEDED"] },
  { name: "Failed", statuses: ["FAILED", "EXPIRED", "WEBHOOK_FAILED"] },
  { name: "Canceled", statuses: ["CANCELED"] },
];
const WORDS = {
  QUEUED: "Queued", IN_PROGRESS: "Running", SUCCEEDED: "Succeeded", FAILED: "Failed",
  EXPIRED: "Expired", CANCELED: "Canceled", WEBHOOK_FAILED: "Webhook failed",
};

const byId = (id) => document.getElementById(id);
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function drawn(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function duration(seconds) {
  if (seconds === undefined || seconds === null) return "–";
  if (seconds <= 0) return "0 s";
  if (seconds < 0.9995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(Math.round(seconds) / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds) % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const [unit, by] = bytes < 1e6 ? ["kB", 1e3] : bytes < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  return `${(bytes / by).toFixed(bytes / by < 10 ? 1 : 0)} ${unit}`;
}

const count = (number) => (number ?? 0).toLocaleString("en");

// --- Asking the service

async function ask(path) {
  const key = sessionStorage.getItem(KEY) ?? "";
  const answer = await fetch(path, { headers: { authorization: `Bearer ${key}` }, cache: "no-store" });
  if (answer.status === 401) {
    sessionStorage.removeItem(KEY);
    wantKey("That key is not the one this stand-in printed.");
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(problem.error ?? `The service answered ${answer.status}.`), {
      status: answer.status,
    });
  }
  return answer;
}

function wantKey(refusal = "") {
  byId("main").hidden = true;
  byId("entry").hidden = false;
  byId("refusal").textContent = refusal;
  connection("", "Waiting for the key");
  byId("key").focus();
}

function connection(kind, text) {
  const shown = byId("connection");
  if (shown.textContent === text) return;
  shown.className = kind;
  shown.textContent = text;
}

// --- Charts

const HEIGHT = 168;
const LEFT = 46;
const FOOT = 20;
const HEAD = 8;
const BRIDGED = 6;
const DOTTED = 20;

class Chart {
  // `series`: {name, kind: line or block, style, of: point → number or null, to: → upper edge}
  constructor(id, title, { series, format, now }) {
    this.figure = byId(id);
    Object.assign(this, { title, series, format, now, points: [], at: null });
    this.value = element("p", { className: "now" });
    this.svg = drawn("svg", { role: "img", tabindex: "0" });
    this.readout = element("figcaption");
    this.figure.append(
      element("div", { className: "top" }, element("h2", { textContent: title }), this.value),
      this.svg,
      this.readout,
    );
    this.svg.addEventListener("pointermove", (event) => this.pick(this.under(event)));
    this.svg.addEventListener("pointerleave", () => this.pick(null));
    this.svg.addEventListener("blur", () => this.pick(null));
    this.svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const last = this.points.length - 1;
      this.pick(Math.min(last, Math.max(0, (this.at ?? last + (step < 0 ? 1 : 0)) + step)));
    });
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  show(points, windowSeconds, counts) {
    Object.assign(this, { points, windowSeconds });
    const [value, note] = this.now(points, counts);
    this.value.replaceChildren(value, element("small", { textContent: note }));
    this.svg.setAttribute("aria-label", `${this.title}: ${value} ${note}. Arrow keys read it.`);
    this.draw();
  }

  under(event) {
    const box = this.svg.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / (box.width - LEFT);
    const at = Math.floor(share * this.points.length);
    return at < 0 || at >= this.points.length ? null : at;
  }

  pick(at) {
    this.at = at;
    this.readout.ariaLive = document.activeElement === this.svg ? "polite" : "off";
    this.draw();
  }

  draw() {
    const width = this.svg.clientWidth;
    if (!width || !this.points.length) return;
    const height = this.svg.clientHeight;
    const step = (width - LEFT) / this.points.length;
    const highest = this.highest();
    const x = (index) => LEFT + (index + 0.5) * step;
    const y = (value) => HEAD + (height - HEAD - FOOT) * (1 - value / highest);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const parts = [...this.frame(width, height, highest, y)];
    const floor = this.points.map(() => 0);
    for (const one of this.series) {
      parts.push(...(one.kind === "block" ? this.blocks(one, floor, x, y, step) : lines(one, this.points, x, y)));
    }
    if (this.at !== null) {
      parts.push(drawn("line", { class: "cursor", x1: x(this.at), x2: x(this.at), y1: HEAD, y2: height - FOOT }));
    }
    this.svg.replaceChildren(...parts);
    this.caption();
  }

  highest() {
    const blocks = this.series.filter((one) => one.kind === "block");
    const edges = this.points.flatMap((point) => [
      sum(blocks.map((one) => one.of(point) ?? 0)),
      ...this.series.map((one) => (one.to ?? one.of)(point) ?? 0),
    ]);
    return nice(Math.max(...edges), this.format === count);
  }

  *frame(width, height, highest, y) {
    for (const share of [0, 0.5, 1]) {
      const value = highest * share;
      yield drawn("line", { class: "grid", x1: LEFT, x2: width, y1: y(value), y2: y(value) });
      if (this.format !== count || Number.isInteger(value)) {
        yield drawn("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value ? this.format(value) : "0");
      }
    }
    const ago = (share) => `−${duration(this.windowSeconds * share).replace(" 0 s", "").replace(" 0 min", "")}`;
    yield drawn("text", { x: LEFT, y: height - 4 }, ago(1));
    yield drawn("text", { x: (LEFT + width) / 2, y: height - 4, "text-anchor": "middle" }, ago(0.5));
    yield drawn("text", { x: width, y: height - 4, "text-anchor": "end" }, "now");
  }

  *blocks(one, floor, x, y, step) {
    for (const [index, point] of this.points.entries()) {
      const value = one.of(point);
      if (!value) continue;
      const top = y(floor[index] + value);
      yield drawn("rect", {
        class: `block ${one.style}`, x: x(index) - step * 0.38, width: step * 0.76,
        y: top, height: Math.max(1, y(floor[index]) - top),
      });
      floor[index] += value;
    }
  }

  caption() {
    const point = this.at === null ? null : this.points[this.at];
    const keys = this.series.map((one) => {
      const key = element("span", { className: `key ${one.style}` }, element("b", { textContent: one.name }));
      if (point) key.append(` ${one.read(point)}`);
      return key;
    });
    if (point) {
      const ago = (this.points.length - 1 - this.at) * (this.windowSeconds / this.points.length);
      keys.push(element("span", { textContent: ago ? `${duration(ago)} ago` : "now" }));
    }
    this.readout.replaceChildren(...keys);
  }
}

function* lines(one, points, x, y) {
  // Where nothing was measured for long there is a gap; what few values there are, are dots.
  const runs = [];
  let before = -Infinity;
  for (const [index, point] of points.entries()) {
    const value = one.of(point);
    if (value === null || value === undefined) continue;
    if (index - before > BRIDGED) runs.push([]);
    runs.at(-1).push([x(index), y(value), y(one.to ? one.to(point) : 0)]);
    before = index;
  }
  for (const run of runs) {
    const line = run.map(([left, top]) => `${left},${top}`);
    const edge = run.map(([left, , other]) => `${left},${other}`).reverse();
    yield drawn("polygon", { class: `area ${one.style}`, points: [...line, ...edge].join(" ") });
    yield drawn("polyline", { class: `line ${one.style}`, points: line.join(" ") });
    if (!one.to || run.length > DOTTED) continue;
    for (const [left, top, other] of run) {
      yield drawn("line", { class: `reach ${one.style}`, x1: left, x2: left, y1: top, y2: other });
      yield drawn("circle", { class: one.style, cx: left, cy: top, r: 2.5 });
    }
  }
}

function nice(highest, whole) {
  if (!(highest > 0)) return whole ? 4 : 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  const top = [1, 2, 4, 5, 10].find((factor) => factor * power >= highest) * power;
  return whole ? Math.max(top, 4) : top;
}

const band = (kind, name, style) => ({
  name, style, kind: "line",
  of: (point) => point[kind].p50,
  to: (point) => point[kind].p95,
  read: (point) => (point[kind].count ? `${duration(point[kind].p50)}, ${duration(point[kind].p95)}` : "–"),
});
const stack = (kind, name) => ({
  name, style: kind, kind: "block",
  of: (point) => point[kind].count,
  read: (point) => count(point[kind].count),
});
const latest = (points, of) => points.map(of).findLast((value) => value !== undefined && value !== null);

const charts = [
  new Chart("time-in-queue", "Time in async queue", {
    format: duration,
    series: [band("time_in_queue", "median, shaded to p95", "async")],
    now: (points) => [duration(latest(points, (point) => point.time_in_queue.p50)), "median"],
  }),
  new Chart("queue-size", "Async queue size", {
    format: count,
    series: [
      { name: "queued", style: "queued", kind: "line", of: (point) => point.queued, read: (point) => count(point.queued) },
      { name: "running", style: "async", kind: "line", of: (point) => point.running, read: (point) => count(point.running) },
    ],
    now: (_, counts) => [count(counts.QUEUED), "queued"],
  }),
  new Chart("volume", "Requests answered", {
    format: count,
    series: [stack("async", "async"), stack("sync", "sync")],
    now: (points) => [count(sum(points.map((point) => point.async.count + point.sync.count))), "in this time"],
  }),
  new Chart("response-time", "Response time", {
    format: duration,
    series: [band("async", "async median, to p95", "async"), band("sync", "sync median, to p95", "sync")],
    now: (points) => [
      duration(latest(points, (point) => point.async.p50 ?? point.sync.p50)), "median",
    ],
  }),
];

// --- The table

const body = byId("table").tBodies[0];
const rows = new Map();
let filter = FILTERS[0];

function makeRow(id) {
  const open = element("button", { type: "button", className: "open" });
  open.addEventListener("click", () => openDetail(id));
  const cell = (className) => element("td", { className });
  const cells = {
    state: cell("state"), name: cell("name"), age: cell("number age"), waited: cell("number waited"),
    took: cell("number took"), attempts: cell("number attempts"), error: cell("error"),
  };
  cells.name.append(open);
  const [status, error] = [element("span"), element("span")];
  cells.state.append(status);
  cells.error.append(error);
  return { row: element("tr", {}, ...Object.values(cells)), cells, open, status, error };
}

function fillRow({ cells, open, status, error }, request, now) {
  const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const began = request.started_at;
  const isOver = !["QUEUED", "IN_PROGRESS"].includes(request.status);
  status.className = `status ${request.status}`;
  set(status, WORDS[request.status]);
  set(open, request.name ?? request.request_id);
  open.title = request.request_id;
  set(cells.age, duration(now - request.created_at));
  set(cells.waited, duration((began ?? (isOver ? request.status_at : now)) - request.created_at));
  set(cells.took, began === null ? "–" : duration((isOver ? request.status_at : now) - began));
  set(cells.attempts, `${request.attempts} of ${request.max_attempts}`);
  set(error, request.error ? `${request.error.code}: ${request.error.message}` : "");
}

function showRequests(requests, now) {
  const focused = document.activeElement;
  const wanted = requests.map((request) => {
    if (!rows.has(request.request_id)) rows.set(request.request_id, makeRow(request.request_id));
    const row = rows.get(request.request_id);
    fillRow(row, request, now);
    return row.row;
  });
  if (wanted.length !== body.rows.length || wanted.some((row, index) => row !== body.rows[index])) {
    body.replaceChildren(...wanted);
    if (body.contains(focused)) focused.focus({ preventScroll: true });
  }
  const known = new Set(requests.map((request) => request.request_id));
  for (const id of rows.keys()) if (!known.has(id)) rows.delete(id);
  byId("none").hidden = requests.length > 0;
  byId("none").textContent = filter === FILTERS[0] ? "No requests yet." : `No request is ${filter.name.toLowerCase()}.`;
  byId("table").hidden = !requests.length;
}

const filterButtons = FILTERS.map((one) => {
  const number = element("span", { className: "count" });
  const button = element("button", { type: "button", ariaPressed: String(one === filter) }, one.name, number);
  button.addEventListener("click", () => {
    filter = one;
    for (const other of filterButtons) other.button.ariaPressed = String(other.button === button);
    look();
  });
  byId("filters").append(button);
  return { one, number, button };
});

function showCounts(counts) {
  for (const { one, number } of filterButtons) {
    const statuses = one.statuses.length ? one.statuses : Object.keys(counts);
    number.textContent = count(sum(statuses.map((status) => counts[status])));
  }
}

// --- One request

const dialog = byId("detail");
let pictures = [];
let shown = null;

byId("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  shown = null;
  for (const url of pictures.splice(0)) URL.revokeObjectURL(url);
});

async function openDetail(id) {
  shown = id;
  byId("detail-name").textContent = "…";
  byId("detail-content").replaceChildren(element("p", { className: "quiet", textContent: "Reading" }));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  try {
    const detail = await (await ask(`page/requests/${encodeURIComponent(id)}`)).json();
    if (shown === id) showDetail(detail);
  } catch (error) {
    if (shown !== id) return;
    byId("detail-name").textContent = id;
    byId("detail-content").replaceChildren(problem("Not to be had", error.message));
  }
}

function showDetail(detail) {
  const { manifest } = detail;
  const content = byId("detail-content");
  byId("detail-name").textContent = detail.name ?? detail.request_id;
  content.replaceChildren(facts(detail));
  if (detail.error) content.append(problem(detail.error.code, detail.error.message));
  if (!manifest) {
    if (detail.status === "SUCCEEDED") {
      content.append(element("p", { className: "quiet", textContent: "The model’s answer names no stored result." }));
    }
    return;
  }
  const artifacts = manifest.artifacts.map((artifact, number) => ({
    ...artifact, path: `page/requests/${encodeURIComponent(detail.request_id)}/artifacts/${number}`,
  }));
  content.append(...pages(artifacts), ...texts(artifacts), ...fileTable(artifacts));
  content.append(
    element("details", {}, element("summary", { textContent: "Manifest" }),
      element("pre", { textContent: JSON.stringify(manifest, null, 2), tabIndex: 0 })),
  );
}

function facts(detail) {
  const list = element("dl", { className: "facts" });
  const add = (name, value) => {
    if (value === null || value === undefined || value === "") return;
    list.append(element("dt", { textContent: name }), element("dd", {}, value));
  };
  const at = (seconds) => new Date(seconds * 1000).toLocaleString();
  const isOver = !["QUEUED", "IN_PROGRESS"].includes(detail.status);
  add("Status", element("span", { className: `status ${detail.status}`, textContent: WORDS[detail.status] }));
  add("Request id", detail.request_id);
  add("Submitted", at(detail.created_at));
  add("In queue", detail.started_at && duration(detail.started_at - detail.created_at));
  add("Took", detail.started_at && isOver && duration(detail.status_at - detail.started_at));
  add("Attempts", `${detail.attempts} of ${detail.max_attempts}`);
  add("Priority", String(detail.priority));
  if (detail.webhook_status !== "NO_WEBHOOK_PROVIDED") add("Webhook", detail.webhook_status);
  if (detail.manifest) {
    const timings = Object.entries(detail.manifest.timings_ms).filter(([, value]) => value !== null);
    add("Timings", timings.map(([name, value]) => `${name} ${duration(value / 1000)}`).join(", "));
    add("Key", detail.manifest.key);
    const listing = detail.manifest.artifact_listing;
    if (listing) add("Files", `${count(listing.artifact_count)}, ${size(listing.artifact_bytes)}: listed in ${listing.uri}`);
  }
  return list;
}

function problem(title, text) {
  return element("div", { className: "problem" }, element("strong", { textContent: title }), text);
}

async function blobOf(artifact, type) {
  const content = await (await ask(artifact.path)).blob();
  return new Blob([content], { type });
}

function pages(artifacts) {
  const images = artifacts.filter(({ content_type: type }) => /^image\/(png|jpeg|webp)$/.test(type));
  if (!images.length) return [];
  const grid = element("div", { className: "pages" });
  const add = (some) => grid.append(...some.map(picture));
  add(images.slice(0, FIRST_PAGES));
  const parts = [element("h3", { textContent: images.length === 1 ? "Page" : `${images.length} pages` }), grid];
  if (images.length > FIRST_PAGES) {
    const more = element("button", { type: "button", textContent: "Show all pages" });
    more.addEventListener("click", () => { add(images.slice(FIRST_PAGES)); more.remove(); });
    parts.push(more);
  }
  return parts;
}

function picture(artifact) {
  const image = element("img", { alt: artifact.name, className: "wait" });
  const button = element("button", { type: "button", title: "Larger or smaller" }, image,
    element("small", { textContent: artifact.name }));
  button.addEventListener("click", () => button.classList.toggle("large"));
  const of = shown;
  blobOf(artifact, artifact.content_type).then((blob) => {
    if (shown !== of) return;
    image.src = URL.createObjectURL(blob);
    image.className = "";
    pictures.push(image.src);
  }).catch((error) => button.replaceChildren(problem(artifact.name, error.message)));
  return button;
}

function texts(artifacts) {
  const text = artifacts.find(({ content_type: type }) => /^text\/plain(;|$)/.test(type));
  if (!text) return [];
  const content = element("pre", { textContent: "…", tabIndex: 0 });
  ask(text.path).then((answer) => answer.text()).then((all) => {
    content.textContent = all.slice(0, SHOWN_CHARACTERS) || "No text.";
    if (all.length > SHOWN_CHARACTERS) content.append(`\n… ${count(all.length - SHOWN_CHARACTERS)} more characters: download ${text.name}`);
  }).catch((error) => content.replaceWith(problem(text.name, error.message)));
  return [element("h3", { textContent: "Text" }), content];
}

function fileTable(artifacts) {
  const table = element("table", { className: "files" });
  for (const artifact of artifacts) {
    const actions = element("td");
    const act = (label, what) => {
      const button = element("button", { type: "button", textContent: label, ariaLabel: `${label} ${artifact.name}` });
      button.addEventListener("click", () => what().catch((error) => table.before(problem(artifact.name, error.message))));
      actions.append(button);
    };
    if (artifact.content_type === "application/pdf") act("Open", () => openPdf(artifact));
    act("Download", () => download(artifact));
    table.append(element("tr", {}, element("td", { textContent: artifact.name }),
      element("td", { className: "number quiet", textContent: size(artifact.size) }), actions));
  }
  return [element("h3", { textContent: "Files" }), table];
}

async function openPdf(artifact) {
  const tab = window.open("", "_blank"); // now: after a wait it would be a pop-up
  const url = URL.createObjectURL(await blobOf(artifact, "application/pdf"));
  pictures.push(url);
  if (tab) { tab.opener = null; tab.location = url; }
}

async function download(artifact) {
  const url = URL.createObjectURL(await blobOf(artifact, "application/octet-stream"));
  element("a", { href: url, download: artifact.name.split("/").pop() }).click();
  pictures.push(url);
}

// --- Again and again

let windowSeconds = 300;
let timer;
let looking = 0;

async function look() {
  clearTimeout(timer);
  const mine = ++looking;
  const query = new URLSearchParams({ window: windowSeconds });
  for (const status of filter.statuses) query.append("status", status);
  try {
    const state = await (await ask(`page/state?${query}`)).json();
    if (mine !== looking) return;
    byId("entry").hidden = true;
    byId("main").hidden = false;
    byId("model").textContent = state.model_name;
    document.title = `${state.model_name} · Outbox stand-in`;
    connection("live", "Live");
    for (const chart of charts) chart.show(state.points, state.window_seconds, state.counts);
    showCounts(state.counts);
    showRequests(state.requests, state.now);
  } catch (error) {
    if (mine !== looking || error.status === 401) return;
    connection("lost", error.status ? error.message : "The service does not answer; trying again");
  }
  if (mine === looking) timer = setTimeout(() => { if (!document.hidden) look(); }, EVERY_MS);
}

for (const button of byId("windows").children) {
  button.addEventListener("click", () => {
    windowSeconds = Number(button.dataset.window);
    for (const other of byId("windows").children) other.ariaPressed = String(other === button);
    look();
  });
}
byId("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  byId("key").value = "";
  look();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && byId("entry").hidden) look(); });

if (sessionStorage.getItem(KEY)) look();
else wantKey();
