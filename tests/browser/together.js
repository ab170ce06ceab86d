// What the tests of a file share: one browser, and one demo.

import { after, before } from "node:test";

import { launch } from "./browser.js";
import { Program } from "./program.js";

export let browser;
export let demo;

before(async () => {
  [browser, demo] = await Promise.all([launch(), Program.demo()]);
});

after(async () => {
  await browser?.close();
  await demo?.end();
});
