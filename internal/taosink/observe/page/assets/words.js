// Numbers and times as a person reads them. No-break spaces, so that a unit stays with its number.

export const UNKNOWN = "–";
const SPACE = "\u00a0";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

const known = (n) => typeof n === "number" && Number.isFinite(n);

/** 0, 7, 9,999, 12.3 k, 4.56 M. */
export function count(n) {
  if (!known(n)) return UNKNOWN;
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (Math.abs(n) >= size) {
      const shown = n / (unit === "k" ? 1e3 : size);
      return `${Number.isInteger(shown) ? shown : shown.toFixed(shown >= 100 ? 0 : shown >= 10 ? 1 : 2)}${SPACE}${unit}`;
    }
  }
  return whole.format(n);
}

/** As count, with a decimal where the number is small. */
export function rate(n) {
  if (!known(n)) return UNKNOWN;
  return n > 0 && n < 10 && !Number.isInteger(n) ? n.toFixed(1) : count(n);
}

/** In full: offsets, for example. */
export const exact = (n) => (known(n) ? whole.format(n) : UNKNOWN);

export function bytes(n) {
  if (!known(n)) return UNKNOWN;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at += 1;
  }
  return `${at && n < 100 ? n.toFixed(1) : whole.format(n)}${SPACE}${units[at]}`;
}

/** In short, a number that is known to be whole without its decimal: 3 ms, 0.4 s, 32 s, 5 min 12 s, 3 h 4 min, 2 d 3 h. */
export function seconds(n) {
  if (!known(n)) return UNKNOWN;
  if (n > 0 && n < 0.0995) return `${(n * 1000).toFixed(n < 0.00995 ? 1 : 0)}${SPACE}ms`;
  if (n < 9.95) return `${Number.isInteger(n) ? n : n.toFixed(1)}${SPACE}s`;
  if (n < 119.5) return `${Math.round(n)}${SPACE}s`;
  const total = Math.floor(n);
  const parts =
    total < 3600
      ? [[Math.floor(total / 60), "min"], [total % 60, "s"]]
      : total < 172800
        ? [[Math.floor(total / 3600), "h"], [Math.floor((total % 3600) / 60), "min"]]
        : [[Math.floor(total / 86400), "d"], [Math.floor((total % 86400) / 3600), "h"]];
  return parts.map(([value, unit]) => `${value}${SPACE}${unit}`).join(" ");
}

export function percent(share) {
  if (!known(share)) return UNKNOWN;
  return `${share > 0 && share < 0.01 ? "< 1" : Math.round(share * 100)}${SPACE}%`;
}

/** The time of day here; with the day where that is another one. */
export function clock(at) {
  const when = new Date(at);
  if (Number.isNaN(when.getTime())) return UNKNOWN;
  const time = when.toLocaleTimeString("en-GB");
  return when.toDateString() === new Date().toDateString() ? time : `${when.toLocaleDateString("en-CA")} ${time}`;
}

/** A token such as `not_found` as words. */
export const plain = (token) => String(token).replaceAll("_", " ");
