// Says what codes and milliseconds mean.

/** `currency_mismatch` as words. */
export function words(code) {
  return code.replaceAll("_", " ");
}

/** A length of time, as short as it can be said. */
export function span(milliseconds) {
  const seconds = Math.max(0, milliseconds) / 1000;
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    // two days rather than 47 hours, but 100 minutes rather than one hour
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

/** A limit on an age, exactly. */
export function exactly(milliseconds) {
  for (const [unit, size] of [["d", 86400e3], ["h", 3600e3], ["min", 60e3], ["s", 1e3]]) {
    if (milliseconds >= size && milliseconds % size === 0) return `${milliseconds / size} ${unit}`;
  }
  return `${milliseconds} ms`;
}

/** The time of day of a timestamp, where the reader is. */
export function clock(timestamp) {
  const at = new Date(timestamp);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** `1 source`, `2 sources`. */
export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** Basis points with a sign, or per cent from one per cent on. */
export function deviation(bps) {
  const number = Number(bps);
  const sign = number < 0 ? "−" : "+";
  const size = Math.abs(number);
  return size >= 100 ? `${sign}${(size / 100).toFixed(1)} %` : `${sign}${size.toFixed(1)} bps`;
}

/** What a status of a symbol means, in a word and a mark that is not only a colour. */
export const STATUS = {
  ok: { word: "ok", mark: "●" },
  degraded: { word: "degraded", mark: "◐" },
  unavailable: { word: "unavailable", mark: "○" },
  unknown: { word: "unknown", mark: "?" },
};
