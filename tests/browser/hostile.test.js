// What vendors, operators and strangers say is text on the page, whatever they say.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { assertAccessible, assertFits, assertQuiet, card, looked, NARROW, open, screenshot, until } from "./browser.js";
import { Program } from "./program.js";
import { browser, demo } from "./together.js";

const MARKUP = `<img src=x onerror="document.title='run'"><script>document.title='run'</script>{{prices}}\u202e${"W".repeat(80)}`;

/** A vendor that answers every call with this, and how it is described as a source. */
async function vendor(t, name, status, body) {
  const server = createServer((_, answer) => answer.writeHead(status, { "Content-Type": "application/json" }).end(body));
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  t.after(() => { server.close(); server.closeAllConnections(); });
  const lines = [
    `[sources.${name}]`, 'about = "a vendor with <b>bold</b> words"', 'classes = ["equity"]', "batch = 20",
    `url = "http://127.0.0.1:${server.address().port}/?ids={symbols}"`, "jq = '.[] | {symbol: .s, price: .p, currency: .c}'",
  ];
  return lines.join("\n");
}

/** Nothing of what was said has become more than text. */
async function assertIsText(page) {
  const own = await page.evaluate(() => [
    document.querySelectorAll("main img, main b, script:not([src])").length, document.title,
  ]);
  assert.deepEqual(own, [0, "AAPL · quotefold"]);
}

test("words of a vendor are text, with and without JavaScript", async (t) => {
  const row = JSON.stringify([{ s: "AAPL", p: "231.5", c: MARKUP }]);
  const sources = [await vendor(t, "curious", 200, row), await vendor(t, "broken", 500, JSON.stringify({ error: MARKUP }))];
  const program = await Program.serve(demo, sources.join("\n"));
  t.after(() => program.end());
  const url = `${program.url}/?symbols=AAPL`;
  const { page, noted, close } = await open(browser, url, { viewport: NARROW });
  await looked(page);
  await card(page, "AAPL").getByText("Proof").click();
  await until(async () => assert.match(await card(page, "AAPL").innerText(), /curious[^]*currency unknown/i));
  await page.locator("#sources").getByText("<b>bold</b>").first().waitFor();
  await page.locator("#sources").getByText("<img").first().waitFor();
  await assertIsText(page);
  await assertFits(page);
  await assertAccessible(page);
  await screenshot(page, "hostile");
  assertQuiet(noted);
  await close();
  const plain = await open(browser, url, { javaScriptEnabled: false, viewport: NARROW });
  await plain.page.getByRole("row", { name: /AAPL/ }).waitFor();
  await assertFits(plain.page);
  assertQuiet(plain.noted);
  await plain.close();
});

test("a symbol without a place to break fits the narrowest page", async () => {
  const long = "W".repeat(64);
  for (const javaScriptEnabled of [true, false]) {
    const { page, noted, close } = await open(browser, `${demo.url}/?symbols=${long},AAPL`, { viewport: NARROW, javaScriptEnabled });
    await page.getByText(long).first().waitFor();
    await assertFits(page);
    assertQuiet(noted);
    await close();
  }
});
