// Shows how the sources are doing, and what would switch on those that are off.

import { element, say, showTable } from "./dom.js";
import { clock, count, words } from "./words.js";

const COLUMNS = ["Source", "State", "Left of its limits", "Latency", "Last error"];

/** Shows the reply of `/sources`. */
export function showSources({ sources, off }) {
  document.getElementById("sources").hidden = false;
  const head = COLUMNS.map((name) => element("th", { scope: "col", role: "columnheader" }, name));
  const table = element(
    "table", { className: "sources", role: "table" },
    element("caption", { className: "unseen" }, "Sources that are on"),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...head)),
    element("tbody", { role: "rowgroup" }, ...sources.map(row)),
  );
  const on = document.getElementById("on");
  if (sources.length > 0) showTable(on, table);
  else on.replaceChildren(element("p", {}, "No source is on."));
  showOff(off);
}

function row(source) {
  const cell = (number, ...children) => element("td", { role: "cell", "data-label": COLUMNS[number] }, ...children);
  const [state, because] = stateOf(source);
  const glyph = { fine: "●", careful: "◐", stopped: "○", idle: "–" }[state.kind];
  return element(
    "tr", { role: "row", "data-source": source.name, className: state.kind },
    element("th", { scope: "row", role: "rowheader" }, source.name,
      element("span", { className: "because" }, source.about)),
    cell(1, element("span", { className: "verdict" },
      element("span", { className: "glyph", "aria-hidden": "true" }, glyph), " ", state.text),
      because === null ? null : element("span", { className: "because" }, because)),
    cell(2, limits(source.limits)),
    cell(3, latency(source)),
    cell(4, ...lastError(source.last_error)),
  );
}

/** Its state in words, the worst first, and why. */
function stateOf({ breaker, cooldown, failing, lately, last_success: lastSuccess }) {
  const stopped = (text, detail) => [{ kind: "stopped", text }, detail];
  const careful = (text, detail) => [{ kind: "careful", text }, detail];
  if (breaker.state === "open") return stopped(`breaker open until ${clock(breaker.until)}`, failing?.detail ?? null);
  if (cooldown !== null) return stopped(`left alone until ${clock(cooldown.until)}`, cooldown.detail);
  if (breaker.state === "half_open") return careful("breaker half open: one call decides", null);
  if (failing !== null) return careful(`failing; next call at ${clock(failing.until)}`, failing.detail);
  if (lately.persistent_outlier) {
    return careful("answers, but is off", `${lately.outliers} of its last ${lately.compared} quotes were outliers`);
  }
  return [lastSuccess === null ? { kind: "idle", text: "not asked yet" } : { kind: "fine", text: "answers" }, null];
}

function limits(limits) {
  const list = limits.map(({ limit, left }) => element("li", {}, `${left} of ${limit}`));
  return list.length === 0 ? "no limit" : element("ul", { className: "limits" }, ...list);
}

function latency({ latency_p50_ms: half, latency_p99_ms: most }) {
  return half === null ? "–" : `${half} ms, 99 % within ${most} ms`;
}

function lastError(error) {
  if (error === null) return ["none"];
  return [`${words(error.reason)} at ${clock(error.at)}`, element("span", { className: "because" }, error.detail)];
}

function showOff(off) {
  const node = document.getElementById("off");
  node.hidden = off.length === 0;
  const [summary, list] = node.children;
  say(summary, `${count(off.length, "more source is", "more sources are")} off`);
  if (list.childElementCount === off.length) return;
  const item = ({ name, about, switch_on: switchOn }) =>
    element("li", {}, element("strong", {}, name), ` ${about}: `, element("span", {}, switchOn));
  list.replaceChildren(...off.map(item));
}
