// Asks the service: with the key, if there is one, and with a limit on the time that it may take.

/** Longer than any answer takes, unless the server's own timeouts are set to more than a minute. */
const PATIENCE = 60_000;

const KEPT_AS = "quotefold-key";

/** The service did not answer, or answered that it is not there. */
export class Gone extends Error {}

/** The service refuses the question; the message is its own. `after` is when to ask again, in milliseconds. */
export class Refused extends Error {
  constructor(status, message, after) {
    super(message);
    this.status = status;
    this.after = after;
  }
}

export class Asking {
  #isKeyed;

  /** `isKeyed`: whether the service requires a key. */
  constructor(isKeyed) {
    this.#isKeyed = isKeyed;
  }

  /** Whether there is any use in asking. */
  get mayAsk() {
    return !this.#isKeyed || this.key !== null;
  }

  /** The key of this tab; null if there is none. */
  get key() {
    return sessionStorage.getItem(KEPT_AS);
  }

  set key(key) {
    if (key === null) sessionStorage.removeItem(KEPT_AS);
    else sessionStorage.setItem(KEPT_AS, key);
  }

  /** The reply to a GET as it is. */
  async get(path, signal) {
    return this.#send(path, { signal });
  }

  /** The reply to a GET that has no other good answer than a 200. */
  async json(path, signal) {
    const reply = await this.get(path, signal);
    if (!reply.ok) throw await refusal(reply);
    return reply.json();
  }

  async post(path) {
    const reply = await this.#send(path, { method: "POST" });
    if (!reply.ok) throw await refusal(reply);
  }

  /** Prices, with the times at which they were asked for, and the reply came and was served. A 404 or 503 with prices is an answer. */
  async prices(query) {
    const asked = performance.now();
    const reply = await this.get(`prices?${query}`);
    if (!reply.headers.has("prices-status")) throw await refusal(reply);
    const came = performance.now();
    const served = Date.parse(reply.headers.get("date")) || Date.now();
    try {
      return { ...(await reply.json()), asked, came, served, after: retryAfter(reply) };
    } catch {
      throw new Gone("the answer broke off");
    }
  }

  /** The body of a reply that goes on until `signal` ends it. How long it may take is the caller's to say. */
  async stream(path, signal) {
    const reply = await this.#fetch(path, { signal });
    // a server that knows no streams still answers, and so may a proxy in its place
    const isNone = reply.status === 501 || (reply.ok && !reply.headers.get("content-type")?.startsWith("text/event-stream"));
    if (isNone) throw new Refused(reply.ok ? 404 : reply.status, "no stream", null);
    if (!reply.ok) throw await refusal(reply);
    return reply.body;
  }

  async #send(path, { signal, ...options }) {
    const limit = AbortSignal.timeout(PATIENCE);
    try {
      return await this.#fetch(path, { ...options, signal: signal ? AbortSignal.any([signal, limit]) : limit });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Gone("no answer");
    }
  }

  #fetch(path, options) {
    const headers = this.key === null ? {} : { Authorization: `Bearer ${this.key}` };
    return fetch(path, { ...options, headers, cache: "no-store" });
  }
}

/** Why there are no prices. What is no problem document comes from something in between, such as a proxy. */
async function refusal(reply) {
  const after = retryAfter(reply);
  let problem = null;
  try {
    problem = await reply.json();
  } catch {
    // no document
  }
  if (typeof problem?.detail !== "string") {
    return reply.status >= 500 ? new Gone(`status ${reply.status}`) : new Refused(reply.status, `status ${reply.status}`, after);
  }
  return new Refused(reply.status, problem.detail, after);
}

/** The longest wait, in seconds: a browser's timer takes no more than 24 days, and then ends at once. */
const DAY = 86_400;

function retryAfter(reply) {
  const seconds = Number(reply.headers.get("retry-after"));
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, DAY) * 1000 : null;
}
