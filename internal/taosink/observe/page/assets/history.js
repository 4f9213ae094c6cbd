// Some minutes of figures, filled from the process when the page is opened and by each look from then on.

const KEPT = 300_000;
const SHORT = 60_000;
const TOO_FAR = 3500; // milliseconds between two points that no line joins

export class History {
  constructor(names) {
    this.names = names;
    this.points = [];
  }

  add(at, values) {
    const last = this.points.at(-1);
    if (last && at <= last.at) return;
    this.points.push({ at, ...values });
    this.#forget();
  }

  /** What the process remembers; what this page saw of a process before it stays. */
  fill(columns) {
    const first = columns.at[0];
    if (first === undefined) return;
    const last = columns.at.at(-1);
    const old = this.points.filter((point) => point.at < first);
    const young = this.points.filter((point) => point.at > last);
    const theirs = columns.at.map((at, i) => ({ at, ...Object.fromEntries(this.names.map((name) => [name, columns[name]?.[i] ?? null])) }));
    this.points = [...old, ...theirs, ...young];
    this.#forget();
  }

  get end() {
    return this.points.at(-1)?.at ?? Date.now();
  }

  /** Milliseconds that a picture shows: a minute while there is no more, so that a process that has just begun fills it. */
  get span() {
    return this.end - (this.points[0]?.at ?? this.end) < SHORT ? SHORT : KEPT;
  }

  /** The point nearest to a time, where there is one near. */
  near(at) {
    let best = null;
    for (const point of this.points) if (!best || Math.abs(point.at - at) < Math.abs(best.at - at)) best = point;
    return best && Math.abs(best.at - at) <= TOO_FAR ? best : null;
  }

  /** Pieces of a line, cut where nothing is known. */
  pieces(name) {
    const found = [];
    let piece = null;
    let before = -Infinity;
    for (const point of this.points) {
      const value = point[name];
      if (value === null || value === undefined) {
        piece = null;
        continue;
      }
      if (!piece || point.at - before > TOO_FAR) found.push((piece = []));
      piece.push([point.at, value]);
      before = point.at;
    }
    return found;
  }

  #forget() {
    const oldest = this.end - KEPT - 5000;
    let n = 0;
    while (n < this.points.length && this.points[n].at < oldest) n += 1;
    if (n) this.points.splice(0, n);
  }
}
