// The partitions of this member: a picture of all of them, a table of those that matter first.

import { byId, each, make, put } from "./dom.js";
import { bytes, count, exact, seconds } from "./words.js";

const FEW = 24;
const TROUBLE = ["stopped", "blocked", "waiting", "paused", "reading"];
const MARKS = { stopped: "■", blocked: "✕", waiting: "…", paused: "‖", reading: "▸" };
const WORDS = { stopped: "stopped", blocked: "not read", waiting: "waits", paused: "paused", reading: "reading" };
const COLUMNS = ["Lag", "Oldest", "Committed", "Delivered", "In work", "Queued"];

const keyOf = ({ topic, partition }) => `${topic}/${partition}`;
const byNumber = (a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition;
const byTrouble = (a, b) => TROUBLE.indexOf(a.state) - TROUBLE.indexOf(b.state);
const byLag = (a, b) => (b.lag ?? -1) - (a.lag ?? -1);

export class Partitions {
  constructor(onClose) {
    this.onClose = onClose;
    this.all = false;
    byId("more").addEventListener("click", () => {
      this.all = !this.all;
      this.show(this.found, this.member);
    });
    byId("order").addEventListener("change", () => this.show(this.found, this.member));
  }

  show(found, member) {
    this.found = found;
    this.member = member;
    const states = new Map();
    for (const { state } of found) states.set(state, (states.get(state) ?? 0) + 1);
    const told = [...states].sort().map(([state, n]) => `${n} ${WORDS[state] ?? state}`);
    put("partition-count", told.join(", ") || "none");
    put("owner", found.length ? `Owner of these: ${member}, this process. The group's other partitions stand on their owners' pages.` : `${member}, this process, owns none at the moment.`);
    this.#strip(found);
    this.#stopped(found.filter(({ state, note }) => state === "stopped" || (state === "blocked" && note)));
    const order = byId("order").value === "lag" ? byLag : byTrouble;
    const sorted = [...found].sort((a, b) => order(a, b) || byNumber(a, b));
    const most = Math.max(1, ...found.map(({ lag }) => lag ?? 0));
    each(byId("partition-rows"), this.all ? sorted : sorted.slice(0, FEW), keyOf, row, (node, item) => node.update(item, most));
    const button = byId("more");
    button.hidden = found.length <= FEW;
    byId("order-box").hidden = found.length < 2;
    button.setAttribute("aria-expanded", this.all);
    put(button, this.all ? `Show the first ${FEW}` : `Show all ${exact(found.length)}`);
  }

  #strip(found) {
    byId("strip-box").hidden = found.length < 2;
    const lags = found.map(({ lag }) => lag ?? 0);
    const most = Math.max(1, ...lags);
    const known = found.some(({ lag }) => lag !== null);
    put("strip-most", lags.some(Boolean) ? `lag of each, up to ${count(most)}` : known ? "no lag in any of them" : "lag not known yet");
    each(byId("strip"), [...found].sort(byNumber), keyOf, () => {
      const node = make("span", { class: "cell" }, make("span", { class: "level" }));
      return node;
    }, (node, { topic, partition, state, lag }) => {
      node.dataset.state = state;
      node.title = `${topic}/${partition}: ${WORDS[state] ?? state}, lag ${count(lag)}`;
      const height = `${Math.max(lag ? 6 : 0, ((lag ?? 0) / most) * 100).toFixed(0)}%`;
      if (node.firstChild.style.height !== height) node.firstChild.style.height = height;
    });
  }

  #stopped(found) {
    byId("stopped").hidden = !found.length;
    each(byId("stopped"), found, keyOf, (item) => {
      const text = make("p", {});
      const button = make("button", { type: "button", class: "danger" }, "Close the breaker…");
      button.addEventListener("click", () => this.onClose(item.topic, item.partition));
      const node = make("li", {}, make("div", {}, make("h3", {}, keyOf(item)), text), button);
      node.update = ({ state, note, lag }) => {
        button.hidden = state !== "stopped";
        put(text, note || `Stopped, because most of its records cannot be stored. ${count(lag)} records are to go. The dead letters below say what is wrong with them.`);
      };
      return node;
    }, (node, item) => node.update(item));
  }
}

// The roles are said because a phone's layout takes them from the elements.
function row(item) {
  const state = make("span", { class: "chip" });
  const cells = COLUMNS.map((name) => make("td", { role: "cell", "data-name": name }));
  const lag = make("span", { class: "n" });
  const fill = make("span", { class: "fill" });
  cells[0].append(lag, make("span", { class: "track", "aria-hidden": "true" }, fill));
  const node = make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, keyOf(item)), make("td", { role: "cell", "data-name": "State" }, state), ...cells);
  node.update = (now, most) => {
    node.dataset.state = now.state;
    state.dataset.state = now.state;
    put(state, `${MARKS[now.state] ?? "?"} ${WORDS[now.state] ?? now.state}`);
    put(lag, count(now.lag));
    fill.style.width = `${(((now.lag ?? 0) / most) * 100).toFixed(0)}%`;
    const texts = [seconds(now.lag_seconds), exact(now.committed), exact(now.delivered), count(now.pending), bytes(now.queued_bytes)];
    texts.forEach((text, i) => put(cells[i + 1], text));
  };
  return node;
}
