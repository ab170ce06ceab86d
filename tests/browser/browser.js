// Opens pages in Debian's chromium, and notes what they must not do.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

import { chromium } from "playwright-core";

const AXE = createRequire(import.meta.url)("axe-core").source;

/** How long a state may take to come: on a busy machine, long. A test that passes does not wait any longer than it must. */
export const PATIENCE = 300_000;

/** Where screenshots go; nowhere if it is not set. */
const SCREENSHOTS = process.env.SCREENSHOTS;

export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 360, height: 740 };

export function launch() {
  // a container has no user namespaces for the browser's own sandbox, and little shared memory
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args, timeout: PATIENCE });
}

/**
 * A page in a browser of its own, which notes every error, and every request to another host. `before` runs in it before its scripts,
 * and `prepare` is given it before it is opened.
 */
export async function open(browser, url, { before, prepare, ...options } = {}) {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  if (before) await page.addInitScript(before);
  await prepare?.(page);
  const noted = { errors: [], foreign: [] };
  page.on("console", (message) => message.type() === "error" && noted.errors.push(`${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => noted.errors.push(error.message));
  page.on("request", (request) => new URL(request.url()).host === new URL(url).host || noted.foreign.push(request.url()));
  await page.goto(url);
  return { page, noted, close: () => context.close() };
}

/** That there is no price now is an answer, which has a code of its own, and the browser notes each such code. */
const NO_PRICE = /status of 503 /;

/** What every page must keep to. `expected` are the console's words for refusals that a test provokes. */
export function assertQuiet({ errors, foreign }, expected = /^$/) {
  assert.deepEqual(errors.filter((error) => !NO_PRICE.test(error) && !expected.test(error)), []);
  assert.deepEqual(foreign, []);
}

/** No violation of any rule that axe knows. */
export async function assertAccessible(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const said = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
  assert.deepEqual(said, []);
}

/** Nothing of the page is beyond its edge. */
export async function assertFits(page) {
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(inner <= outer, `the page is ${inner} wide in a window of ${outer}`);
}

export async function screenshot(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

/** The card of a symbol. */
export function card(page, symbol) {
  return page.getByRole("article", { name: symbol, exact: true });
}

/** Waits until a card has this status. */
export async function becomes(page, symbol, status) {
  await card(page, symbol).and(page.locator(`[data-status="${status}"]`)).waitFor();
}

/** Waits until something holds that looks may bring. Its last failure says what does not. */
export async function until(holds) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      return await holds();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 250); });
    }
  }
}

/** Waits until the sources are there, which is when the page has looked once at everything. */
export async function looked(page) {
  await page.locator("#sources tbody tr").first().waitFor();
}
