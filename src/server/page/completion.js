// Completes the symbol at the cursor from `/symbols`, as a combobox with a list box (ARIA Authoring Practices).

import { element } from "./dom.js";

const MOST = 8;

/** How long nothing must be typed before the service is asked. */
const CALM = 120;

export class Completion {
  #field;
  #list;
  #asking;
  #active = -1;
  #timer = null;
  #under = null;

  constructor(field, list, asking) {
    [this.#field, this.#list, this.#asking] = [field, list, asking];
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
    })) field.setAttribute(name, value);
    field.addEventListener("input", () => this.#typed());
    field.addEventListener("keydown", (event) => this.#key(event));
    field.addEventListener("blur", () => this.close());
    // a press must not take the focus away before the click comes
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => this.#take(event.target.closest("[role=option]")));
  }

  close() {
    clearTimeout(this.#timer);
    this.#under?.abort();
    this.#list.hidden = true;
    this.#list.replaceChildren();
    this.#field.setAttribute("aria-expanded", "false");
    this.#activate(-1);
  }

  /** Where the symbol at the cursor begins and ends. */
  #part() {
    const { value, selectionStart: cursor } = this.#field;
    const begin = value.lastIndexOf(",", cursor - 1) + 1;
    const comma = value.indexOf(",", cursor);
    const end = comma < 0 ? value.length : comma;
    return { begin, end, text: value.slice(begin, end).trim() };
  }

  #typed() {
    clearTimeout(this.#timer);
    const { text } = this.#part();
    if (text === "" || text.length > 64 || !this.#asking.mayAsk) return this.close();
    this.#timer = setTimeout(() => this.#ask(text), CALM);
  }

  async #ask(text) {
    this.#under?.abort();
    const under = new AbortController();
    this.#under = under;
    try {
      const found = await this.#asking.json(`symbols?q=${encodeURIComponent(text)}&limit=${MOST}`, under.signal);
      if (!under.signal.aborted && document.activeElement === this.#field) this.#show(found.symbols);
    } catch {
      // the prices say what is wrong; a list that does not open is enough here
    }
  }

  #show(symbols) {
    const option = ({ symbol, class: kind, called }, place) => element(
      "li", { id: `found-${place}`, role: "option", "aria-selected": "false", "data-symbol": symbol },
      element("span", { className: "symbol" }, symbol), element("span", { className: "kind" }, called === null ? kind : `${called}, ${kind}`),
    );
    this.#list.replaceChildren(...symbols.map(option));
    this.#list.hidden = symbols.length === 0;
    this.#field.setAttribute("aria-expanded", String(symbols.length > 0));
    this.#activate(-1);
  }

  #activate(place) {
    const options = [...this.#list.children];
    this.#active = place;
    options.forEach((option, number) => option.setAttribute("aria-selected", String(number === place)));
    if (place < 0) this.#field.removeAttribute("aria-activedescendant");
    else {
      this.#field.setAttribute("aria-activedescendant", options[place].id);
      options[place].scrollIntoView({ block: "nearest" });
    }
  }

  #key(event) {
    const options = this.#list.childElementCount;
    if (event.key === "Escape" && options > 0) {
      event.preventDefault();
      this.close();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && options > 0) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      // from -1, which is the field itself, round to the other end
      this.#activate(((this.#active + 1 + step + options + 1) % (options + 1)) - 1);
    } else if (event.key === "Enter" && this.#active >= 0) {
      event.preventDefault();
      this.#take(this.#list.children[this.#active]);
    }
  }

  /** Puts a symbol in the place of the one at the cursor. */
  #take(option) {
    if (!option) return;
    const field = this.#field;
    const { begin, end } = this.#part();
    const before = field.value.slice(0, begin);
    const text = `${before}${before === "" ? "" : " "}${option.dataset.symbol}`;
    field.value = text + field.value.slice(end);
    field.setSelectionRange(text.length, text.length);
    this.close();
  }
}
