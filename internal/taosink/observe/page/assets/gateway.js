import { Chart } from "./chart.js";
import { bar, byId, make, put, when } from "./dom.js";
import { facts, Frame, happenings, reasons, settings } from "./frame.js";
import { History } from "./history.js";
import { watch } from "./stream.js";
import { bytes, clock, count, exact, plain, rate, seconds } from "./words.js";

const LISTED = 50;
const ACKS = { kafka: "Kafka has it", stored: "TDengine has it", application: "a worker answered", other: "other" };

const frame = new Frame("taosink gateway");
const history = new History(["frames", "readings", "answers", "rejects", "connections", "in_flight", "kafka_waiting"]);
const perSecond = (n) => (n === null || n === undefined ? "–" : `${rate(n)}/s`);
const traffic = new Chart(byId("traffic"), {
  title: "Traffic",
  words: perSecond,
  least: 10,
  series: [
    { name: "readings", label: "Readings into Kafka", look: "area" },
    { name: "frames", label: "Frames in", look: "line" },
    { name: "answers", label: "Answers", look: "dashed" },
  ],
});
const load = new Chart(byId("load"), {
  title: "On its way",
  words: count,
  least: 10,
  series: [
    { name: "in_flight", label: "In flight", look: "area" },
    { name: "kafka_waiting", label: "To Kafka", look: "line" },
  ],
});
const devices = new Chart(byId("connected"), { title: "Connections", words: count, least: 10, series: [{ name: "connections", label: "Open", look: "area" }] });

// [figure, limit, words]
const BOUNDS = [
  ["Connections", "connections", "connections", count],
  ["Answers owed by workers", "owed", "owed_answers", count],
  ["Messages on their way to Kafka", "kafka_waiting", "kafka_records", count],
  ["Bytes on their way to Kafka", "kafka_waiting_bytes", "kafka_bytes", bytes],
  ["Commands not ended", "commands_open", "commands", count],
  ["HTTP connections", "http_connections", "http_connections", count],
];
const bars = BOUNDS.map(([label]) => bar(label));
byId("bars").append(...bars);

function draw() {
  traffic.draw(history);
  load.draw(history);
  devices.draw(history);
}

function onLook(look) {
  frame.look(look, look.headline, look.reasons.slice(1), look.server);
  put("server", look.server);
  put("topics", look.topic);
  tiles(look);
  const { figures, rates } = look;
  const answers = look.acks.reduce((sum, one) => sum + one.rate, 0);
  history.add(Date.parse(look.at), { frames: rates.frames_in, readings: rates.readings, answers, rejects: rates.rejects, connections: figures.connections, in_flight: figures.in_flight, kafka_waiting: figures.kafka_waiting });
  draw();
  acks(look.acks);
  bars.forEach((one, i) => {
    const [, figure, limit, words] = BOUNDS[i];
    const most = look.limits[limit];
    one.hidden = figures[figure] === undefined;
    one.show(most ? figures[figure] / most : 0, most ? `${words(figures[figure])} of ${words(most)}` : words(figures[figure]));
  });
  around(look);
  reasons("reject-reasons", look.totals.reject, "Nothing was rejected since the start.");
  reasons("closed-reasons", { ...look.totals.closed, ...prefixed(look.totals.refused, "refused: ") }, "No connection has ended yet.");
  happenings("errors", look.errors, "No warning and no error since the start.");
  settings("settings", look.settings);
}

const sum = (counts) => Object.values(counts).reduce((all, n) => all + n, 0);
const prefixed = (counts, text) => Object.fromEntries(Object.entries(counts).map(([name, n]) => [`${text}${name}`, n]));

function tiles({ figures, rates, totals, limits }) {
  put("devices-now", count(figures.sessions));
  put("connections-now", `${count(figures.connections)} of ${count(limits.connections)} connections`);
  put("frames-in", rate(rates.frames_in));
  put("frames-out", `${rate(rates.frames_out)}/s out`);
  put("readings", rate(rates.readings));
  put("readings-total", `${count(totals.published.readings ?? 0)} in all`);
  put("in-flight", count(figures.in_flight));
  put("owed", `${count(figures.owed)} wait for a worker`);
  const rejected = sum(totals.reject);
  put("rejects", count(rejected));
  put("rejects-rate", rates.rejects > 0 ? `${rate(rates.rejects)}/s now` : "none now");
  byId("reject-tile").dataset.level = rejected ? "wait" : "";
}

function acks(found) {
  when("acks", found.filter(({ kind, total }) => kind !== "other" || total), (rows) =>
    rows.map(({ kind, total, rate: speed, p50_seconds: half, p99_seconds: most }) =>
      make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, ACKS[kind] ?? plain(kind)), make("td", { role: "cell", "data-name": "A second" }, rate(speed)), make("td", { role: "cell", "data-name": "In all" }, count(total)), make("td", { role: "cell", "data-name": "Half within" }, seconds(half)), make("td", { role: "cell", "data-name": "99 % within" }, seconds(most)))));
}

function around({ figures, totals, ready, reasons: why, fault }) {
  const failed = sum(totals.failed);
  const records = Object.entries(totals.records).map(([name, n]) => `${plain(name)} ${exact(n)}`);
  const logins = Object.entries(totals.auth).map(([name, n]) => `${plain(name)} ${exact(n)}`);
  facts("around", [
    ["Kafka", fault ?? (why.length ? why.join("; ") : ready ? "takes what it is given" : "is being asked"), fault ? "bad" : why.length ? "wait" : ""],
    ["Not taken by Kafka", exact(failed), failed ? "bad" : ""],
    ["Sockets that are held back", exact(figures.paused), figures.paused ? "wait" : ""],
    ["Held for room towards Kafka", bytes(figures.held_bytes)],
    ["Busy answers", exact(totals.answer.busy ?? 0), totals.answer.busy ? "wait" : ""],
    ["Commands waiting for their device", exact(figures.commands_queued)],
    ["Devices known, at any gateway", exact(figures.presence)],
    ["Logins", logins.join(", ") || "none yet"],
    ["Records over HTTP", records.join(", ") || "none yet"],
  ]);
}

async function list() {
  const answer = await fetch(`${location.origin}/devices?limit=${LISTED}`, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return put("device-note", "The process does not tell at the moment.");
  const { devices: found, after } = await answer.json();
  put("device-note", found.length ? (after ? `The first ${found.length} by name; GET /devices tells all of them.` : "") : "No device is connected to any gateway.");
  when("devices", found, (rows) =>
    rows.map((one) => make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, one.deviceUid), make("td", { role: "cell", "data-name": "Gateway" }, one.here ? "this one" : one.serverId), make("td", { role: "cell", "data-name": "Since" }, clock(one.since)), make("td", { role: "cell", "data-name": "Speaks" }, one.framing ? `${plain(one.framing)}${one.tls ? ", TLS" : ""}` : "–"), make("td", { role: "cell", "data-name": "From" }, one.address ?? "–"))));
  byId("device-table").hidden = !found.length;
}

byId("device-box").addEventListener("toggle", () => byId("device-box").open && list());
setInterval(() => byId("device-box").open && document.visibilityState === "visible" && list(), 5000);
watch({
  onLook,
  onHistory: (columns) => {
    history.fill(columns);
    draw();
  },
  onContact: (how) => frame.contact(how),
});
