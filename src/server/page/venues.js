// The demo's buttons: they break the simulated venues, and heal them.

import { element, say } from "./dom.js";

/** What a venue does, and the button that makes it do so. */
const MOODS = {
  heal: { does: "is honest", button: "Heal" },
  lie: { does: "lies by 8 %", button: "Lie" },
  label: { does: "states the wrong currency", button: "Mislabel" },
  "old-trade": { does: "shows an old trade", button: "Old trade" },
  hang: { does: "hangs", button: "Hang" },
  429: { does: "refuses calls", button: "Refuse" },
  die: { does: "breaks off", button: "Die" },
};

export class Venues {
  #asking;
  #changed;
  #rows = new Map();

  /** `changed` is called when a venue has changed its mood. */
  constructor(asking, changed) {
    this.#asking = asking;
    this.#changed = changed;
  }

  /** Asks how the venues are, and shows it. */
  async look() {
    this.show(await this.#asking.json("demo/venues"));
  }

  show({ venues }) {
    const section = document.getElementById("venues");
    if (section.hidden) {
      document.getElementById("moods").append(...venues.map((venue) => this.#row(venue)));
      section.hidden = false;
    }
    for (const venue of venues) this.#mark(venue);
  }

  #row({ venue, can }) {
    const state = element("span", { className: "mood" });
    const buttons = can.map((mood) => {
      const button = element("button", { type: "button", "aria-label": `${MOODS[mood]?.button ?? mood}: ${venue}` },
        MOODS[mood]?.button ?? mood);
      button.dataset.mood = mood;
      button.addEventListener("click", () => this.#set(venue, mood));
      return button;
    });
    this.#rows.set(venue, { state, buttons });
    const name = element("p", {}, element("strong", {}, venue), " ", state);
    const row = element("div", { className: "venue", role: "group", "aria-label": venue }, name,
      element("div", { className: "buttons" }, ...buttons));
    row.dataset.venue = venue;
    return row;
  }

  #mark({ venue, mood }) {
    const { state, buttons } = this.#rows.get(venue) ?? {};
    if (state === undefined) return;
    say(state, MOODS[mood]?.does ?? mood);
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.mood === mood));
    state.closest(".venue").classList.toggle("broken", mood !== "heal");
  }

  async #set(venue, mood) {
    try {
      await this.#asking.post(`demo/${venue}/${mood}`);
      this.#mark({ venue, mood });
    } catch {
      // the next look finds out whether the service is gone, and says so
    }
    this.#changed();
  }
}
