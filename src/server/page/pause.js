// Says how long to wait before a stream that has ended is opened again.

/** The least and the longest pause, in milliseconds. */
const [LEAST, LONGEST] = [1_000, 30_000];

/**
 * A random pause, in milliseconds, so that the clients of a service that restarts do not all come back together. It is the longer
 * the more streams in a row have ended without an event. `base` is what the server asks for, or null; `random` is from 0 to 1.
 */
export function pauseAfter(ends, base, random = Math.random()) {
  const most = Math.min(LONGEST, Math.max(LEAST, base ?? LEAST) * 2 ** ends);
  return LEAST + random * (most - LEAST);
}
