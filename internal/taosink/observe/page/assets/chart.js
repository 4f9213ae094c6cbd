// A picture of the last minutes: lines over a grid, drawn in a box whose size never changes.

import { make, put } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 200;
const AXES = new Map([
  [60_000, ["−60 s", "−48", "−36", "−24", "−12", "now"]],
  [300_000, ["−5 min", "−4", "−3", "−2", "−1", "now"]],
]);

const svg = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

/** The next round number above: 1, 2, 5 and their tens. */
export function roof(n) {
  if (!(n > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(n));
  for (const step of [1, 2, 5, 10]) if (n <= step * size * 1.0001) return step * size;
  return 10 * size;
}

/** `series`: [{name, label, look}], look is `area`, `line` or `dashed`; `words` says a number. */
export class Chart {
  constructor(parent, { title, series, words, least = 1 }) {
    this.series = series;
    this.words = words;
    this.least = least;
    this.title = title;
    this.legend = make("dl", { class: series.length > 1 ? "legend" : "legend single" });
    this.values = series.map(({ label, look }, i) => {
      const value = make("dd", {});
      this.legend.append(make("div", {}, make("dt", { class: series.length > 1 ? "" : "unseen" }, make("span", { class: `swatch s${i} ${look}`, "aria-hidden": "true" }), label), value));
      return value;
    });
    this.picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
    for (const y of [0.25, 0.5, 0.75]) this.picture.append(svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: y * HEIGHT, y2: y * HEIGHT }));
    for (let x = 1; x < 5; x += 1) this.picture.append(svg("line", { class: "grid", x1: (x * WIDTH) / 5, x2: (x * WIDTH) / 5, y1: 0, y2: HEIGHT }));
    this.paths = series.map(({ look }, i) => {
      const area = look === "area" ? svg("path", { class: `area s${i}` }) : null;
      const line = svg("path", { class: `line s${i} ${look}` });
      if (area) this.picture.append(area);
      return { area, line };
    });
    for (const { line } of [...this.paths].reverse()) this.picture.append(line);
    this.cursor = svg("line", { class: "cursor", x1: 0, x2: 0, y1: 0, y2: HEIGHT });
    this.picture.append(this.cursor);
    this.top = make("span", { class: "y top" });
    this.middle = make("span", { class: "y middle" });
    this.when = make("span", { class: "cursor-time" });
    const plot = make("div", { class: "plot" }, this.picture, this.top, this.middle, make("span", { class: "y bottom" }, "0"));
    this.axis = AXES.get(300_000).map((text) => make("span", {}, text));
    this.frame = make("div", { class: "frame", role: "img" }, plot, make("div", { class: "axis", "aria-hidden": "true" }, ...this.axis));
    parent.append(make("div", { class: "chart-head" }, make("h2", {}, title), this.when, this.legend), this.frame);
    plot.addEventListener("pointermove", (event) => this.#point(event, plot));
    plot.addEventListener("pointerleave", () => this.#leave());
    this.share = null;
  }

  draw(history) {
    this.history = history;
    const span = history.span;
    const start = history.end - span;
    AXES.get(span).forEach((text, i) => put(this.axis[i], text));
    const lines = this.series.map(({ name }) => history.pieces(name).map((piece) => piece.filter(([at]) => at >= start)));
    const most = Math.max(this.least, ...lines.flat(2).map(([, value]) => value));
    const height = roof(most);
    const x = (at) => (((at - start) / span) * WIDTH).toFixed(1);
    const y = (value) => (HEIGHT - (value / height) * (HEIGHT - 4) - 1).toFixed(1);
    lines.forEach((pieces, i) => {
      const drawn = pieces.filter((piece) => piece.length > 1);
      const paths = drawn.map((piece) => piece.map(([at, value], n) => `${n ? "L" : "M"}${x(at)} ${y(value)}`).join(""));
      this.paths[i].line.setAttribute("d", paths.join(""));
      this.paths[i].area?.setAttribute("d", paths.map((path, n) => `${path}L${x(drawn[n].at(-1)[0])} ${HEIGHT}L${x(drawn[n][0][0])} ${HEIGHT}Z`).join(""));
    });
    put(this.top, this.words(height));
    put(this.middle, this.words(height / 2));
    this.#say();
  }

  #say() {
    const at = this.share === null ? null : this.history.end - (1 - this.share) * this.history.span;
    const point = at === null ? this.history.points.at(-1) : this.history.near(at);
    const said = this.series.map(({ name, label }, i) => {
      const text = this.words(point ? point[name] : null);
      put(this.values[i], text);
      return `${label} ${text}`;
    });
    put(this.when, at === null ? "" : new Date(at).toLocaleTimeString("en-GB"));
    if (at === null) this.frame.setAttribute("aria-label", `${this.title}, the last minutes; now ${said.join(", ")}`);
  }

  #point(event, plot) {
    if (!this.history) return;
    const box = plot.getBoundingClientRect();
    this.share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    for (const name of ["x1", "x2"]) this.cursor.setAttribute(name, this.share * WIDTH);
    this.cursor.classList.add("on");
    this.#say();
  }

  #leave() {
    this.share = null;
    this.cursor.classList.remove("on");
    if (this.history) this.#say();
  }
}
