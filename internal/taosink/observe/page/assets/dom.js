// What stands on the page is only ever put there as text: names, reasons and errors come from strangers.

export const byId = (id) => document.getElementById(id);

/** Writes a text where it differs: what did not change is not laid out anew. */
export function put(where, text) {
  const node = typeof where === "string" ? byId(where) : where;
  const value = text === null || text === undefined ? "" : String(text);
  if (node && node.textContent !== value) node.textContent = value;
}

/** make("td", {class: "n"}, "text", child) */
export function make(tag, attributes = {}, ...inside) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...inside.filter((one) => one !== null && one !== undefined));
  return node;
}

/** Keeps one element per item, by key: made once, brought up to date, moved only where its place changed, so that
 * the focus and a text that is being marked stay where they are. */
export function each(parent, items, keyOf, create, update) {
  const held = (parent.held ??= new Map());
  const seen = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    seen.add(key);
    let node = held.get(key);
    if (!node) {
      node = create(item);
      held.set(key, node);
    }
    update(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const [key, node] of held) {
    if (!seen.has(key)) {
      node.remove();
      held.delete(key);
    }
  }
}

/** Builds `where` anew, but only where `value` is another than the last time. */
export function when(where, value, build) {
  const node = byId(where);
  const now = JSON.stringify(value);
  if (node.shown === now) return;
  node.shown = now;
  node.replaceChildren(...build(value));
}

/** A bar against a bound: its length, its words, and what a screen reader says. */
export function bar(label) {
  const fill = make("span", { class: "fill" });
  const words = make("span", { class: "bar-words" });
  const track = make("span", { class: "track", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const node = make("div", { class: "bar" }, make("span", { class: "bar-label" }, label), words, track);
  node.show = (share, text, level = "") => {
    const part = Math.max(0, Math.min(1, share || 0));
    fill.style.width = `${(part * 100).toFixed(1)}%`;
    track.setAttribute("aria-valuenow", Math.round(part * 100));
    track.setAttribute("aria-valuetext", text);
    node.dataset.level = level || (part >= 0.9 ? "bad" : part >= 0.7 ? "wait" : "");
    put(words, text);
  };
  return node;
}
