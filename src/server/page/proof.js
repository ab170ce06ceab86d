// Shows the proof of a price: every quote with its reason, and the rule that was applied.

import { element } from "./dom.js";
import { deviation, exactly, words } from "./words.js";

const COLUMNS = ["Source", "Verdict", "Price", "Bid – ask", "Off by", "Age", "Took"];

const MARKS = { used: "▮", excluded: "◇", failed: "✕" };

/** The nodes of a proof. Texts of ages have the time that they count from in `data-at`. */
export function proof(entry) {
  const nodes = [];
  if (entry.quotes?.length > 0) nodes.push(quotes(entry));
  if (entry.conversion !== null) nodes.push(conversion(entry.conversion));
  if (entry.rule !== null) nodes.push(rule(entry.rule));
  if (nodes.length === 0) nodes.push(element("p", {}, "No source was asked."));
  return nodes;
}

/** The roles are stated because a narrow page does not lay this out as a table. */
function quotes(entry) {
  const head = COLUMNS.map((name) => element("th", { scope: "col", role: "columnheader" }, name));
  return element(
    "table", { className: "quotes", role: "table" },
    element("caption", { className: "unseen" }, `Quotes of ${entry.symbol}`),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...head)),
    element("tbody", { role: "rowgroup" }, ...entry.quotes.map(quote)),
  );
}

function quote(said) {
  const cell = (number, value, more = null) => {
    const className = value === null ? "nothing" : "";
    return element("td", { role: "cell", "data-label": COLUMNS[number], className }, value ?? "–", more);
  };
  const book = said.bid === null || said.ask === null ? null : `${said.bid} – ${said.ask}`;
  const isIdle = book !== null && said.book !== "counts" && said.book !== null;
  const at = Date.parse(said.observed_at ?? said.received_at);
  const age = said.price === null ? null : element("span", { "data-at": at }, "");
  return element(
    "tr", { role: "row", className: said.status },
    element("th", { scope: "row", role: "rowheader" }, said.source),
    cell(1, element("span", { className: "verdict" },
      element("span", { className: "glyph", "aria-hidden": "true" }, MARKS[said.status] ?? ""), " ", verdict(said)),
      element("span", {}, ...because(said))),
    cell(2, said.price),
    cell(3, book, isIdle ? element("span", { className: "because" }, words(said.book)) : null),
    cell(4, said.deviation_bps === null ? null : deviation(said.deviation_bps)),
    cell(5, age),
    cell(6, said.latency_ms === null ? null : `${said.latency_ms} ms`),
  );
}

function verdict({ status, reason, failure }) {
  const why = reason ?? failure;
  return why === null ? status : `${status}, ${words(why)}`;
}

/** What is wrong with a quote, and how a quote of another pair became one of this. */
function because({ detail, derivation }) {
  const line = (text) => element("span", { className: "because" }, text);
  return [detail === null ? null : line(detail), derivation === null ? null : line(derived(derivation))];
}

function derived(derivation) {
  const rates = derivation.rates.map(
    (rate) => `${rate.inverse ? "divided by" : "times"} ${rate.symbol} ${rate.price ?? "without a price"}`,
  );
  const asked = `${derivation.symbol} ${derivation.price ?? "without a price"}`;
  return [`from ${derivation.inverse ? "the inverse of " : ""}${asked}`, ...rates].join(", ");
}

function conversion({ from, to, symbol, price, rate, status, detail, used }) {
  const sentence = rate === null
    ? `${price} ${from} cannot be converted to ${to}: ${detail ?? "there is no rate"}.`
    : `${price} ${from} is converted to ${to} with ${symbol} at ${rate} (${status}), the rate of ${used.join(", ")}.`;
  return element("p", { className: "conversion" }, sentence);
}

function rule(rule) {
  const below = rule.below_quorum === "refuse" ? "there is no price with fewer" : "a price with fewer is degraded";
  const rows = [
    ["Vendors", `${rule.required} must agree, ${rule.covering} cover it; ${below}`],
    ["Outlier", `a quote more than ${rule.outlier_beyond} from the median`],
    ["Disagreement", `quotes more than ${rule.disagree_beyond} apart, with no majority`],
    ["Book", rule.book_within === null ? "not used" : `counts if bid and ask are within ${rule.book_within}`],
    ["Age", `quotes count for ${exactly(rule.usable_for_ms)}, as a fallback for ${exactly(rule.fallback_for_ms)}`],
    ["Your limit", rule.max_age_ms === null ? null : `quotes of at most ${exactly(rule.max_age_ms)}`],
    ["Hours", rule.hours === null ? null : `${rule.hours}, ${rule.market}`],
  ];
  const said = rows.filter(([, text]) => text !== null);
  const pairs = said.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]);
  return element("div", { className: "rule" }, element("h4", {}, "The rule"), element("dl", {}, ...pairs));
}

