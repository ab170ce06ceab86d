// Shows one symbol: its price, what is wrong with it, the strip, and, opened, the proof.
//
// A card is made once and then kept up to date, so that what is open stays open and the focus stays where it is.

import { copies, element, isSelected, say } from "./dom.js";
import { proof } from "./proof.js";
import { strip } from "./strip.js";
import { count, span, STATUS } from "./words.js";

let number = 0;

export class Card {
  /** The entry that is shown. */
  #entry = null;
  /** When it came, by the page's own clock, and by the server's. */
  #came = 0;
  #served = 0;
  /** The stream that it came with; null if it was asked for. */
  #stream = null;
  #width = 0;
  #parts;
  node;
  symbol;

  constructor(symbol) {
    this.symbol = symbol;
    const name = element("h3", { id: `symbol-${++number}` }, symbol);
    const made = (tag, className) => element(tag, { className });
    const parts = {
      name, mark: element("span", { className: "mark", "aria-hidden": "true" }), word: made("span", "word"),
      figure: made("span", "figure"), currency: made("span", "currency"), about: made("p", "about"),
      detail: made("p", "detail"), age: made("span", "since"), used: made("span", "share"), drawing: made("div", "drawing"),
      proof: made("div", "proof"),
    };
    const copy = copies(element("button", { type: "button", "aria-describedby": name.id }, "Copy answer"), () => JSON.stringify(this.#entry, null, 2));
    const opened = element(
      "details", {},
      element("summary", {}, "Proof", element("span", { className: "unseen" }, ` of ${symbol}`)),
      parts.proof, element("p", { className: "actions" }, copy),
    );
    opened.addEventListener("toggle", () => this.#showProof());
    parts.opened = opened;
    this.#parts = parts;
    this.node = element(
      "article", { className: "card", "aria-labelledby": name.id },
      element("div", { className: "who" }, name, element("p", { className: "status" }, parts.mark, " ", parts.word)),
      element("div", { className: "what" },
        element("p", { className: "amount" }, parts.figure, " ", parts.currency), parts.about,
        element("p", { className: "basis" }, parts.used, parts.age)),
      parts.drawing, parts.detail, opened,
    );
    new ResizeObserver(() => this.#draw()).observe(parts.drawing);
  }

  /**
   * Shows an entry that a stream has told. It `came` at one time by the page's own clock, and at another by the server's (`served`).
   * Returns whether the stream tells of every change from now on: not if it is behind what is shown.
   */
  tell(entry, { came, served, stream }) {
    // a stream tells of everything in order, but the first that it tells may be from before a look
    const isBehind = this.#stream !== stream && this.#isOlder(entry) && !this.#isSame(entry);
    if (!isBehind) this.#show(entry, came, served, stream);
    return !isBehind;
  }

  /**
   * Shows an entry of a look. While a stream tells of every change (`isFollowed`), a look never changes what it has told: it only
   * brings quotes and ages that the stream does not tell of.
   */
  look(entry, { asked, came, served }, isFollowed) {
    const isAskedLater = asked >= this.#came;
    if (isFollowed ? isAskedLater && this.#isSame(entry) : isAskedLater || !this.#isOlder(entry)) {
      this.#show(entry, came, served, isFollowed ? this.#stream : null);
    }
  }

  /** Whether an entry was folded before the one that is shown, by the server's clock. */
  #isOlder(entry) {
    return this.#entry !== null && Date.parse(entry.as_of) < Date.parse(this.#entry.as_of);
  }

  /** Whether an entry says the same as the one that is shown, as far as a stream tells of changes. */
  #isSame(entry) {
    return ["price", "currency", "status", "reason"].every((field) => entry[field] === this.#entry?.[field]);
  }

  #show(entry, came, served, stream) {
    [this.#entry, this.#came, this.#served, this.#stream] = [entry, came, served, stream];
    const { status, price } = entry;
    const { node } = this;
    if (node.dataset.status !== status) node.dataset.status = status;
    const parts = this.#parts;
    say(parts.mark, STATUS[status]?.mark ?? "");
    say(parts.word, STATUS[status]?.word ?? status);
    say(parts.figure, price ?? "no price");
    parts.figure.classList.toggle("none", price === null);
    say(parts.currency, price === null ? "" : (entry.currency ?? "no stated currency"));
    say(parts.about, about(entry));
    say(parts.detail, entry.detail ?? "");
    parts.detail.hidden = entry.detail === null;
    say(parts.used, used(entry.sources));
    this.#width = 0;
    this.#draw();
    this.#showProof();
    this.tick();
  }

  /** Lets the ages grow. */
  tick() {
    const age = this.#entry?.age_ms ?? null;
    const passed = performance.now() - this.#came;
    say(this.#parts.age, age === null ? "" : `${span(age + passed)} old`);
    for (const node of this.#parts.proof.querySelectorAll("[data-at]")) {
      say(node, span(this.#served + passed - Number(node.dataset.at)));
    }
  }

  #draw() {
    const { drawing } = this.#parts;
    const width = Math.floor(drawing.clientWidth);
    if (this.#entry === null || width === 0 || width === this.#width) return;
    this.#width = width;
    const drawn = strip(this.#entry, width);
    drawing.hidden = drawn === null;
    drawing.replaceChildren(...(drawn ? [drawn] : []));
  }

  #showProof() {
    const { opened, proof: into } = this.#parts;
    if (this.#entry === null || !opened.open || isSelected(into)) return;
    into.replaceChildren(...proof(this.#entry));
    this.tick();
  }
}

/** How sure the price is, and where it comes from. */
function about({ price, plus_minus: plusMinus, conversion, session }) {
  const parts = [];
  if (price !== null) parts.push(plusMinus === null ? "one quote" : `± ${plusMinus}`);
  if (price !== null && conversion !== null) parts.push(`from ${conversion.price} ${conversion.from} at ${conversion.rate}`);
  if (session !== null && session !== "regular") parts.push(session === "closed" ? "market closed" : `${session}-market`);
  return parts.join(" · ");
}

function used({ asked, used }) {
  return asked === 0 ? "no source asked" : `${used} of ${count(asked, "source")} used`;
}
