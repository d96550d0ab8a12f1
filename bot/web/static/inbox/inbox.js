/**
 * Keeps an inbox page up to date: the server says that something changed, the page fetches its own parts again and
 * puts in those whose signature differs. Without this script everything works by plain forms and the refresh link.
 */

const RETRY_MS = 5000;
const SHOWN_MS = 4000;
const main = document.getElementById("main");
const words = document.getElementById("words").dataset;
const polite = document.getElementById("polite");
const link = document.getElementById("link");
const skew = Date.now() - Date.parse(words.now);

document.documentElement.classList.add("scripted");
for (const form of document.forms) form.addEventListener("submit", onSubmit);
window.addEventListener("pageshow", release);
document.addEventListener("keydown", onKey);
setInterval(tick, 5000);
showEnd();
if (main.dataset.live) listen();
if (main.dataset.live) window.addEventListener("online", refresh);

function listen() {
  if (!window.EventSource) return tell(words.noLive);
  const source = new EventSource(withQuery(main.dataset.live, "have", main.dataset.signature));
  source.addEventListener("open", () => {
    if (link.textContent === words.stale) tell(words.linked, true);
  });
  source.addEventListener("changed", refresh);
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

let running = null;
let again = false;
let retrying = 0;

/** Fetch the parts; what changes meanwhile is fetched once more, not side by side. */
async function refresh() {
  if (running) {
    again = true;
    return running;
  }
  running = load().finally(() => {
    running = null;
  });
  await running;
  if (again) {
    again = false;
    await refresh();
  }
}

async function load() {
  try {
    const response = await fetch(main.dataset.partUrl, { cache: "no-store", redirect: "error" });
    if (response.status === 401) return leave();
    if (!response.ok) return lost();
    adopt(parse(await response.text()));
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

/** Signed out elsewhere: show the sign-in page, unless a reply that is being written would be lost by it. */
function leave() {
  const reply = document.getElementById("reply");
  if (reply && reply.value.trim()) sayAtReply(words.replySignedOut);
  else location.reload();
}

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

/** Put in the parts that differ. Everything comes from our own server, escaped there; nothing is run. */
function adopt(fresh) {
  const rows = new Set([...document.querySelectorAll(".row")].map((row) => row.id));
  const last = lastSeq();
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const here = document.getElementById(part.id);
    if (!here || here.dataset.signature === part.dataset.signature) continue;
    replace(here, part);
  }
  count();
  tick();
  announceRows(rows);
  announceWords(last);
}

function replace(here, part) {
  const active = here.contains(document.activeElement) ? document.activeElement : null;
  const kept = [...here.querySelectorAll("textarea, select, input:not([type=hidden])")].map((field) => [
    field.id,
    field.type === "checkbox" ? "checked" : "value",
    field.type === "checkbox" ? field.checked : field.value,
  ]);
  const log = here.querySelector(".log");
  const atEnd = !log || log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const top = log ? log.scrollTop : 0;
  here.replaceChildren(...document.importNode(part, true).childNodes);
  Object.assign(here.dataset, part.dataset);
  for (const form of here.querySelectorAll("form")) form.addEventListener("submit", onSubmit);
  for (const [id, name, value] of kept) {
    const field = id && document.getElementById(id);
    if (field) field[name] = value;
  }
  if (atEnd) showEnd();
  else if (here.querySelector(".log")) here.querySelector(".log").scrollTop = top;
  if (active) (document.getElementById(active.id) || main).focus({ preventScroll: true });
}

function showEnd() {
  const log = document.getElementById("log");
  if (log) log.scrollTop = log.scrollHeight;
}

function count() {
  const part = document.querySelector("[data-waiting]");
  const waiting = Number(part ? part.dataset.waiting : 0);
  document.title = waiting ? fill(words.badge, { count: waiting, title: main.dataset.title }) : main.dataset.title;
}

function announceRows(before) {
  for (const row of document.querySelectorAll(".row-waiting")) {
    if (before.has(row.id)) continue;
    row.classList.add("fresh");
    say(fill(words.announceNew, { tier: row.dataset.tier, words: row.dataset.words }));
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

/** Waiting clocks, by the server's time. */
function tick() {
  for (const clock of document.querySelectorAll("[data-since]")) {
    const minutes = Math.max(0, Math.floor((Date.now() - skew - Date.parse(clock.dataset.since)) / 60000));
    const text = fill(words[clock.dataset.kind], { time: length(minutes) });
    if (clock.textContent !== text) clock.textContent = text;
  }
}

function length(minutes) {
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(minutes / 1440);
  if (minutes < 1) return words.timeNow;
  if (hours < 1) return fill(words.timeMinutes, { minutes });
  if (days < 1) return fill(words.timeHours, { hours, minutes: minutes % 60 });
  return fill(words.timeDays, { days, hours: hours % 24 });
}

function onKey(event) {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.id !== "reply") return;
  event.preventDefault();
  event.target.form.requestSubmit();
}

/** One press, one request: the server would write it once anyway. A reply is sent without leaving the page. */
function onSubmit(event) {
  const form = event.currentTarget;
  if (form.dataset.busy) return event.preventDefault();
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
    if (response.status === 401) return sayAtReply(words.replySignedOut);
    const fresh = parse(await response.text());
    if (!fresh.getElementById("transcript")) return sayAtReply(words.replyFailed);
    adopt(fresh);
    const message = fresh.getElementById("message");
    if (!response.ok) return sayAtReply(message.textContent.trim() || words.replyFailed);
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

function say(text) {
  const line = document.createElement("p");
  line.textContent = text;
  polite.append(line);
  setTimeout(() => line.remove(), SHOWN_MS);
}

function fill(text, values) {
  return Object.entries(values).reduce((made, [key, value]) => made.replace(`{${key}}`, () => String(value)), text);
}

function withQuery(url, key, value) {
  return `${url}${url.includes("?") ? "&" : "?"}${key}=${encodeURIComponent(value)}`;
}
