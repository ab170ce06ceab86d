// The page of the demo, as people see it.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { assertAccessible, assertFits, assertQuiet, becomes, card, looked, NARROW, open, screenshot, until, WIDE } from "./browser.js";
import { ask, Program } from "./program.js";
import { browser, demo } from "./together.js";

beforeEach(async () => {
  for (const venue of ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]) await demo.tell(venue, "heal");
});

test("typed symbols are completed, shown, and kept in the address", async () => {
  const { page, noted, close } = await open(browser, demo.url);
  await looked(page);
  const field = page.getByRole("combobox", { name: "Symbols" });
  // at once: letter by letter, a slow machine would replace the list while it is read
  await field.fill("MSFT, ethe");
  const found = page.getByRole("listbox", { name: "Symbols that fit" });
  await found.getByRole("option").first().waitFor();
  await assertAccessible(page);
  await screenshot(page, "completion");
  await field.press("ArrowDown");
  const first = found.getByRole("option").first();
  assert.equal(await first.getAttribute("aria-selected"), "true");
  assert.equal(await field.getAttribute("aria-activedescendant"), await first.getAttribute("id"));
  const symbol = await first.getAttribute("data-symbol");
  await field.press("Enter");
  await found.waitFor({ state: "hidden" });
  assert.equal(await field.inputValue(), `MSFT, ${symbol}`);
  await page.getByRole("textbox", { name: "Currency" }).or(page.getByRole("combobox", { name: "Currency" })).fill("EUR");
  await field.press("Enter");
  await becomes(page, "MSFT", "ok");
  await card(page, symbol).waitFor();
  assert.equal(new URL(page.url()).search, `?symbols=MSFT,${symbol}&currency=EUR`);
  assert.match(await card(page, "MSFT").innerText(), /EUR/);
  assert.equal(await page.getByRole("article").count(), 2);
  await page.goBack();
  await becomes(page, "AAPL", "ok");
  assertQuiet(noted);
  await close();
});

test("Escape closes the completions and leaves what was typed", async () => {
  const { page, noted, close } = await open(browser, demo.url);
  await looked(page);
  const field = page.getByRole("combobox", { name: "Symbols" });
  await field.fill("");
  await field.pressSequentially("aap");
  const found = page.getByRole("listbox", { name: "Symbols that fit" });
  await found.waitFor();
  await field.press("Escape");
  await found.waitFor({ state: "hidden" });
  assert.equal(await field.inputValue(), "aap");
  assertQuiet(noted);
  await close();
});

test("an opened proof stays open, and shows every quote, the rule, and an answer to copy", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL,BTC-USD`, { permissions: ["clipboard-read", "clipboard-write"] });
  await becomes(page, "AAPL", "ok");
  const aapl = card(page, "AAPL");
  await aapl.getByText("Proof").focus();
  await page.keyboard.press("Enter");
  const quotes = aapl.getByRole("table", { name: "Quotes of AAPL" });
  await quotes.waitFor();
  for (const source of ["alpha", "beta", "gamma", "delta"]) await quotes.getByRole("rowheader", { name: source }).waitFor();
  assert.match(await aapl.locator(".rule").innerText(), /2 must agree, 4 cover it/);
  await aapl.getByRole("button", { name: "Copy answer" }).click();
  await aapl.getByRole("button", { name: "Copied" }).waitFor();
  const answer = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
  assert.equal(answer.symbol, "AAPL");
  assert.equal(answer.quotes.length, 4);
  // the price moves on, and the proof with it
  const price = await aapl.locator(".figure").innerText();
  await page.waitForFunction((old) => document.querySelector(".figure").textContent !== old, price);
  assert.ok(await quotes.isVisible());
  // what somebody has selected is left alone
  const selected = await quotes.getByRole("cell").nth(1).evaluate((cell) => {
    document.getSelection().selectAllChildren(cell);
    return cell.textContent;
  });
  const later = await aapl.locator(".figure").innerText();
  await page.waitForFunction((old) => document.querySelector(".figure").textContent !== old, later);
  assert.equal(await page.evaluate(() => document.getSelection().toString()), selected);
  await page.evaluate(() => document.getSelection().removeAllRanges());
  await assertAccessible(page);
  await screenshot(page, "proof");
  assertQuiet(noted);
  await close();
});

test("everything is reached with the keyboard, and one sees where one is", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await looked(page);
  const focused = () => page.evaluate(() => {
    const node = document.activeElement;
    const { outlineStyle, boxShadow } = getComputedStyle(node);
    const { width, height } = node.getBoundingClientRect();
    return { words: node.textContent.trim(), id: node.id, isSeen: width > 0 && height > 0 && (outlineStyle !== "none" || boxShadow !== "none") };
  });
  await page.keyboard.press("Tab");
  assert.equal((await focused()).words, "Skip to the prices");
  await page.keyboard.press("Enter");
  assert.equal((await focused()).id, "prices");
  const reached = [];
  while (reached.length < 60 && !reached.some((words) => words.startsWith("Heal"))) {
    await page.keyboard.press("Tab");
    const { words, isSeen } = await focused();
    assert.ok(isSeen, `one does not see that ${words} has the focus`);
    reached.push(words);
  }
  assert.ok(reached.some((words) => words.startsWith("Proof")), reached.join(", "));
  assert.ok(reached.some((words) => words.startsWith("Heal")), reached.join(", "));
  assertQuiet(noted);
  await close();
});

test("the strip has one mark per source, and says in words what it shows", async () => {
  await demo.tell("gamma", "lie");
  await demo.tell("delta", "die");
  // a symbol that no other test asks for, so that nothing of it is in memory yet
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=GOOGL`);
  const strip = card(page, "GOOGL").getByRole("img");
  const said = new RegExp([
    "alpha [0-9.]+, used, bid [0-9.]+, ask [0-9.]+", "beta [0-9.]+, used", "delta, failed, (connection|circuit open)", "gamma [0-9.]+, excluded, outlier",
  ].join("; "));
  // an honest venue may be late on a busy machine, and the next look shows another strip
  const [words, ...marks] = await until(async () => {
    const seen = await strip.evaluate((drawing, kinds) => [
      drawing.getAttribute("aria-label"), ...kinds.map((kind) => drawing.querySelectorAll(kind).length),
    ], ["g.used .tick", "g.excluded .diamond", ".cross", "g.used .book", ".band"]);
    assert.match(seen[0], said);
    return seen;
  });
  assert.match(words, /^GOOGL, quotes of 4 sources: /);
  assert.deepEqual(marks, [2, 1, 1, 1, 1]);
  await screenshot(page, "strip");
  assertQuiet(noted);
  await close();
});

test("a venue is broken and healed with its buttons, and the page says what follows", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  for (const venue of ["alpha", "beta"]) await page.getByRole("button", { name: `Lie: ${venue}` }).click();
  await becomes(page, "AAPL", "unavailable");
  await page.locator("#news", { hasText: "AAPL is now unavailable." }).waitFor({ state: "attached" });
  assert.equal(await page.getByRole("button", { name: "Lie: alpha" }).getAttribute("aria-pressed"), "true");
  await card(page, "AAPL").locator(".detail", { hasText: /apart|within 2 %/ }).waitFor();
  await assertAccessible(page);
  await screenshot(page, "broken");
  for (const venue of ["alpha", "beta"]) await page.getByRole("button", { name: `Heal: ${venue}` }).click();
  await becomes(page, "AAPL", "ok");
  assertQuiet(noted);
  await close();
});

test("a page of another site cannot break a venue", async (t) => {
  const { createServer } = await import("node:http");
  const elsewhere = createServer((_, answer) => answer.end("<!doctype html><title>Elsewhere</title>"));
  await new Promise((resolve) => { elsewhere.listen(0, "127.0.0.1", resolve); });
  t.after(() => { elsewhere.close(); elsewhere.closeAllConnections(); });
  const { page, close } = await open(browser, `http://127.0.0.1:${elsewhere.address().port}/`);
  // the page may send the request, but not see the reply: the browser keeps even the refusal from it
  const asked = page.waitForRequest(/\/demo\/alpha\/lie/);
  await page.evaluate((url) => fetch(url, { method: "POST", mode: "no-cors" }).catch(() => {}), `${demo.url}/demo/alpha/lie`);
  assert.equal((await asked).method(), "POST");
  const { venues } = JSON.parse((await ask(`${demo.url}/demo/venues`)).body);
  assert.equal(venues.find(({ venue }) => venue === "alpha").mood, "heal");
  await close();
});

test("the sources show a failure in words, and go back to answering", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL`);
  await looked(page);
  const row = page.locator('#sources tr[data-source="delta"]');
  await row.filter({ hasText: "answers" }).waitFor();
  assert.match(await row.innerText(), /of 50\/s/);
  await page.getByRole("button", { name: "Hang: delta" }).click();
  await row.filter({ hasText: /failing|left alone|breaker/ }).filter({ hasText: "no reply within 600 ms" }).waitFor();
  await page.getByRole("button", { name: "Heal: delta" }).click();
  await row.filter({ hasText: "answers" }).waitFor();
  assertQuiet(noted);
  await close();
});

test("the page says when the service is gone, and goes on when it is back", async (t) => {
  let own = await Program.demo();
  t.after(() => own.end());
  const { page, noted, close } = await open(browser, `${own.url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await own.end();
  const gone = page.getByRole("alert").filter({ hasText: "The service does not answer." });
  await gone.waitFor();
  await card(page, "AAPL").waitFor();
  await assertAccessible(page);
  await screenshot(page, "gone");
  own = await Program.demo(new URL(own.url).host);
  await gone.getByRole("button", { name: "Try now" }).click();
  await gone.waitFor({ state: "hidden" });
  await page.locator("#news", { hasText: "The service answers again." }).waitFor({ state: "attached" });
  await becomes(page, "AAPL", "ok");
  assertQuiet(noted, /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
  await close();
});

test("a hidden page does not ask, and asks at once when it is seen again", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  const hide = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await hide(true);
  let asked = 0;
  // a look that is under way goes on to the sources, but none begins
  page.on("request", (request) => { if (request.url().includes("/prices?")) asked += 1; });
  // longer than two pauses between looks
  await page.evaluate(() => new Promise((resolve) => { setTimeout(resolve, 4000); }));
  assert.equal(asked, 0);
  const again = page.waitForRequest(/\/prices\?/);
  await hide(false);
  await again;
  assertQuiet(noted);
  await close();
});

/**
 * Counts the page's own requests from when they are made until their replies are read: the browser tells of their ends later. Counts
 * its streams, too, until it ends them.
 */
function countRequests() {
  const { fetch } = window;
  let [now, streams] = [0, 0];
  [window.mostAtOnce, window.mostStreams] = [0, 0];
  window.fetch = async (url, options) => {
    if (url.startsWith("prices/stream?")) {
      window.mostStreams = Math.max(window.mostStreams, streams += 1);
      options.signal.addEventListener("abort", () => { streams -= 1; });
      return fetch(url, options);
    }
    if (!/^(prices|sources)/.test(url)) return fetch(url, options);
    window.mostAtOnce = Math.max(window.mostAtOnce, now += 1);
    try {
      const reply = await fetch(url, options);
      const text = await reply.text();
      return new Response(text, { status: reply.status, headers: reply.headers });
    } finally {
      now -= 1;
    }
  };
}

test("never more than one request for prices is under way, beside one stream", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL`, { before: countRequests });
  await becomes(page, "AAPL", "ok");
  await page.getByRole("button", { name: "Hang: alpha" }).click();
  for (const symbols of ["MSFT", "AAPL", "MSFT"]) {
    await page.getByRole("combobox", { name: "Symbols" }).fill(symbols);
    await page.getByRole("button", { name: "Show" }).click();
  }
  await becomes(page, "MSFT", "ok");
  await page.waitForFunction(() => window.mostStreams > 0);
  assert.deepEqual(await page.evaluate(() => [window.mostAtOnce, window.mostStreams]), [1, 1]);
  assertQuiet(noted);
  await close();
});

test("the ages grow between two looks", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  // on a busy machine a page is not drawn every second
  await card(page, "AAPL").getByText(/^([4-9]|[1-9][0-9]+) s old$|^[0-9]+ min old$/).waitFor();
  assertQuiet(noted);
  await close();
});

test("an unknown symbol, and words of a vendor, are shown as text", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL,<img src=x onerror=alert(1)>`);
  await card(page, "<img src=x onerror=alert(1)>").and(page.locator('[data-status="unknown"]')).waitFor();
  assert.equal(await page.locator("img").count(), 1);
  assertQuiet(noted);
  await close();
});

test("a wrong question is named beside the field", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL`);
  await becomes(page, "AAPL", "ok");
  await page.locator("#currency").fill("12");
  await page.getByRole("button", { name: "Show" }).click();
  const wrong = page.locator("#wrong", { hasText: /12/ });
  await wrong.waitFor();
  await assertAccessible(page);
  assertQuiet(noted, /400/);
  await close();
});

test("an address that cannot be read is not taken for one without symbols", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=%ff`);
  await looked(page);
  await page.locator("#wrong", { hasText: "is not UTF-8" }).waitFor();
  assert.equal(await page.getByRole("article").count(), 0);
  assert.equal(await page.locator("#symbols").inputValue(), "");
  await assertAccessible(page);
  await page.locator("#symbols").fill("AAPL");
  await page.getByRole("button", { name: "Show" }).click();
  await becomes(page, "AAPL", "ok");
  await page.locator("#wrong").waitFor({ state: "hidden" });
  assertQuiet(noted, /400/);
  await close();
});

test("a space at the end of what a form sent is not the sign of a warrant", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL%2C+MSFT+&currency=`);
  await becomes(page, "MSFT", "ok");
  await becomes(page, "AAPL", "ok");
  assert.equal(await page.locator("#symbols").inputValue(), "AAPL, MSFT");
  assertQuiet(noted);
  await close();
});

test("the line for a terminal is the question, and is copied", async () => {
  const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL,BTC-USD&currency=EUR`, { permissions: ["clipboard-read", "clipboard-write"] });
  await becomes(page, "AAPL", "ok");
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const line = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(line, `curl '${demo.url}/prices?symbols=AAPL,BTC-USD&currency=EUR'`);
  assertQuiet(noted);
  await close();
});

test("the demo says that it is simulated in header, title and icon", async () => {
  const { page, noted, close } = await open(browser, demo.url);
  await looked(page);
  assert.match(await page.getByRole("banner").innerText(), /Simulated/);
  assert.match(await page.title(), /^Simulated/);
  assert.match(await page.locator("link[rel=icon]").getAttribute("href"), /simulated/);
  assertQuiet(noted);
  await close();
});

for (const colorScheme of ["light", "dark"]) {
  for (const [width, viewport] of [["wide", WIDE], ["narrow", NARROW]]) {
    test(`${width} and ${colorScheme}, the page fits, and has no violation of accessibility`, async () => {
      await demo.tell("gamma", "lie");
      await demo.tell("zeta", "429");
      const options = { viewport, colorScheme, hasTouch: width === "narrow", reducedMotion: "reduce" };
      const { page, noted, close } = await open(browser, `${demo.url}/?symbols=AAPL,VOD.L,BTC-USD,ETH-EUR,EUR-USD,NOSUCH9`, options);
      await becomes(page, "BTC-USD", "ok");
      await looked(page);
      await page.getByText("How to read the strip").click();
      await screenshot(page, `${width}-${colorScheme}`);
      await card(page, "BTC-USD").getByText("Proof").click();
      await card(page, "BTC-USD").getByRole("table").waitFor();
      await assertFits(page);
      await assertAccessible(page);
      await screenshot(page, `${width}-${colorScheme}-opened`);
      assertQuiet(noted);
      await close();
    });
  }
}

test("without JavaScript the page shows prices, and its form asks for others", async () => {
  await demo.tell("alpha", "lie");
  await demo.tell("beta", "lie");
  for (const viewport of [WIDE, NARROW]) {
    const { page, noted, close } = await open(browser, demo.url, { javaScriptEnabled: false, viewport });
    await page.getByRole("row", { name: /BTC-USD/ }).waitFor();
    const row = (name) => page.getByRole("row", { name }).innerText();
    // an honest venue may be late on a busy machine: whoever sees that asks again
    await until(async () => {
      // people leave a space at the end
      await page.getByLabel("Symbols", { exact: true }).fill("AAPL, eth-usd, <b>, MSFT ");
      await page.getByLabel("Currency").fill("EUR");
      await page.getByRole("button", { name: "Show" }).click();
      assert.match(await row(/ETH-USD/), /EUR[^]*ok/);
      assert.match(await row(/AAPL/), /unavailable/);
    });
    assert.match(await row(/<b>/), /unknown/);
    assert.equal(await page.getByRole("row", { name: /^MSFT / }).count(), 1);
    assert.equal(await page.getByLabel("Symbols", { exact: true }).inputValue(), "AAPL, eth-usd, <b>, MSFT");
    await assertFits(page);
    await screenshot(page, `without-javascript-${viewport.width}`);
    assertQuiet(noted);
    await close();
  }
});
