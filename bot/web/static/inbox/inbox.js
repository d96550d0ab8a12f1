/**
 * Keeps an inbox page up to date: the server says that something changed, the page fetches its own parts again and htmx
 * puts in those whose signature differs. Calls out what nobody has taken. Without this script everything works by plain
 * forms and the refresh link.
 */

import { remember, remembered } from "./device.js";
import { watchIdle } from "./idle.js";
import { offerKeys } from "./keys.js";
import { notice, offerNotices } from "./notices.js";
import { offerSound, ring, ringWhile } from "./sound.js";

const RETRY_MS = 5000;
const SHOWN_MS = 4000;
const ASK_MS = 10_000;
const LOUD = ["T0", "T1"];
const main = document.getElementById("main");
const words = document.getElementById("words").dataset;
const link = document.getElementById("link");
const title = main.dataset.title || document.title;
const skew = Date.now() - Date.parse(words.now);
// The stream, which says that something changed and not what.
let source = null;
let running = null;
let again = false;
let retrying = 0;
let kept = [];

document.documentElement.classList.add("scripted");
document.addEventListener("submit", onSubmit);
document.addEventListener("keydown", onKey);
document.addEventListener("htmx:oobBeforeSwap", beforeSwap);
document.addEventListener("htmx:oobAfterSwap", afterSwap);
document.addEventListener("htmx:afterSwap", afterSearch);
document.addEventListener("htmx:responseError", (event) => (event.detail.xhr.status === 401 ? leave() : tell(words.stale)));
for (const kind of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(kind, () => tell(words.stale));
window.addEventListener("pageshow", release);
const alerts = document.getElementById("alerts");
if (alerts) {
  alerts.hidden = false;
  offerSound(words);
  offerNotices(words);
}
offerKeys();
watchIdle(Number(main.dataset.idleSeconds), words.csrf, leave);
setInterval(tick, 5000);
showEnd();
heed();
if (main.dataset.live) {
  listen();
  window.addEventListener("online", refresh);
}
if (main.dataset.callsUrl) {
  load([main.dataset.callsUrl]);
  setInterval(() => source?.readyState === 1 || load([main.dataset.callsUrl]), ASK_MS);
}

function listen() {
  if (!window.EventSource) return tell(words.noLive);
  source = new EventSource(withQuery(main.dataset.live, "have", main.dataset.signature));
  source.addEventListener("open", () => {
    if (link.textContent === words.stale) tell(words.linked, true);
  });
  source.addEventListener("changed", refresh);
  source.addEventListener("typing", (event) => {
    document.dispatchEvent(new CustomEvent("inbox:typing", { detail: JSON.parse(event.data) }));
  });
  source.addEventListener("signed-out", () => {
    source.close();
    leave();
  });
  source.addEventListener("error", () => {
    tell(words.stale);
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(async () => {
      await refresh();
      listen();
    }, RETRY_MS);
  });
}

// Browsers allow six streams at once: an item's page that nobody looks at lets go of its own. What must be called out it
// asks for every ten seconds anyway.
document.addEventListener("visibilitychange", () => {
  if (!main.dataset.live || !document.body.classList.contains("item-page")) return;
  if (document.hidden) {
    source?.close();
  } else if (source?.readyState === 2) {
    refresh();
    listen();
  }
});

/** Fetch the parts; what changes meanwhile is fetched once more, not side by side. */
async function refresh() {
  if (running) {
    again = true;
    return running;
  }
  running = load([main.dataset.partUrl, main.dataset.callsUrl].filter(Boolean)).finally(() => {
    running = null;
  });
  await running;
  if (again) {
    again = false;
    await refresh();
  }
}

async function load(urls) {
  try {
    const answers = await Promise.all(urls.map((url) => fetch(url, { cache: "no-store", redirect: "error" })));
    if (answers.some((answer) => answer.status === 401)) return leave();
    if (answers.some((answer) => !answer.ok)) return lost();
    for (const answer of answers) adopt(await answer.text());
    if (link.textContent === words.stale) tell(words.linked, true);
  } catch {
    lost();
  }
}

/** What was announced could not be fetched. The server says it once, so this side asks until it has it. */
function lost() {
  tell(words.stale);
  clearTimeout(retrying);
  retrying = setTimeout(refresh, RETRY_MS);
}

/**
 * Signed out or locked: show the page for that, unless a reply that is being written would be lost by it. Then nothing
 * but the reply stays to be seen, until the server gives this page something again.
 */
function leave() {
  const reply = document.getElementById("reply");
  if (reply && reply.value.trim()) {
    sayAtReply(words.replySignedOut);
    document.body.classList.add("left");
    reply.scrollIntoView({ block: "center" });
  } else location.replace(withQuery(location.href.replace(/#.*|[?&]still=1/g, ""), "still", "1"));
}

/** Put in the parts that differ. Everything comes from our own server, escaped there; nothing is run. */
function adopt(html) {
  document.body.classList.remove("left");
  const rows = new Set([...document.querySelectorAll(".row")].map((row) => row.id));
  const last = lastSeq();
  const had = document.activeElement !== document.body;
  const ids = [...document.querySelectorAll("[data-part]")].map((part) => part.id);
  htmx.swap(main, html, { swapStyle: "none", swapDelay: 0, settleDelay: 0 }, { selectOOB: ids.join(",") });
  if (had && document.activeElement === document.body) main.focus({ preventScroll: true });
  tick();
  heed();
  announceRows(rows);
  announceWords(last);
}

/** A part that looks the same stays; of one that goes, what is typed in it and where its log stands are kept. */
function beforeSwap(event) {
  const here = event.target;
  const fresh = event.detail.fragment.firstElementChild;
  if (here.dataset.signature === fresh?.dataset.signature) {
    event.detail.shouldSwap = false;
    return;
  }
  for (const field of here.querySelectorAll("textarea, select, input:not([type=hidden])")) {
    const name = ["checkbox", "radio"].includes(field.type) ? "checked" : "value";
    if (field.id) kept.push([field.id, name, field[name]]);
  }
  for (const log of here.querySelectorAll(".log")) {
    if (log.scrollHeight - log.scrollTop - log.clientHeight >= 40) kept.push([log.id, "scrollTop", log.scrollTop]);
    else kept.push([log.id, "scrollTop", Number.MAX_SAFE_INTEGER]);
  }
  for (const open of here.querySelectorAll("details[id]")) kept.push([open.id, "open", open.open]);
}

function afterSwap() {
  for (const [id, name, value] of kept) {
    const node = document.getElementById(id);
    if (node) node[name] = value;
  }
  kept = [];
}

function showEnd() {
  const log = document.getElementById("log");
  if (log) log.scrollTop = log.scrollHeight;
}

/** Count and call out what nobody has taken: each token once, in whichever page of this tab it came. */
function heed() {
  const calls = document.getElementById("calls");
  const part = calls?.dataset.waiting ? calls : document.querySelector("[data-waiting]");
  count(Number(part ? part.dataset.waiting : 0));
  if (!calls || calls.dataset.calls === undefined) return;
  const tokens = calls.dataset.calls.split(" ").filter(Boolean);
  const before = remembered("heard", "sessionStorage");
  remember("heard", tokens.join(" "), "sessionStorage");
  if (before !== null) {
    const known = new Set(before.split(" "));
    const items = new Set([...known].map(item));
    const news = tokens.filter((token) => !known.has(token));
    for (const token of news) call(token, items.has(item(token)));
    if (news.length) ring(news.some(isLoud));
  }
  ringWhile(Number(calls.dataset.urgent));
}

function call(token, climbed) {
  const tier = words[`tier${token.slice(0, 2)}`];
  notice(fill(climbed ? words.noticeClimbed : words.noticeNew, { tier }), item(token));
  // Where rows are shown they are announced with their words.
  if (climbed || !document.querySelector("#queue, #supervise")) {
    say(fill(climbed ? words.announceClimbed : words.announceNew, { tier, words: "" }), isLoud(token));
  }
}

function item(token) {
  return token.split(".")[1];
}

function isLoud(token) {
  return LOUD.includes(token.slice(0, 2));
}

function count(waiting) {
  document.title = waiting ? fill(words.badge, { count: waiting, title }) : title;
  const badge = document.getElementById("nav-count");
  if (badge) {
    badge.textContent = waiting || "";
    badge.hidden = !waiting;
  }
  navigator.setAppBadge?.(waiting).catch(() => {});
}

function announceRows(before) {
  for (const row of document.querySelectorAll(".row-waiting")) {
    if (before.has(row.id)) continue;
    row.classList.add("fresh");
    const loud = Boolean(row.querySelector(".chip-T0, .chip-T1"));
    say(fill(words.announceNew, { tier: row.dataset.tier, words: row.dataset.words }), loud);
  }
}

function announceWords(before) {
  for (const entry of document.querySelectorAll(".entry-patient")) {
    if (Number(entry.dataset.seq) <= before) continue;
    say(fill(words.announcePatient, { words: entry.querySelector(".entry-words").textContent.trim() }));
  }
}

function lastSeq() {
  return Math.max(0, ...[...document.querySelectorAll(".entry")].map((entry) => Number(entry.dataset.seq)));
}

/** Clocks, by the server's time: since when, and until when. */
function tick() {
  const now = Date.now() - skew;
  for (const clock of document.querySelectorAll("[data-since]")) {
    write(clock, fill(words[clock.dataset.kind], { time: length(now - Date.parse(clock.dataset.since)) }));
  }
  for (const clock of document.querySelectorAll("[data-until]")) {
    const left = Date.parse(clock.dataset.until) - now;
    clock.classList.toggle("over", left <= 0);
    write(clock, left > 0 ? fill(words.left, { time: length(left) }) : words.over);
  }
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function length(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(minutes / 1440);
  if (minutes < 1) return words.timeNow;
  if (hours < 1) return fill(words.timeMinutes, { minutes });
  if (days < 1) return fill(words.timeHours, { hours, minutes: minutes % 60 });
  return fill(words.timeDays, { days, hours: hours % 24 });
}

/** What was found is said; where another page of it was asked for, the focus goes to its beginning. */
function afterSearch(event) {
  if (event.target.id !== "results") return;
  const found = document.getElementById("found");
  if (found) say(found.textContent);
  if (document.activeElement === document.body) document.getElementById("results-heading")?.focus();
}

function onKey(event) {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.id !== "reply") return;
  event.preventDefault();
  event.target.form.requestSubmit();
}

/** One press, one request: the server would write it once anyway. A reply is sent without leaving the page. */
function onSubmit(event) {
  const form = event.target;
  if (form.method === "dialog" || form.hasAttribute("hx-post")) return;
  if (form.dataset.busy) return event.preventDefault();
  if (event.defaultPrevented) return;
  form.dataset.busy = "yes";
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  if (!form.hasAttribute("data-send")) return;
  event.preventDefault();
  send(form).finally(release);
}

function release() {
  for (const form of document.forms) {
    delete form.dataset.busy;
    for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
  }
}

async function send(form) {
  const text = form.elements.text.value;
  sayAtReply("");
  try {
    const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (response.status === 401) return leave();
    const html = await response.text();
    const fresh = new DOMParser().parseFromString(html, "text/html");
    if (!fresh.getElementById("transcript")) return sayAtReply(words.replyFailed);
    adopt(html);
    if (!response.ok) return sayAtReply(fresh.getElementById("message").textContent.trim() || words.replyFailed);
    sent(fresh, text);
  } catch {
    sayAtReply(words.replyFailed);
  }
}

/** A new id for the next reply; what was typed since the sending began stays. */
function sent(fresh, text) {
  const form = document.getElementById("reply-form");
  const next = fresh.querySelector("#reply-form [name=client_id]");
  if (!form || !next) return;
  form.elements.client_id.value = next.value;
  if (form.elements.text.value === text) form.elements.text.value = "";
  form.elements.text.focus();
  showEnd();
}

function sayAtReply(text) {
  const state = document.getElementById("reply-state");
  if (!state) return text && tell(text);
  state.textContent = text;
  state.hidden = !text;
}

function tell(text, good = false) {
  link.textContent = text;
  link.classList.toggle("good", good);
  if (good) setTimeout(() => link.textContent === text && (link.textContent = ""), SHOWN_MS);
}

function say(text, loud = false) {
  const line = document.createElement("p");
  line.textContent = text;
  document.getElementById(loud ? "assertive" : "polite").append(line);
  setTimeout(() => line.remove(), SHOWN_MS);
}

function fill(text, values) {
  return Object.entries(values).reduce((made, [key, value]) => made.replace(`{${key}}`, () => String(value)), text);
}

function withQuery(url, key, value) {
  return `${url}${url.includes("?") ? "&" : "?"}${key}=${encodeURIComponent(value)}`;
}
