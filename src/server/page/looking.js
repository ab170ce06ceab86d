// Looks again and again, politely: one request at a time, not while the page is hidden, more and more rarely while the service
// is gone, and not before the time that the service names.

/** The longest pause while the service is gone. */
const LONGEST = 30_000;

export class Looking {
  #look;
  #every;
  #timer = null;
  #busy = false;
  #again = false;
  #stopped = true;
  #failures = 0;
  /** When the next look is due, by the page's own clock; null while one is under way or none is due. */
  next = null;

  /** `look` returns a pause that the service asks for, or null; it throws if the service did not answer. */
  constructor(look, every) {
    this.#look = look;
    this.#every = every;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#pause() : this.#resume()));
  }

  get isGone() {
    return this.#failures > 0;
  }

  /** Looks now, or right after the request that is under way. */
  now() {
    this.#stopped = false;
    if (this.#busy) this.#again = true;
    else this.#plan(0);
  }

  #resume() {
    // a look that is under way plans the next one itself
    if (!this.#busy) this.#plan(0);
  }

  stop() {
    this.#stopped = true;
    this.#again = false;
    this.#pause();
  }

  #pause() {
    clearTimeout(this.#timer);
    this.next = null;
  }

  #plan(pause) {
    clearTimeout(this.#timer);
    if (this.#stopped || document.hidden) return;
    this.next = performance.now() + pause;
    this.#timer = setTimeout(() => this.#once(), pause);
  }

  async #once() {
    this.#busy = true;
    this.#again = false;
    this.next = null;
    let pause;
    try {
      const asked = await this.#look();
      this.#failures = 0;
      pause = Math.max(this.#every, asked ?? 0);
    } catch {
      this.#failures += 1;
      pause = Math.min(this.#every * 2 ** (this.#failures - 1), LONGEST);
    }
    this.#busy = false;
    this.#plan(this.#again ? 0 : pause);
  }
}
