// The page follows prices through a stream, and falls back to asking where there is none.

import assert from "node:assert/strict";
import { request } from "node:http";
import { beforeEach, test } from "node:test";

import { assertQuiet, becomes, card, open, until } from "./browser.js";
import { ask, Program } from "./program.js";
import { nginx, proxy } from "./proxy.js";
import { browser, demo } from "./together.js";

const KEY = "correct-horse-battery";

/** What the console says of connections that a test breaks. */
const BROKEN = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_SOCKET_NOT_CONNECTED/;

const isStream = (path) => path.startsWith("/prices/stream?");
const isLook = (path) => path.startsWith("/prices?");

/** How many streams a service has open, by its own account. */
async function streams(url) {
  const { body } = await ask(`${url}/metrics`);
  return Number(body.match(/^quotefold_streams (\d+)$/m)[1]);
}

/** Waits until a service has so many streams open. */
function untilStreams(url, count) {
  return until(async () => assert.equal(await streams(url), count));
}

/** The price that a card shows. */
function price(page, symbol) {
  return card(page, symbol).locator(".figure").innerText();
}

/** Waits until a card shows another price than it does now. */
async function moves(page, symbol) {
  const before = await price(page, symbol);
  await until(async () => assert.notEqual(await price(page, symbol), before));
}

/** Hides the page, or shows it again, as far as its scripts can tell. */
function hide(page, isHidden) {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
}

/** A page whose looks at prices are no longer answered once `hold` is called. */
async function openHeld(url) {
  let isHeld = false;
  const prepare = (page) => page.route(/\/prices\?/, (route) => (isHeld ? undefined : route.continue()));
  return { ...(await open(browser, url, { prepare })), hold: () => { isHeld = true; } };
}

beforeEach(async () => {
  for (const venue of ["alpha", "beta"]) await demo.tell(venue, "heal");
});

test("a change is shown without being asked for, with its proof", async () => {
  const { page, noted, close, hold } = await openHeld(`${demo.url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await untilStreams(demo.url, 1);
  hold();
  await card(page, "AAPL").getByText("Proof").click();
  for (let change = 0; change < 3; change += 1) await moves(page, "AAPL");
  assert.equal(await card(page, "AAPL").getByRole("table", { name: "Quotes of AAPL" }).getByRole("rowheader").count(), 4);
  assertQuiet(noted);
  await close();
});

test("a status that changes is shown and said without being asked for", async () => {
  const { page, noted, close, hold } = await openHeld(`${demo.url}/?symbols=AAPL,BTC-USD`);
  await becomes(page, "AAPL", "ok");
  await untilStreams(demo.url, 1);
  hold();
  await moves(page, "AAPL");
  for (const venue of ["alpha", "beta"]) await demo.tell(venue, "lie");
  await becomes(page, "AAPL", "unavailable");
  await page.locator("#news", { hasText: "AAPL is now unavailable." }).waitFor({ state: "attached" });
  for (const venue of ["alpha", "beta"]) await demo.tell(venue, "heal");
  await becomes(page, "AAPL", "ok");
  assertQuiet(noted);
  await close();
});

test("a tab has one stream, whatever was asked before", async (t) => {
  const { url, asked } = await proxy(t, demo.url);
  const { page, noted, close } = await open(browser, `${url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await untilStreams(demo.url, 1);
  for (const symbols of ["MSFT", "BTC-USD, AAPL", "MSFT"]) {
    await page.getByRole("combobox", { name: "Symbols" }).fill(symbols);
    await page.getByRole("button", { name: "Show" }).click();
    await until(async () => assert.equal(await page.getByRole("article").count(), symbols.split(",").length));
    await becomes(page, symbols.split(",")[0], "ok");
  }
  await until(() => assert.match(asked.findLast(({ path }) => isStream(path)).path, /symbols=MSFT&/));
  await untilStreams(demo.url, 1);
  assertQuiet(noted);
  await close();
});

test("a page that is hidden or left holds no stream, and has one again when it is seen", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await untilStreams(demo.url, 1);
  await hide(page, true);
  await untilStreams(demo.url, 0);
  await hide(page, false);
  await untilStreams(demo.url, 1);
  await moves(page, "AAPL");
  await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
  await untilStreams(demo.url, 0);
  await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await untilStreams(demo.url, 1);
  await page.goto("about:blank");
  await untilStreams(demo.url, 0);
  assertQuiet(noted);
  await close();
});

test("a key is sent with the stream, and is in no URL", async (t) => {
  const program = await Program.serve(demo, `[access]\nkeys = ["${KEY}"]\n`);
  t.after(() => program.end());
  const { url, asked } = await proxy(t, program.url);
  const { page, noted, close } = await open(browser, `${url}/?symbols=AAPL`);
  await page.getByLabel("Key", { exact: true }).and(page.locator("input")).fill(KEY);
  await page.getByRole("button", { name: "Use key" }).click();
  await becomes(page, "AAPL", "ok");
  const stream = await until(() => {
    const found = asked.find(({ path }) => isStream(path));
    assert.ok(found);
    return found;
  });
  assert.equal(stream.headers.authorization, `Bearer ${KEY}`);
  await moves(page, "AAPL");
  assert.ok(asked.length > 3 && asked.every(({ path, headers }) => !path.includes(KEY) && !headers.referer?.includes(KEY)));
  assertQuiet(noted);
  await close();
});

test("a key that a stream is refused with is asked for again", async (t) => {
  const program = await Program.serve(demo, `[access]\nkeys = ["${KEY}"]\n`);
  t.after(() => program.end());
  const { url } = await proxy(t, program.url, ({ url: path }, answer) => {
    if (!isStream(path)) return false;
    answer.writeHead(401, { "Content-Type": "application/problem+json" }).end('{"status":401,"detail":"invalid key"}');
    return true;
  });
  const { page, noted, close } = await open(browser, `${url}/?symbols=AAPL`);
  const key = page.getByLabel("Key", { exact: true }).and(page.locator("input"));
  await key.fill(KEY);
  await key.press("Enter");
  await page.getByRole("alert").filter({ hasText: /invalid key/ }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assertQuiet(noted, /401/);
  await close();
});

for (const status of [404, 405, 501]) {
  test(`where the answer to a stream is ${status}, the page asks again and again, and tries no second one`, async (t) => {
    const { url, asked } = await proxy(t, demo.url, ({ url: path }, answer) => {
      if (isStream(path)) answer.writeHead(status).end("no such thing");
      return isStream(path);
    });
    const { page, noted, close } = await open(browser, `${url}/?symbols=AAPL`);
    await becomes(page, "AAPL", "ok");
    for (let change = 0; change < 3; change += 1) await moves(page, "AAPL");
    assert.equal(asked.filter(({ path }) => isStream(path)).length, 1);
    assert.equal(await page.locator("#gone").isVisible() || await page.locator("#wrong").isVisible(), false);
    assertQuiet(noted, new RegExp(`status of ${status}`));
    await close();
  });
}

test("where a client has too many streams, the page asks again and again until it may have one", async (t) => {
  const program = await Program.serve(demo, "[access]\nmax_streams_per_client = 1\n");
  t.after(() => program.end());
  const first = request(`${program.url}/prices/stream?symbols=BTC-USD`, { agent: false });
  first.on("error", () => {}).on("response", (reply) => reply.on("error", () => {}).resume()).end();
  await untilStreams(program.url, 1);
  const { url, asked } = await proxy(t, program.url);
  const { page, noted, close } = await open(browser, `${url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await until(() => assert.ok(asked.some(({ path, status }) => isStream(path) && status === 429)));
  await moves(page, "AAPL");
  assert.equal(await page.locator("#gone").isVisible() || await page.locator("#wrong").isVisible(), false);
  first.destroy();
  await until(() => assert.ok(asked.some(({ path, status }) => isStream(path) && status === 200)));
  assertQuiet(noted, /429/);
  await close();
});

test("where something in between keeps the stream back, the page asks again and again", async (t) => {
  const { url, asked } = await proxy(t, demo.url, ({ url: path }, answer) => {
    // the head comes, and then nothing
    if (isStream(path)) answer.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
    return isStream(path);
  });
  const { page, noted, close } = await open(browser, `${url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await until(() => assert.ok(asked.some(({ path }) => isStream(path))));
  for (let change = 0; change < 3; change += 1) await moves(page, "AAPL");
  assert.ok(asked.filter(({ path }) => isLook(path)).length >= 3);
  assertQuiet(noted);
  await close();
});

test("no older price replaces a newer one, and ages go on counting", async (t) => {
  let events;
  const { url, asked } = await proxy(t, demo.url, ({ url: path }, answer) => {
    if (!isStream(path)) return false;
    events = answer.writeHead(200, { "Content-Type": "text/event-stream" });
    events.flushHeaders();
    return true;
  });
  const { page, noted, close } = await open(browser, `${url}/?symbols=AAPL,BTC-USD`);
  await becomes(page, "AAPL", "ok");
  await until(() => assert.ok(events));
  const { body } = await ask(`${demo.url}/prices?symbols=AAPL,BTC-USD`);
  const { prices } = JSON.parse(body);
  const tell = (symbol, price, as_of) => {
    const entry = prices.find((entry) => entry.symbol === symbol);
    events.write(`event: price\ndata: ${JSON.stringify({ ...entry, price, as_of, age_ms: 0 })}\n\n`);
  };
  await page.evaluate(() => {
    window.seen = new Set();
    const figure = document.querySelector(".figure");
    new MutationObserver(() => window.seen.add(figure.textContent)).observe(figure, { childList: true, characterData: true, subtree: true });
  });
  const seen = () => page.evaluate(() => [...window.seen]);
  const [early, late] = ["2020-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"];
  // the first thing that a stream tells of a symbol may be from before a look
  tell("AAPL", "1.11", early);
  tell("BTC-USD", "7.77", late);
  await until(async () => assert.equal(await price(page, "BTC-USD"), "7.77"));
  assert.ok(!(await seen()).includes("1.11"));
  tell("AAPL", "2.22", late);
  await until(async () => assert.ok((await seen()).includes("2.22")));
  // from here on the stream tells of everything in order, whatever the service's clock does
  tell("AAPL", "3.33", early);
  await until(async () => assert.ok((await seen()).includes("3.33")));
  // a look may be from before what the stream tells next, so only the stream changes the price
  const answeredLooks = () => asked.filter(({ path, status }) => isLook(path) && status === 200).length;
  const before = answeredLooks();
  await page.getByRole("button", { name: "Show" }).click();
  await until(() => assert.ok(answeredLooks() > before));
  await card(page, "AAPL").getByText(/^([4-9]|[1-9][0-9]+) s old$/).waitFor();
  assert.equal((await seen()).at(-1), "3.33");
  assertQuiet(noted);
  await close();
});

/**
 * Opens the page of a service at `url`, ends the service and starts it again. The page says so meanwhile, and follows prices when the
 * service is back. Returns what it noted.
 */
async function survives(t, url, own) {
  const { page, noted, close } = await open(browser, `${url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await untilStreams(own.url, 1);
  await own.end();
  const gone = page.getByRole("alert").filter({ hasText: "The service does not answer. What you see is from" });
  await gone.waitFor();
  assert.match(await price(page, "AAPL"), /^[0-9.]+$/);
  const again = await Program.demo(new URL(own.url).host);
  t.after(() => again.end());
  await gone.waitFor({ state: "hidden" });
  await untilStreams(again.url, 1);
  await moves(page, "AAPL");
  await close();
  return noted;
}

test("the page survives a restart of the service, and follows prices again", async (t) => {
  const own = await Program.demo();
  t.after(() => own.end());
  assertQuiet(await survives(t, own.url, own), BROKEN);
});

test("the page survives a restart behind an nginx that answers 502 meanwhile", async (t) => {
  const own = await Program.demo();
  t.after(() => own.end());
  const noted = await survives(t, await nginx(t, own.url), own);
  assertQuiet(noted, /status of 502|ERR_INCOMPLETE_CHUNKED_ENCODING/);
  assert.ok(noted.errors.some((error) => /status of 502/.test(error)), "nginx has answered nothing with 502");
});
