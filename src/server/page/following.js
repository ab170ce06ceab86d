// Follows prices: keeps one stream of the service open while the page is seen, and opens it again whenever it ends.
//
// It is read with `fetch`, since the browser's own `EventSource` cannot send a key. Where there is no stream, the page asks again
// and again instead, so nothing here is an error for those who look at the page.

import { Refused } from "./asking.js";
import { EventParser } from "./events.js";
import { pauseAfter } from "./pause.js";

/** A stream that has said nothing for longer than this may be dead, so what is answered counts. In milliseconds. */
const QUIET = 20_000;

/** How long to wait where there is no stream: one that is missing while a proxy starts may be there later. In milliseconds. */
const MISSING = 300_000;

/** The longest silence, in milliseconds: the service says something every 15 s, unless something in between keeps it back. */
const SILENCE = 45_000;

export class Following {
  #asking;
  #told;
  #refused;
  /** The stream that is open or being opened; null if none is. */
  #stream = null;
  #timer = null;
  /** How many streams in a row have ended without an event. */
  #ends = 0;
  /** The pause that the service asked for, in milliseconds; null if it has not. */
  #retry = null;
  /** Before this time by the page's own clock, no stream is opened. */
  #notBefore = -Infinity;
  /** The symbols of which the present stream tells every change. */
  #symbols = new Set();
  /** What is followed: the query of a look; null if nothing is. */
  query = null;
  /** When the present stream said something last, by the page's own clock; -Infinity if it has not. */
  heard = -Infinity;
  /** The same by the computer's clock: the page's own clock may stand still while the computer sleeps. */
  #heardAt = -Infinity;

  /**
   * `told` is given each entry and the stream that it came with, and returns whether the stream tells of every change of its symbol from
   * now on; `refused` is called when the key is refused.
   */
  constructor(asking, told, refused) {
    [this.#asking, this.#told, this.#refused] = [asking, told, refused];
    const isSeen = () => (document.hidden ? this.#end() : this.#begin());
    document.addEventListener("visibilitychange", isSeen);
    // a page that is left may be kept by the browser, and come back as it was
    window.addEventListener("pagehide", () => this.#end());
    window.addEventListener("pageshow", isSeen);
  }

  /** Whether the present stream has told of a symbol, and is alive, and so tells of every change of it. */
  hasToldOf(symbol) {
    const isAlive = performance.now() - this.heard < QUIET && Math.abs(Date.now() - this.#heardAt) < QUIET;
    return isAlive && this.#symbols.has(symbol);
  }

  /** Follows what this query asks for, and nothing else. */
  follow(query) {
    if (query === this.query) return;
    this.stop();
    this.query = query;
    this.#begin();
  }

  /** Follows nothing any more. */
  stop() {
    [this.query, this.#ends, this.#notBefore] = [null, 0, -Infinity];
    this.#end();
  }

  #begin() {
    if (this.query === null || this.#stream !== null || document.hidden) return;
    clearTimeout(this.#timer);
    const left = this.#notBefore - performance.now();
    if (left > 0) {
      this.#timer = setTimeout(() => this.#begin(), left);
      return;
    }
    const stream = { ender: new AbortController(), watch: null };
    this.#stream = stream;
    this.#read(stream);
  }

  /** Ends the stream, if there is one, and does not begin it again. */
  #end() {
    clearTimeout(this.#timer);
    const stream = this.#stream;
    [this.#stream, this.heard] = [null, -Infinity];
    this.#symbols.clear();
    clearTimeout(stream?.watch);
    stream?.ender.abort();
  }

  async #read(stream) {
    let refusal = null;
    try {
      this.#watch(stream);
      const body = await this.#asking.stream(`prices/stream?${this.query}&quotes=true&every=1s`, stream.ender.signal);
      await this.#readAll(stream, body.getReader());
    } catch (error) {
      if (error instanceof Refused) refusal = error;
      // a connection that breaks is like any other end
    }
    // what the page has ended is not opened again
    if (this.#stream !== stream) return;
    this.#end();
    if (refusal?.status === 401) return this.#refused(refusal);
    this.#ends += 1;
    const pause = refusal !== null && isLasting(refusal.status) ? MISSING : pauseAfter(this.#ends, this.#retry);
    this.#notBefore = performance.now() + Math.max(pause, refusal?.after ?? 0);
    this.#begin();
  }

  /** Reads up to the end, or to the event that announces it. */
  async #readAll(stream, reader) {
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#stream !== stream) return;
      this.#watch(stream);
      [this.heard, this.#heardAt] = [performance.now(), Date.now()];
      for (const { name, data } of parser.read(value)) {
        if (name === "bye") return;
        if (name === "price") this.#tell(JSON.parse(data), stream);
        // what was told may have led to another question
        if (this.#stream !== stream) return;
      }
      this.#retry = parser.retry ?? this.#retry;
    }
  }

  #tell(entry, stream) {
    this.#ends = 0;
    if (this.#told(entry, stream)) this.#symbols.add(entry.symbol);
  }

  /** Has the stream end if it says nothing from now on. */
  #watch(stream) {
    clearTimeout(stream.watch);
    stream.watch = setTimeout(() => stream.ender.abort(), SILENCE);
  }
}

/** Whether a refusal is likely to stay for a while: the service, or what is in between, has no such path, or wants no such question. Too
 * many streams or requests may be fewer soon. */
function isLasting(status) {
  return status === 501 || (status < 500 && ![408, 429].includes(status));
}
