// The page of a service, with a key and with an address for its operator. Its sources are the venues of a demo.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertAccessible, assertFits, assertQuiet, becomes, card, looked, NARROW, open, screenshot } from "./browser.js";
import { ask, Program } from "./program.js";
import { browser, demo } from "./together.js";

const KEY = "correct-horse-battery";
const WATCH = '[watch]\nsymbols = ["BTC-USD", "AAPL"]\n';

test("with keys the page asks for one, keeps it in the tab, and shows nothing before", async (t) => {
  const program = await Program.serve(demo, `[access]\nkeys = ["${KEY}"]\n${WATCH}`);
  t.after(() => program.end());
  const { body: first } = await ask(`${program.url}/?symbols=AAPL`);
  assert.ok(!first.includes("BTC-USD,AAPL") && !first.includes("<table"), "what is watched is told to those with a key");
  const { page, noted, close } = await open(browser, `${program.url}/?symbols=AAPL,BTC-USD`, { viewport: NARROW });
  const key = page.getByLabel("Key", { exact: true }).and(page.locator("input"));
  await key.waitFor();
  await assertAccessible(page);
  await assertFits(page);
  await screenshot(page, "key");
  // without a key there is nothing to ask, also after the page was hidden
  let asked = 0;
  page.on("request", () => { asked += 1; });
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await page.getByRole("combobox", { name: "Symbols" }).pressSequentially(", MSF");
  await key.fill("two words");
  await key.press("Enter");
  await page.getByRole("alert").filter({ hasText: "neither spaces nor letters beyond ASCII" }).waitFor();
  assert.equal(asked, 0);
  await key.fill("wrong-key-of-a-stranger");
  await page.getByRole("button", { name: "Use key" }).click();
  await page.getByRole("alert").filter({ hasText: /invalid key/ }).waitFor();
  await key.fill(KEY);
  await key.press("Enter");
  await becomes(page, "AAPL", "ok");
  await looked(page);
  assert.ok(!page.url().includes(KEY));
  assert.ok(!(await page.locator("#curl").innerText()).includes(KEY));
  assert.match(await page.locator("#curl").innerText(), /Bearer \$QUOTEFOLD_KEY/);
  await assertAccessible(page);
  await page.reload();
  await becomes(page, "AAPL", "ok");
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 1, ""]);
  await page.getByRole("button", { name: "Forget it" }).click();
  await key.waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.equal(await page.getByRole("article").count(), 0);
  assertQuiet(noted, /401/);
  await close();
});

test("with an address for the operator the page is there, and nowhere else", async (t) => {
  const program = await Program.serve(demo, `[access]\nkeys = ["${KEY}"]\nadmin_listen = "127.0.0.1:0"\n${WATCH}`);
  t.after(() => program.end());
  const [, admin] = program.addresses;
  const reply = await ask(program.url, { headers: { Authorization: `Bearer ${KEY}` } });
  assert.equal(reply.status, 404);
  const { page, noted, close } = await open(browser, admin);
  await becomes(page, "BTC-USD", "ok");
  await becomes(page, "AAPL", "ok");
  await looked(page);
  assert.equal(await page.getByLabel("Key", { exact: true }).count(), 0);
  assert.doesNotMatch(await page.title(), /Simulated/);
  assert.equal(await page.getByRole("heading", { name: "Break a venue" }).isVisible(), false);
  await assertAccessible(page);
  await screenshot(page, "operator");
  assertQuiet(noted);
  await close();
});

test("without symbols and without a watch list the page offers examples, and says what is off", async (t) => {
  const program = await Program.serve(demo, "");
  t.after(() => program.end());
  const { page, noted, close } = await open(browser, program.url);
  await looked(page);
  await page.getByText(/sources are off/).click();
  await page.getByText(/^set |set [A-Z_]+/).first().waitFor();
  await assertAccessible(page);
  await screenshot(page, "examples");
  await page.getByRole("link", { name: /BTC-USD/ }).click();
  await becomes(page, "BTC-USD", "ok");
  assertQuiet(noted);
  await close();
});

test("the page works below a path of a proxy", async (t) => {
  const { createServer, request } = await import("node:http");
  const proxy = createServer((asked, answer) => {
    const to = new URL(asked.url.replace(/^\/prices-of-ours\//, "/"), demo.url);
    const passed = request(to, { method: asked.method, headers: asked.headers }, (reply) => {
      answer.writeHead(reply.statusCode, reply.headers);
      reply.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise((resolve) => { proxy.listen(0, "127.0.0.1", resolve); });
  t.after(() => { proxy.close(); proxy.closeAllConnections(); });
  const { page, noted, close } = await open(browser, `http://127.0.0.1:${proxy.address().port}/prices-of-ours/`);
  await becomes(page, "AAPL", "ok");
  await looked(page);
  await card(page, "BTC-USD").waitFor();
  assertQuiet(noted);
  await close();
});
