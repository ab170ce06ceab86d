// Draws the strip: one mark per source on a price axis, with the band in which quotes count.
//
// Quotes of one price differ by a basis point, and wrong ones by hundreds. So the axis is stretched around the price: a
// distance is drawn as its inverse hyperbolic sine, which is nearly linear up to a basis point, and logarithmic beyond.

import { drawn, element } from "./dom.js";
import { words } from "./words.js";

/** The most sources that have a line each; of more, those that say the same share one. */
const MOST_LINES = 8;

const LINE = 17;
const TOP = 3;
const AXIS = 17;

/** The width of a letter, generously. */
const LETTER = 7;

/** Where the faint lines stand, in basis points. */
const GRID = [1, 10, 100];

/** The strip of an entry, for this many pixels; null if no source was asked. */
export function strip(entry, width) {
  if (entry.quotes === null || entry.quotes.length === 0) return null;
  const scale = scaled(entry);
  const lines = lined(entry.quotes);
  const left = Math.max(width > 480 ? 72 : 0, Math.min(124, widest(lines.map((line) => line.name)) + 14));
  const labels = lines.map((line) => line.label);
  const right = labels.some(Boolean) ? Math.min(140, widest(labels) + 20) : 6;
  const [from, to] = [left + 4, Math.max(left + 60, width - right - 4)];
  const height = TOP + lines.length * LINE;
  const at = (bps) => from + ((scale.of(bps) + 1) / 2) * (to - from);
  const svg = drawn("svg", {
    class: "strip", width, height: height + AXIS, role: "img", "aria-label": summary(entry, scale),
  });
  svg.append(...background(scale, at, from, to, height));
  lines.forEach((line, number) => svg.append(...drawnLine(line, TOP + number * LINE + LINE / 2, scale, at, from, to)));
  svg.append(...axis(entry, scale, at, from, to, height));
  return svg;
}

function widest(texts) {
  return Math.max(...texts.map((text) => text.length)) * LETTER;
}

/** The middle of the axis, the band, and where a distance from the middle is drawn: from -1 to 1. */
function scaled(entry) {
  const prices = entry.quotes.map((quote) => quote.price).filter((price) => price !== null).map(Number);
  const stated = entry.conversion?.price ?? entry.price;
  const middle = stated === null ? median(prices) : Number(stated);
  const away = (price) => ((Number(price) - middle) / middle) * 1e4;
  const beyond = entry.rule ? Number.parseFloat(entry.rule.outlier_beyond) * 100 : 100;
  const farthest = Math.max(beyond * 1.7, ...prices.map((price) => Math.abs(away(price)) * 1.35));
  const end = Math.asinh(Math.min(farthest, beyond * 20));
  const of = (bps) => Math.max(-1, Math.min(1, Math.asinh(bps) / end));
  return { middle, away, of, beyond, end, text: stated, hasBand: stated !== null };
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  if (sorted.length === 0) return 1;
  // of two camps that disagree, neither is the middle
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
}

/** The lines, from top to bottom: names on the left, quotes, and what is wrong with them on the right. */
function lined(quotes) {
  const line = (name, some) => ({ name, label: some[0].status === "used" ? "" : why(some[0]), quotes: some });
  if (quotes.length <= MOST_LINES) return quotes.map((quote) => line(quote.source, [quote]));
  const groups = Map.groupBy(quotes, (quote) => `${quote.status} ${quote.reason}`);
  const used = [...groups].toSorted(([a], [b]) => Number(b.startsWith("used")) - Number(a.startsWith("used")));
  return used.map(([, some]) => line(some.length === 1 ? some[0].source : `${some.length} sources`, some));
}

/** Why a quote does not count, in a word or two. */
function why(quote) {
  return words(quote.reason ?? quote.failure ?? quote.status);
}

function background(scale, at, from, to, height) {
  const nodes = [];
  if (scale.hasBand) {
    const [low, high] = [at(-scale.beyond), at(scale.beyond)];
    nodes.push(drawn("rect", { class: "band", x: low, y: 0, width: high - low, height, rx: 3 }));
    for (const x of [low, high]) nodes.push(drawn("line", { class: "edge", x1: x, x2: x, y1: 0, y2: height }));
  }
  for (const bps of GRID.flatMap((bps) => [-bps, bps])) {
    const x = at(bps);
    if (x > from && x < to) nodes.push(drawn("line", { class: "grid", x1: x, x2: x, y1: 0, y2: height }));
  }
  nodes.push(drawn("line", { class: scale.hasBand ? "price" : "grid", x1: at(0), x2: at(0), y1: 0, y2: height }));
  return nodes;
}

function drawnLine(line, y, scale, at, from, to) {
  const nodes = [
    drawn("text", { class: "name", x: from - 8, y: y + 4, "text-anchor": "end" }, shortened(line.name)),
    drawn("line", { class: "lane", x1: from, x2: to, y1: y, y2: y }),
    ...line.quotes.flatMap((quote) => marks(quote, y, scale, at)),
  ];
  if (line.label) {
    const failed = line.quotes[0].status === "failed";
    nodes.push(failed ? cross(to + 10, y) : diamond(to + 10, y, 3));
    nodes.push(drawn("text", { class: "why", x: to + 18, y: y + 4 }, line.label));
  }
  return nodes;
}

function shortened(name) {
  return name.length > 16 ? `${name.slice(0, 15)}…` : name;
}

/** The marks of one quote: its book as a bar, and its price as a tick, or as a diamond if it is excluded. */
function marks(quote, y, scale, at) {
  if (quote.price === null) return [];
  const group = drawn("g", { class: quote.status }, drawn("title", {}, spoken(quote)));
  if (quote.bid !== null && quote.ask !== null) {
    const [bid, ask] = [at(scale.away(quote.bid)), at(scale.away(quote.ask))];
    const [x, width] = [Math.min(bid, ask), Math.max(2, Math.abs(ask - bid))];
    const kind = quote.book === "counts" ? "book" : "book idle";
    group.append(drawn("rect", { class: kind, x, y: y - 2.5, width, height: 5, rx: 1.5 }));
  }
  const x = at(scale.away(quote.price));
  group.append(quote.status === "used" ? tick(x, y) : diamond(x, y, 5));
  return [group];
}

function tick(x, y) {
  return drawn("rect", { class: "tick", x: x - 1.5, y: y - 7, width: 3, height: 14, rx: 1.5 });
}

function diamond(x, y, size) {
  return drawn("path", { class: "diamond", d: `M${x} ${y - size}l${size} ${size}l${-size} ${size}l${-size} ${-size}z` });
}

function cross(x, y) {
  return drawn("path", { class: "cross", d: `M${x - 3} ${y - 3}l6 6m0 -6l-6 6` });
}

function axis(entry, scale, at, from, to, height) {
  const y = height + 13;
  const label = (x, anchor, text) => drawn("text", { class: "axis", x, y, "text-anchor": anchor }, text);
  if (!scale.hasBand) return [label(at(0), "middle", "no price")];
  const percent = `${scale.beyond / 100} %`;
  const [low, high] = [at(-scale.beyond), at(scale.beyond)];
  const middle = label(at(0), "middle", scale.text);
  const [whole, part = ""] = scale.text.split(".");
  // seven digits are enough for an edge
  const digits = Math.min(part.length, Math.max(0, 7 - whole.length));
  const edge = (sign) => {
    const price = scale.middle * (1 + (sign * scale.beyond) / 1e4);
    const text = `${sign < 0 ? "−" : "+"}${percent}`;
    return high - low > 380 ? `${text} · ${price.toFixed(digits)}` : text;
  };
  const isTight = (high - low) / 2 < (scale.text.length * LETTER) / 2 + 40;
  // the price stands above, in large figures
  return [label(low, "start", edge(-1)), isTight ? "" : middle, label(high, "end", edge(1))];
}

/** One quote in words. */
function spoken(quote) {
  const price = quote.price === null ? "" : ` ${quote.price}`;
  const verdict = quote.status === "used" ? "used" : `${quote.status}, ${why(quote)}`;
  const book = quote.bid !== null && quote.ask !== null ? `, bid ${quote.bid}, ask ${quote.ask}` : "";
  return `${quote.source}${price}, ${verdict}${book}`;
}

/** The strip in words. */
function summary(entry, scale) {
  const quotes = entry.quotes.map(spoken).join("; ");
  const band = scale.hasBand ? ` Quotes within ${scale.beyond / 100} % of the price count.` : "";
  return `${entry.symbol}, quotes of ${entry.quotes.length} sources: ${quotes}.${band}`;
}

/** What the marks mean. */
export function legend() {
  const glyph = (node) => drawn("svg", { class: "strip glyph", width: 26, height: 18, "aria-hidden": "true" }, node);
  const row = (node, text) => element("li", {}, glyph(node), element("span", {}, text));
  return element(
    "ul",
    {},
    row(drawn("g", { class: "used" }, tick(13, 9)), "a quote that is used"),
    row(diamond(13, 9, 5), "a quote that is excluded, with the reason beside it"),
    row(cross(13, 9), "a source that failed and has no quote, with the reason beside it"),
    row(drawn("g", { class: "used" }, drawn("rect", { class: "book", x: 3, y: 6, width: 20, height: 5, rx: 1.5 })), "a book, from bid to ask; hollow if it does not count"),
    row(drawn("rect", { class: "band", x: 1, y: 1, width: 24, height: 16, rx: 3 }), "how far from the price a quote may be"),
    row(drawn("line", { class: "grid", x1: 13, x2: 13, y1: 0, y2: 18 }), "1, 10 and 100 basis points from the price: the axis is stretched around it, so that quotes which nearly agree can be told apart"),
  );
}
