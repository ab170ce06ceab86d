// The page: shows the prices of the symbols in its URL. It asks for them, and then follows them through a stream. While it has
// none, it asks again and again.

import { Asking, Gone, Refused } from "./asking.js";
import { Card } from "./card.js";
import { Completion } from "./completion.js";
import { copies, element, say } from "./dom.js";
import { Following } from "./following.js";
import { Looking } from "./looking.js";
import { listed, query, question } from "./question.js";
import { showSources } from "./sources.js";
import { legend } from "./strip.js";
import { Venues } from "./venues.js";
import { clock, STATUS } from "./words.js";

const { simulated, key: keyed, symbols: byDefault = "" } = document.body.dataset;
const isSimulated = simulated !== undefined;
const isKeyed = keyed !== undefined;

/** How often the page looks. The demo moves four times a second, and its venues cost nothing. */
const EVERY = isSimulated ? 1500 : 5000;

/**
 * How often it looks at prices that it follows, if all is well with them. A stream tells of every change of a price and its status,
 * but not of every quote that is as it was, or that is missing now: these are in the proof.
 */
const EVERY_FOLLOWED = 30_000;

/** How often it looks at the sources. */
const EVERY_SOURCES = 5000;

/** The pause after a wrong question, which stays wrong. */
const WRONG = 60_000;

const at = (id) => document.getElementById(id);
const [form, field, currency, list] = [at("ask"), at("symbols"), at("currency"), at("list")];
const asking = new Asking(isKeyed);
const venues = new Venues(asking, () => looking.now());
const looking = new Looking(look, EVERY);
const following = new Following(asking, told, refused);
const completion = new Completion(field, at("found"), asking);

/** The cards that are shown, by symbol. */
let cards = new Map();
let lastSources = -Infinity;
/** When an answer with prices came last, by the page's own clock; -Infinity if they must be asked for whatever is followed. */
let lastPrices = -Infinity;
/** When an answer came last, and when it was served, so that the server's time is known. */
let lastServed = { came: 0, served: 0 };
/** The stream that has brought a look forward, while the service was taken to be gone. */
let lastToHurry = null;
/** When prices came last, by the time of day. */
let lastAnswer = null;
/** Whether the service has refused to answer since. */
let isRefused = false;

/** What is asked: by the address, or, if it names no symbols, by the server for it. */
const asked = () => question(listed(byDefault));

/** One look: at the prices, unless they are followed, and, if it is time, at the sources. Returns the pause that the service asks for. */
async function look() {
  const began = performance.now();
  try {
    const pause = await lookAtPrices();
    if (performance.now() - lastSources >= EVERY_SOURCES) await lookAtSources();
    back();
    return pause;
  } catch (error) {
    if (error instanceof Refused) return refused(error);
    if (!(error instanceof Gone)) console.error(error);
    // prices go on coming, so the service is there
    else if (isFollowed() && following.heard >= began) return null;
    lastPrices = -Infinity;
    gone();
    throw error;
  }
}

async function lookAtPrices() {
  const now = asked();
  if (now.symbols.length === 0) return null;
  if (isFollowed() && performance.now() - lastPrices < (isWell() ? EVERY_FOLLOWED : EVERY)) return null;
  try {
    const answer = await asking.prices(query(now));
    // something else may have been asked meanwhile, which is the next look's business
    if (query(now) === query(asked())) {
      show(answer);
      following.follow(query(now));
    }
    return answer.after;
  } catch (error) {
    if (!(error instanceof Refused && error.status === 400)) throw error;
    complain(error.message);
    return WRONG;
  }
}

async function lookAtSources() {
  try {
    showSources(await asking.json("sources"));
    if (isSimulated) await venues.look();
    lastSources = performance.now();
  } catch (error) {
    // a proxy may let prices through and nothing else
    if (!(error instanceof Refused && (error.status === 403 || error.status === 404))) throw error;
    lastSources = Infinity;
  }
}

/** Whether the stream tells of every change of all that is shown. */
function isFollowed() {
  return cards.size > 0 && following.query === query(asked()) && [...cards.keys()].every((symbol) => following.hasToldOf(symbol));
}

/** Whether asking would change nothing: a look has reserves asked as well, and what is not known stays so. */
function isWell() {
  return [...cards.values()].every((card) => ["ok", "unknown"].includes(card.node.dataset.status));
}

function show(answer) {
  const { came, served } = answer;
  [lastPrices, lastServed] = [came, { came, served }];
  answered();
  const before = cards;
  cards = new Map();
  const news = [];
  for (const entry of answer.prices) {
    const card = before.get(entry.symbol) ?? new Card(entry.symbol);
    cards.set(entry.symbol, card);
    news.push(...changed(card, () => card.look(entry, answer, following.hasToldOf(entry.symbol))));
  }
  const nodes = [...cards.values()].map((card) => card.node);
  const isSame = nodes.length === list.childElementCount && nodes.every((node, place) => list.children[place] === node);
  // moving a node would take the focus out of it
  if (!isSame) list.replaceChildren(...nodes);
  // a drawing needs the width that its place on the page gives it
  at("legend").hidden = false;
  if (news.length > 0) say(at("news"), news.join(" "));
}

/** The stream tells of a change, or of what was so when it began. Returns whether it tells of every change from now on. */
function told(entry, stream) {
  const card = cards.get(entry.symbol);
  // a look shows what has no card yet
  if (card === undefined || following.query !== query(asked())) return false;
  const came = performance.now();
  let isFollowed = false;
  const news = changed(card, () => {
    isFollowed = card.tell(entry, { came, served: lastServed.served + (came - lastServed.came), stream });
  });
  if (!isFollowed) return false;
  answered();
  if (news.length > 0) say(at("news"), news.join(" "));
  if (!looking.isGone) return true;
  // what is shown is no longer from the last look
  gone();
  if (stream !== lastToHurry) looking.now();
  lastToHurry = stream;
  return true;
}

/** The service has answered with prices. */
function answered() {
  lastAnswer = new Date();
  isRefused = false;
  complain(null);
}

/** Has a card show something. Returns what is news about it, in sentences. */
function changed(card, show) {
  const was = card.node.dataset.status;
  show();
  const { status } = card.node.dataset;
  return was === undefined || was === status ? [] : [`${card.symbol} is now ${STATUS[status]?.word ?? status}.`];
}

/** The service refuses the question. */
function refused({ status, message, after }) {
  back();
  if (status === 401 && !isKeyed) {
    // the page was made when no key was needed, or something in between asks for a password
    complain(`${sentence(message)} Reload the page.`);
    isRefused = true;
    return WRONG;
  }
  if (status === 401) {
    asking.key = null;
    looking.stop();
    following.stop();
    askForKey(message);
    return null;
  }
  isRefused = true;
  complain(`${sentence(message)} Retrying ${after === null ? "soon" : `in ${after / 1000} s`}.`);
  return after;
}

function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return whole.endsWith(".") ? whole : `${whole}.`;
}

/** Says what is wrong with the question, or nothing. */
function complain(message) {
  say(at("wrong"), message ?? "");
  at("wrong").hidden = message === null;
  if (message === null) field.removeAttribute("aria-describedby");
  else field.setAttribute("aria-describedby", "wrong");
}

function gone() {
  document.body.classList.add("is-gone");
  const since = lastAnswer === null ? "" : ` What you see is from ${clock(lastAnswer)}.`;
  const text = `The service does not answer.${since} The page keeps trying.`;
  const node = at("gone");
  if (node.hidden) {
    const again = element("button", { type: "button" }, "Try now");
    again.addEventListener("click", () => looking.now());
    node.replaceChildren(element("span", {}, text), again);
    node.hidden = false;
  } else {
    say(node.firstChild, text);
  }
}

function back() {
  if (at("gone").hidden) return;
  document.body.classList.remove("is-gone");
  at("gone").hidden = true;
  say(at("news"), "The service answers again.");
}

/** Once a second: ages grow, and the page says what it is doing. */
function tick() {
  for (const card of cards.values()) card.tick();
  const state = at("state");
  state.hidden = !looking.isGone && (asked().symbols.length === 0 || !asking.mayAsk);
  const left = looking.next === null ? 0 : Math.max(0, Math.ceil((looking.next - performance.now()) / 1000));
  state.classList.toggle("behind", isRefused || looking.isGone);
  if (looking.isGone) say(state, left > 0 ? `No answer; next try in ${left} s` : "No answer; trying");
  else if (lastAnswer === null) say(state, "Looking");
  else if (isRefused) say(state, "Not up to date");
  else say(state, left > 5 ? `Next look in ${left} s` : "Up to date");
}

/** Shows the question of the URL in the fields and in the line for a terminal, and asks it. */
function ask() {
  const now = asked();
  field.value = now.symbols.join(", ");
  currency.value = now.currency;
  showCurl(now);
  if (now.wrong !== null) complain(now.wrong);
  const parts = [isSimulated ? "Simulated" : "", now.symbols.slice(0, 3).join(", "), "quotefold"];
  document.title = parts.filter(Boolean).join(" · ");
  if (following.query !== query(now)) following.stop();
  lastPrices = -Infinity;
  if (asking.mayAsk) looking.now();
}

function showCurl(now) {
  at("same").hidden = now.symbols.length === 0;
  const header = isKeyed ? '-H "Authorization: Bearer $QUOTEFOLD_KEY" ' : "";
  say(at("curl"), `curl ${header}'${new URL(`prices?${query(now)}`, location.href)}'`);
}

function submitted(event) {
  event.preventDefault();
  completion.close();
  const typed = { symbols: listed(field.value), currency: currency.value.trim() };
  const url = new URL(location.href);
  url.search = typed.symbols.length > 0 ? query(typed) : "";
  if (typed.symbols.length === 0) return location.assign(url);
  history.pushState(null, "", url);
  complain(null);
  ask();
}

/** Shows the field for the key, and why. */
function askForKey(why) {
  const form = at("key-form");
  form.hidden = false;
  at("key-known").hidden = true;
  say(at("key-wrong"), why ?? "");
  at("key-wrong").hidden = !why;
  if (why) at("key").focus();
}

function useKeys() {
  const [form, known] = [at("key-form"), at("key-known")];
  const isUsed = () => {
    form.hidden = true;
    known.hidden = false;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = at("key").value.trim();
    // anything else cannot be sent
    if (!/^[\x21-\x7e]+$/.test(text)) return askForKey("a key has neither spaces nor letters beyond ASCII");
    asking.key = text;
    at("key").value = "";
    isUsed();
    lastSources = -Infinity;
    ask();
    field.focus();
  });
  at("forget").addEventListener("click", () => {
    asking.key = null;
    looking.stop();
    following.stop();
    // what the key had opened goes with it
    location.reload();
  });
  if (asking.key === null) askForKey(null);
  else isUsed();
}

form.addEventListener("submit", submitted);
// what has happened while the page was hidden, no stream has told
document.addEventListener("visibilitychange", () => { lastPrices = -Infinity; });
// what to say of no symbols only the server knows
window.addEventListener("popstate", () => (asked().symbols.length === 0 ? location.reload() : ask()));
const copyCurl = at("copy-curl");
copyCurl.hidden = false;
copies(copyCurl, () => at("curl").textContent);
at("glyphs").append(legend());
if (isKeyed) useKeys();
setInterval(tick, 1000);
ask();
tick();
