// @ts-check
/**
 * What a clinic's page loads: a button, and behind it a sandboxed frame with the chat, fetched when it is first opened.
 * `<script src="…/w/loader-….js" integrity="…" crossorigin="anonymous" data-clinic="spine" defer></script>`
 * Also: data-locale, data-scheme, data-token-url (POST gives {token}), data-open on any element of the page opens the chat.
 */

import { LABELS } from "./labels.js";

const own = /** @type {HTMLScriptElement} */ (document.currentScript);
const home = new URL(own.src).origin;
const { clinic = "", locale = document.documentElement.lang || navigator.language, scheme, tokenUrl } = own.dataset;
const labels = LABELS[locale.toLowerCase().split("-")[0]] ?? LABELS.en;
/** @type {Record<string, ((data: any) => void)[]>} */
const listeners = {};
/** @type {(() => Promise<string | null> | string | null) | null} */
let getToken = tokenUrl ? () => post(tokenUrl) : null;
/** @type {HTMLIFrameElement | null} */
let frame = null;
let shown = false;
let greeted = false;

const host = document.createElement("div");
const root = host.attachShadow({ mode: "open" });
const style = new CSSStyleSheet();
style.replaceSync(`
  :host{position:fixed;inset-inline-end:1rem;inset-block-end:1rem;z-index:2147483000;font:500 17px/1.3 system-ui,sans-serif}
  button{min-height:48px;padding:10px 20px;border:2px solid transparent;border-radius:24px;background:#12575a;color:#fff;font:inherit;cursor:pointer;box-shadow:0 4px 16px rgb(0 0 0/25%)}
  button:focus-visible{outline:3px solid #12575a;outline-offset:3px}
  iframe{display:block;width:min(26rem,calc(100vw - 2rem));height:min(44rem,calc(100dvh - 6.5rem));margin-block-end:.75rem;border:1px solid #8b8577;border-radius:18px;background:Canvas;box-shadow:0 8px 32px rgb(0 0 0/25%)}
  iframe[hidden]{display:none}
  @media (max-width:40rem){:host(.open){inset:0}:host(.open) iframe{width:100vw;height:100dvh;margin:0;border:0;border-radius:0}:host(.open) button{display:none}}
  @media print{:host{display:none}}
`);
root.adoptedStyleSheets = [style];
const button = document.createElement("button");
button.type = "button";
button.setAttribute("aria-expanded", "false");
button.addEventListener("click", toggle);
root.append(button);
host.lang = locale;
host.dir = labels.dir;

/** @param {string} url */
async function post(url) {
  const answer = await fetch(url, { method: "POST", credentials: "same-origin", headers: { Accept: "application/json" } });
  return answer.ok ? (await answer.json()).token : null;
}

/** @param {number} [unread] */
function label(unread = 0) {
  const plural = new Intl.PluralRules(locale).select(unread);
  const words = shown ? labels.launcher_close : unread ? unreadWords(plural, unread) : labels.launcher_open;
  button.textContent = words;
  button.setAttribute("aria-expanded", String(shown));
}

/**
 * One case of "{count, plural, one {…} other {…}}", which is all that the loader's words need of ICU.
 * @param {string} plural
 * @param {number} count
 */
function unreadWords(plural, count) {
  const cases = Object.fromEntries([...labels.launcher_unread.matchAll(/(=?\w+) \{([^{}]*)\}/g)].map(([, name, words]) => [name, words]));
  return (cases[plural] ?? cases.other ?? labels.launcher_open).replace("#", String(count));
}

function open() {
  if (!frame) {
    frame = document.createElement("iframe");
    frame.title = labels.frame_title;
    frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads");
    frame.referrerPolicy = "origin";
    frame.src = `${home}/chat/${encodeURIComponent(clinic)}?framed&lang=${encodeURIComponent(locale)}`;
    root.prepend(frame);
  }
  show(true);
  if (greeted) focusFrame();
}

function close() {
  show(false);
  button.focus();
}

function toggle() {
  if (shown) close();
  else open();
}

/** @param {boolean} on */
function show(on) {
  if (shown === on) return;
  shown = on;
  if (frame) frame.hidden = !on;
  host.classList.toggle("open", on);
  label();
  emit(on ? "open" : "close", {});
}

function focusFrame() {
  frame?.focus();
  tell("opened", {});
}

/**
 * @param {string} type
 * @param {any} data
 */
function tell(type, data) {
  frame?.contentWindow?.postMessage({ pne: 1, type, data }, home);
}

/**
 * @param {string} type
 * @param {any} data
 */
function emit(type, data) {
  for (const listener of listeners[type] ?? []) listener(data);
}

window.addEventListener("message", async ({ origin, source, data: message }) => {
  if (origin !== home || !frame || source !== frame.contentWindow || message?.pne !== 1) return;
  const { type, data } = message;
  if (type === "loaded") {
    greeted = true;
    tell("hello", { signs: Boolean(getToken) });
    if (scheme) tell("scheme", { value: scheme });
    if (shown) focusFrame();
  } else if (type === "need-token") {
    const token = await Promise.resolve(getToken?.()).catch(() => null);
    tell("token", { id: data.id, token });
  } else if (type === "close") close();
  else if (type === "leave" && String(message.url).startsWith("https://")) {
    document.body.replaceChildren();
    document.title = "";
    location.replace(message.url);
  } else if (["ready", "unread", "handoff", "error"].includes(type)) {
    if (type === "unread" && !shown) label(data.count);
    emit(type, data);
  }
});

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element) || !event.target.closest("[data-pne-open]")) return;
  event.preventDefault();
  open();
});

Object.assign(window, {
  PneChat: {
    open, close, toggle,
    logout: () => tell("logout", {}),
    setToken: (/** @type {typeof getToken} */ get) => void (getToken = get),
    setLocale: (/** @type {string} */ value) => tell("locale", { value }),
    setColorScheme: (/** @type {string} */ value) => tell("scheme", { value }),
    on: (/** @type {string} */ type, /** @type {(data: any) => void} */ listener) => void (listeners[type] ??= []).push(listener),
  },
});

label();
document.body.append(host);
