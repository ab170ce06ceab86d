// How the page reads server-sent events, and how long it waits between two streams. Nothing here needs a browser.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

/** A script of the page that imports no other, read as the module that a browser takes it for. */
async function script(name) {
  const text = await readFile(new URL(`../../src/server/page/${name}`, import.meta.url), "utf8");
  return import(`data:text/javascript,${encodeURIComponent(text)}`);
}

const { EventParser } = await script("events.js");
const { pauseAfter } = await script("pause.js");

const bytes = (text) => new TextEncoder().encode(text);

/** What a parser reads from pieces, one after the other. */
function readIn(pieces) {
  const parser = new EventParser();
  return { events: pieces.flatMap((piece) => parser.read(piece)), retry: parser.retry };
}

/** The same bytes in two pieces, cut at every place, and byte by byte. */
function* cuts(all) {
  for (let place = 0; place <= all.length; place += 1) yield [all.subarray(0, place), all.subarray(place)];
  yield Array.from(all, (byte) => Uint8Array.of(byte));
}

test("a stream is read the same wherever its bytes are cut, also within a character", () => {
  const stream = 'retry: 3000\n\n: \n\nevent: price\ndata: {"detail":"−0.5 % – 🙂"}\n\n: \n\nevent: bye\ndata: {"reason":"closing"}\n\n';
  const expected = {
    events: [{ name: "price", data: '{"detail":"−0.5 % – 🙂"}' }, { name: "bye", data: '{"reason":"closing"}' }],
    retry: 3000,
  };
  for (const pieces of cuts(bytes(stream))) assert.deepEqual(readIn(pieces), expected);
});

test("lines may end in any of the three ways, wherever their ends are cut", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const stream = ["event: price", "data: 1", "", "data: 2", "", ""].join(end);
    // a carriage return at the very end may be the half of an end, which is one in any case
    const expected = [{ name: "price", data: "1" }, { name: "message", data: "2" }];
    for (const pieces of cuts(bytes(stream))) assert.deepEqual(readIn(pieces).events, expected, JSON.stringify(end));
  }
});

test("data of several lines is one text, and one space after the colon is not part of it", () => {
  const { events } = readIn([bytes("data: a\ndata:b\ndata:  c\ndata\n\n")]);
  assert.deepEqual(events, [{ name: "message", data: "a\nb\n c\n" }]);
});

test("comments, ids, unknown fields and events without data are passed over", () => {
  const { events, retry } = readIn([bytes("\ufeff: a comment\nid: 7\nflavour: sweet\nevent: price\n\nretry: soon\nretry: 1s\n\ndata: x\n\n")]);
  assert.deepEqual(events, [{ name: "message", data: "x" }]);
  assert.equal(retry, null);
});

test("an event that is not whole at the end of a stream is none", () => {
  assert.deepEqual(readIn([bytes("event: price\ndata: 1\n\nevent: price\ndata: 2\n")]).events, [{ name: "price", data: "1" }]);
});

test("an event that does not end is not kept in memory without end", () => {
  for (const piece of [bytes("x".repeat(1 << 20)), bytes(`data: ${"x".repeat(1 << 20)}\n`)]) {
    const parser = new EventParser();
    assert.throws(() => { for (;;) parser.read(piece); }, RangeError);
  }
});

test("the pause is random from 1 to 30 s, begins with what the service asks for, and grows", () => {
  const most = (ends, base) => pauseAfter(ends, base, 1);
  for (const ends of [1, 2, 5, 50, 5000]) assert.equal(pauseAfter(ends, 4000, 0), 1000);
  assert.deepEqual([1, 2, 3, 4, 5000].map((ends) => most(ends, 3000)), [6000, 12_000, 24_000, 30_000, 30_000]);
  assert.deepEqual([1, 2].map((ends) => most(ends, null)), [2000, 4000]);
  assert.deepEqual([most(1, 0), most(1, 1e9)], [2000, 30_000], "a service cannot ask for none, or for days");
  const pauses = Array.from({ length: 100 }, () => pauseAfter(3, 3000));
  assert.ok(new Set(pauses).size > 90 && pauses.every((pause) => pause >= 1000 && pause < 24_000));
});
