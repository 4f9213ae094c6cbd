import { Chart } from "./chart.js";
import { bar, byId, make, put, when } from "./dom.js";
import { facts, Frame, happenings, reasons, settings } from "./frame.js";
import { History } from "./history.js";
import { Partitions } from "./partitions.js";
import { watch } from "./stream.js";
import { bytes, count, exact, percent, plain, rate, seconds } from "./words.js";

const frame = new Frame("taosink consumer");
const history = new History(["stored", "consumed", "arriving", "lag", "lag_seconds", "dead_lettered"]);
const throughput = new Chart(byId("throughput"), {
  title: "Throughput",
  words: (n) => (n === null || n === undefined ? "–" : `${rate(n)}/s`),
  least: 10,
  series: [
    { name: "stored", label: "Stored", look: "area" },
    { name: "consumed", label: "Consumed", look: "line" },
    { name: "arriving", label: "Arriving", look: "dashed" },
  ],
});
const lag = new Chart(byId("lag"), { title: "Lag", words: count, least: 10, series: [{ name: "lag", label: "Records to go", look: "area" }] });
const age = new Chart(byId("age"), { title: "Oldest not stored", words: seconds, least: 5, series: [{ name: "lag_seconds", label: "Age", look: "area" }] });
const partitions = new Partitions(ask);

const bars = {
  queue: bar("Queue"),
  used: bar("Held of the memory budget"),
  workers: bar("With the workers"),
  letters: bar("Dead letters on their way"),
};
byId("bars").append(...Object.values(bars));

function draw() {
  throughput.draw(history);
  lag.draw(history);
  age.draw(history);
}

function onLook(look) {
  const others = look.health.reasons.slice(1).map(({ message }) => message);
  frame.look(look, look.headline, others, look.member);
  put("member", look.member);
  put("group", look.group);
  put("topics", look.topics.join(", "));
  tiles(look);
  history.add(Date.parse(look.at), { ...look.rates, lag: look.lag, lag_seconds: look.lag_seconds });
  draw();
  partitions.show(look.partitions, look.member);
  memory(look);
  workers(look.workers);
  around(look);
  reasons("letter-reasons", look.totals.dead_lettered_by_reason, "None since the start.");
  happenings("letters", look.last_dead_letters, "No record was refused since the start.", plain);
  happenings("errors", look.errors, "No warning and no error since the start.");
  settings("settings", look.settings);
}

function tiles({ rates, totals, lag: records, lag_seconds: old, dead_letters: letters }) {
  put("stored-rate", rate(rates.stored));
  put("stored-total", `${count(totals.stored)} in all`);
  put("consumed-rate", rate(rates.consumed));
  put("consumed-total", `${count(totals.consumed)} in all, ${bytes(totals.consumed_bytes)}`);
  put("lag-records", count(records));
  put("lag-arriving", rates.arriving === null ? "arriving: not known yet" : `${rate(rates.arriving)}/s arriving`);
  put("lag-seconds", old === null ? "–" : seconds(old));
  put("lag-meaning", old === null ? "not known yet" : old ? "of the oldest record" : "nothing waits");
  put("letter-total", count(totals.dead_lettered));
  put("letter-rate", rates.dead_lettered > 0 ? `${rate(rates.dead_lettered)}/s now` : letters.unacknowledged ? `${count(letters.unacknowledged)} on their way` : "none now");
  byId("letter-tile").dataset.level = totals.dead_lettered ? "wait" : "";
}

function memory({ queue, memory: { budget, shares, used, resident } }) {
  bars.queue.show(queue.fill, `${percent(queue.fill)}: ${count(queue.records)} records, ${bytes(queue.bytes)}`);
  const held = used.queue + used.workers + used.dead_letters;
  bars.used.show(held / budget, `${bytes(held)} of ${bytes(budget)}`);
  bars.workers.show(used.workers / shares.workers, `${bytes(used.workers)} of ${bytes(shares.workers)}`);
  bars.letters.show(used.dead_letters / budget, bytes(used.dead_letters));
  put("resident", resident === null ? "" : `The process holds ${bytes(resident)} in all.`);
}

function workers({ configured, alive, busy_seconds: busy }) {
  const names = Object.keys(busy).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  put("worker-count", `${alive} of ${configured} alive, ${names.length} at work`);
  const shown = names.slice(0, configured).map((name) => [name, busy[name]]);
  while (shown.length < alive) shown.push(["", null]);
  when("workers", shown, (found) =>
    found.map(([name, since]) =>
      make("li", { "data-state": since === null ? "free" : since > 30 ? "long" : "busy" }, make("span", { class: "mark", "aria-hidden": "true" }, since === null ? "○" : "●"), make("span", {}, since === null ? "free" : `${name.replace(/^.*-/, "") || name}: ${seconds(since)}`))));
}

function around({ database, kafka, totals, dead_letters: letters, replies, protocol, rates }) {
  const retries = Object.entries(totals.retries_by_class).map(([kind, n]) => `${plain(kind)} ${exact(n)}`);
  const state = database.waiting ? `waits for ${seconds(database.since_seconds)}: ${plain(database.class)}${database.code ? ` ${database.code}` : ""}` : "takes rows";
  facts("around", [
    ["Database", state, database.waiting ? (database.needs_operator ? "bad" : "wait") : ""],
    ["Kafka", kafka.fault ?? (kafka.answered ? "answers" : "has not answered yet"), kafka.fault ? "wait" : ""],
    ["Batches handed back", retries.length ? retries.join(", ") : "never"],
    ["Group protocol", protocol],
    ["Rebalances", exact(totals.rebalances)],
    ["Dropped by the broker unread", exact(totals.lost_by_broker), totals.lost_by_broker ? "bad" : ""],
    ["Dead letters acknowledged", exact(letters.published)],
    ["Answers to devices", replies ? Object.entries(replies).map(([name, n]) => `${plain(name)} ${exact(n)}`).join(", ") || "none yet" : "switched off"],
    ["Consumers that this load needs", rates.desired_consumers.toFixed(1)],
  ]);
}

function ask(topic, partition) {
  const dialog = byId("ask");
  const yes = byId("ask-yes");
  put("ask-title", `Close the breaker of ${topic}/${partition}?`);
  put("ask-text", "Its records are tried again at once. Those that cannot be stored become dead letters, and the breaker opens again if they are most of them.");
  put("ask-no", "Leave it");
  yes.hidden = false;
  yes.onclick = async () => {
    yes.disabled = true;
    put("ask-text", await close(topic, partition));
    yes.disabled = false;
    yes.hidden = true;
    put("ask-no", "Done");
    byId("ask-no").focus();
  };
  dialog.showModal();
}

async function close(topic, partition) {
  try {
    const path = `/breakers/${encodeURIComponent(topic)}/${partition}/close`;
    const answer = await fetch(location.origin + path, { method: "POST" });
    if (answer.ok) return `Closed: ${topic}/${partition} is read on.`;
    const told = await answer.json().catch(() => ({}));
    return `Not closed: ${told.error ?? `the process answers ${answer.status}`}.`;
  } catch {
    return "Not closed, as far as is known: the process does not answer.";
  }
}

byId("ask-no").addEventListener("click", () => byId("ask").close());
watch({
  onLook,
  onHistory: (columns) => {
    history.fill(columns);
    draw();
  },
  onContact: (how) => frame.contact(how),
});
