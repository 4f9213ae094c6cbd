// What both pages share: the state line, the contact with the process, errors, settings.

import { byId, make, put, when } from "./dom.js";
import { clock, exact, plain, seconds } from "./words.js";

const LEVELS = { good: "OK", wait: "Waiting", bad: "Action needed", stop: "Stopping", lost: "No contact" };
const MARKS = { good: "✓", wait: "…", bad: "!", stop: "■", lost: "✕" };
const KINDS = new Set(["warning", "error", "critical"]);
const PAUSE = 300_000;

export class Frame {
  constructor(name) {
    this.name = name;
    this.last = null;
    this.spoken = "";
    this.lost = null;
  }

  /** The head of the page, by a look. `head`: {level, code, title, detail, action, since}; `others`: more texts. */
  look(document_, head, others, whose) {
    const before = this.last;
    this.last = document_;
    if (this.lost) this.#back(before, document_);
    this.head = head;
    this.whose = whose;
    this.#state(head, others);
    put("uptime", seconds(Math.floor(document_.uptime_seconds)));
    put("version", document_.version);
    put("heard", clock(document_.at));
  }

  /** As `watch` tells it. */
  contact({ state, since, why }) {
    const pill = byId("contact");
    pill.dataset.state = state;
    put("contact-words", { live: "Live", connecting: "Connecting", lost: "No contact" }[state]);
    document.body.classList.toggle("stale", state === "lost");
    if (state !== "lost") return;
    this.lost ??= since;
    const silent = Math.max(0, (Date.now() - since) / 1000);
    const refusals = {
      login: ["The process asks for its login", "Reload this page and log in again."],
      full: ["Too many pages watch", "The process answers, but serves no more streams: close another page."],
    };
    const gone = this.head?.code === "stopping" ? ["The process has ended", "It was stopping when it was last heard. If one is started here again, this page goes on by itself."] : ["The process does not answer", "Look at it and at the way to it. This page comes back by itself."];
    const [title, text] = refusals[why] ?? gone;
    const seen = this.last ? `Last heard at ${clock(since)}: what stands below is from then.` : "Nothing was heard yet.";
    this.#state({ level: "lost", code: `lost ${why}`, title, detail: why && !refusals[why] ? `${seen} It answers ${why}.` : seen, action: text, since: silent }, []);
  }

  #back(before, now) {
    const away = seconds((Date.now() - this.lost) / 1000);
    const anew = before && now.uptime_seconds < before.uptime_seconds;
    this.lost = null;
    if (!before) return;
    this.notice(anew ? `The process was started anew. It answers again since ${clock(Date.now())}, ${away} after it was last heard; its counts begin at 0.` : `Contact is back since ${clock(Date.now())}, after ${away}.`);
  }

  /** A text that goes when it is closed, or by itself after some minutes. */
  notice(text) {
    const hide = () => {
      byId("notice").hidden = true;
    };
    byId("notice").hidden = false;
    byId("notice-close").onclick = hide;
    put("notice-text", text);
    clearTimeout(this.quiet);
    this.quiet = setTimeout(hide, PAUSE);
  }

  #state({ level, code, title, detail, action, since }, others) {
    byId("state").dataset.level = level;
    put("state-mark", MARKS[level]);
    put("state-word", LEVELS[level]);
    put("state-title", title);
    put("state-since", typeof since === "number" ? ` for ${seconds(Math.round(since))}` : "");
    put("state-detail", detail);
    put("state-action", action);
    byId("state-do").hidden = !action;
    when("state-more", others, (texts) => texts.slice(0, 8).map((text) => make("li", {}, text)));
    byId("state-more").hidden = !others.length;
    document.title = `${MARKS[level]} ${title} · ${this.whose ?? this.name}`;
    // Read aloud when the matter changes, not with every second that it lasts.
    const spoken = `${code} ${title}`;
    if (spoken !== this.spoken) put("spoken", `${LEVELS[level]}. ${title}. ${detail} ${action ?? ""}`);
    this.spoken = spoken;
  }
}

/** The last happenings, newest first. */
export function happenings(where, items, none, words = (kind) => kind) {
  when(where, items, (found) =>
    found.length
      ? found.map(({ at, kind, text, times }) =>
          make("li", {},
            make("div", { class: "when" }, make("time", { datetime: at }, clock(at)), make("span", { class: "kind", "data-kind": kind }, words(kind)), times > 1 ? make("span", { class: "times" }, `× ${exact(times)}`) : null),
            make("p", { class: "text" }, ...named(text, kind))))
      : [make("li", { class: "none" }, none)]);
}

/** An event's name stands out before its fields. */
function named(text, kind) {
  const [name, ...rest] = text.split(" ");
  return KINDS.has(kind) && rest.length ? [make("b", {}, name), ` ${rest.join(" ")}`] : [text];
}

/** Settings by the first part of their names. */
export function settings(where, values) {
  when(where, values, (found) => {
    const groups = new Map();
    for (const [name, value] of Object.entries(found)) {
      const group = name.includes(".") ? name.split(".")[0] : "general";
      groups.set(group, [...(groups.get(group) ?? []), [name, value]]);
    }
    return [...groups].map(([group, pairs]) =>
      make("div", { class: "settings-group" }, make("h3", {}, group),
        make("dl", {}, ...pairs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, said(value)))))));
  });
}

function said(value) {
  if (value === null || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length ? value.join(", ") : "–";
  if (typeof value === "object") {
    return Object.entries(value).map(([key, one]) => `${key}=${one}`).join(", ") || "–";
  }
  return String(value);
}

/** Counts by reason as bars against the largest. */
export function reasons(where, counts, none) {
  const rows = Object.entries(counts).sort(([a, n], [b, m]) => m - n || a.localeCompare(b));
  const most = rows.length ? rows[0][1] : 1;
  when(where, rows, () =>
    rows.length
      ? rows.map(([reason, n]) => {
          const fill = make("span", { class: "fill" });
          fill.style.width = `${((n / most) * 100).toFixed(1)}%`;
          return make("li", {}, make("span", {}, plain(reason)), make("span", { class: "n" }, exact(n)), make("span", { class: "track", "aria-hidden": "true" }, fill));
        })
      : [make("li", { class: "none" }, none)]);
}

/** Pairs of words: a dl's content. */
export function facts(where, pairs) {
  when(where, pairs, (found) => found.map(([name, value, level]) => make("div", { "data-level": level }, make("dt", {}, name), make("dd", {}, value))));
}
