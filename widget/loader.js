// @ts-check
/**
 * What a clinic's page loads: a button, and behind it a sandboxed frame with the chat, fetched when it is first opened.
 * `<script src="…/w/loader-….js" integrity="…" crossorigin="anonymous" data-clinic="spine" defer></script>`
 * Also: data-locale, data-scheme, data-token-url (POST gives {token}); data-pne-open on any element of the page opens the
 * chat. A second tag on the same page does nothing. On a small screen the open chat is a modal dialog over all of it.
 */

import { LABELS } from "./labels.js";

const SMALL = "(max-width:40rem),(max-height:30rem)";
const PATIENCE_MS = 10000;
// From a corner of no size, moved by transforms: whatever the button says, nothing counts as a shift of the page's layout.
const LOOKS = `
  :host{all:initial;position:fixed!important;inset-inline-end:1rem;inset-block-end:1rem;width:0;height:0;z-index:2147483000}
  button{width:max-content;max-width:calc(100vw - 2rem);transform:translate(-100%,-100%);min-height:48px;padding:10px 20px;border:2px solid #fff0;border-radius:24px;background:#12575a;color:#fff;font:500 17px/1.3 system-ui,sans-serif;cursor:pointer;box-shadow:0 4px 16px rgb(0 0 0/25%)}
  button:focus-visible{outline:3px solid #fff;box-shadow:0 0 0 6px #12575a}
  :host([dir=rtl]) button{transform:translate(100%,-100%)}
  dialog{inset:auto;inset-inline-end:0;bottom:60px;margin:0;padding:0;border:0;background:none}
  dialog button{display:none}
  iframe{display:block;width:min(26rem,calc(100vw - 2rem));height:min(44rem,calc(100dvh - 6.5rem));border:1px solid #8b8577;border-radius:18px;background:Canvas}
  dialog:modal{inset:0;max-width:none;max-height:none}
  dialog:modal iframe{width:100vw;height:100dvh;border:0;border-radius:0}
  dialog:modal button{display:block;position:absolute;inset-inline-start:100%;top:100%}
  p{position:absolute;clip-path:inset(50%)}
  @media print{:host{display:none!important}}
`;

function start() {
  const own = /** @type {HTMLScriptElement} */ (document.currentScript);
  const home = new URL(own.src).origin;
  const { clinic = "", tokenUrl } = own.dataset;
  let { scheme } = own.dataset;
  let locale = language(own.dataset.locale || document.documentElement.lang || navigator.language);
  /** @type {Record<string, ((data: any) => void)[]>} */
  const listeners = {};
  /** @type {(() => Promise<string | null> | string | null) | null} */
  let getToken = tokenUrl ? () => post(tokenUrl) : null;
  /** @type {HTMLIFrameElement | null} */
  let frame = null;
  let shown = false;
  let greeted = false;
  let unread = 0;
  /** @type {HTMLElement | null} what the chat was opened with, other than our own button */
  let opener = null;
  /** @type {(() => void)[]} */
  let signingOut = [];

  // A name of its own: a page's rules for every div do not meet it.
  const host = document.createElement("pne-launcher");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(LOOKS);
  root.adoptedStyleSheets = [sheet];
  const button = document.createElement("button");
  const dialog = document.createElement("dialog");
  const back = document.createElement("button"); // while, on a small screen, the chat has not come yet
  const status = document.createElement("p");
  status.role = "status";
  dialog.id = "chat";
  button.type = back.type = "button";
  button.setAttribute("aria-controls", dialog.id);
  button.addEventListener("click", toggle);
  back.addEventListener("click", close);
  dialog.append(back);
  root.append(dialog, button, status);
  root.addEventListener("keydown", (event) => {
    if (/** @type {KeyboardEvent} */ (event).key === "Escape" && shown) close();
  });
  // By the browser: Escape or "back" while it is modal. Its event comes late: by then the chat may be open again.
  dialog.addEventListener("close", () => shown && !dialog.open && close());

  function label() {
    const tag = LABELS[locale] ? locale : "en"; // the chat itself may know more languages
    const labels = LABELS[tag];
    button.textContent = shown ? labels.close : unread ? unreadWords(labels.unread, tag, unread) : labels.open;
    back.textContent = labels.close;
    status.textContent = unread && !shown ? button.textContent : "";
    button.setAttribute("aria-expanded", String(shown));
    dialog.setAttribute("aria-label", labels.title);
    if (frame) frame.title = labels.title;
    host.lang = tag;
    host.dir = labels.dir;
  }

  function load() {
    if (frame) return;
    frame = document.createElement("iframe");
    // On our own page it would guard nothing, and the browser says so.
    if (home !== location.origin) frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads");
    frame.src = `${home}/chat/${encodeURIComponent(clinic)}?framed&lang=${encodeURIComponent(locale)}`;
    dialog.prepend(frame);
    setTimeout(() => greeted || emit("error", { code: "not_loaded" }), PATIENCE_MS);
  }

  function open() {
    load();
    show(true);
  }

  function close() {
    const mine = document.activeElement === host;
    show(false);
    if (!mine) return; // the person is elsewhere on the page
    opener?.focus();
    if (!opener || document.activeElement !== opener) button.focus();
  }

  function toggle() {
    if (shown) return close();
    opener = null;
    open();
  }

  /** @param {boolean} on */
  function show(on) {
    if (shown === on) return;
    shown = on;
    unread = 0;
    label();
    if (!on) dialog.close();
    else if (matchMedia(SMALL).matches) dialog.showModal();
    else dialog.show();
    if (on) enter();
    else tell("closed", {});
    emit(on ? "open" : "close", {});
  }

  function enter() {
    if (greeted) frame?.focus();
    tell("opened", {});
  }

  /**
   * To the chat in our frame, and to nobody else who may be there instead.
   * @param {string} type
   * @param {any} data
   */
  function tell(type, data) {
    if (greeted) frame?.contentWindow?.postMessage({ pne: 1, type, data }, home);
  }

  /**
   * @param {string} type
   * @param {any} data
   */
  function emit(type, data) {
    for (const listener of listeners[type] ?? []) listener(data);
  }

  function hello() {
    tell("hello", { signs: Boolean(getToken), scheme, logout: signingOut.length > 0 });
  }

  window.addEventListener("message", async ({ origin, source, data: message }) => {
    if (origin !== home || !frame || source !== frame.contentWindow || message?.pne !== 1) return;
    const { type, data } = message;
    if (type === "loaded") {
      greeted = true;
      back.remove();
      hello();
      if (shown) enter();
      else tell("closed", {});
    } else if (type === "need-token") {
      const token = await Promise.resolve().then(() => getToken?.()).catch(() => null);
      tell("token", { id: data.id, token });
    } else if (type === "close") close();
    else if (type === "signed-out") {
      signingOut.forEach((done) => done());
      signingOut = [];
    } else if (type === "leave" && String(message.url).startsWith("https://")) {
      document.body.replaceChildren();
      document.title = "";
      location.replace(message.url);
    } else {
      if (type === "unread" && !shown) {
        unread = data.count;
        label();
      }
      emit(type, data);
    }
  });

  document.addEventListener("click", (event) => {
    const wanted = event.target instanceof Element && event.target.closest("[data-pne-open]");
    if (!(wanted instanceof HTMLElement)) return;
    event.preventDefault();
    opener = wanted;
    open();
  });

  const mount = () => void (host.isConnected || document.body.append(host));

  Object.assign(window, {
    PneChat: {
      open, close, toggle, mount,
      /** Also where the chat was not opened on this page: an earlier page of the same tab may have left it signed in. */
      logout: () => new Promise((resolve) => {
        signingOut.push(() => resolve(undefined));
        setTimeout(resolve, PATIENCE_MS);
        load();
        tell("logout", {});
      }),
      setToken: (/** @type {typeof getToken} */ get) => {
        getToken = get;
        hello();
      },
      setLocale: (/** @type {string} */ value) => {
        locale = language(value);
        label();
        tell("locale", { value: locale });
      },
      setColorScheme: (/** @type {string} */ value) => {
        scheme = value;
        tell("scheme", { value });
      },
      on: (/** @type {string} */ type, /** @type {(data: any) => void} */ listener) => void (listeners[type] ??= []).push(listener),
    },
  });

  label();
  if (document.body) mount();
  else document.addEventListener("DOMContentLoaded", mount);
}

/**
 * @param {string} tag as pages write it: en-GB, en_GB
 * @returns {string}
 */
function language(tag) {
  return tag.toLowerCase().split(/[-_]/)[0];
}

/** @param {string} url */
async function post(url) {
  const answer = await fetch(url, { method: "POST" });
  return answer.ok ? (await answer.json()).token : null;
}

/**
 * One case of "{count, plural, one {…} other {…}}", which is all that the loader's words need of ICU.
 * @param {string} words
 * @param {string} locale
 * @param {number} count
 */
function unreadWords(words, locale, count) {
  const one = (/** @type {string} */ name) => words.match(new RegExp(`\\b${name} {(.*?)}`))?.[1];
  return (one(new Intl.PluralRules(locale).select(count)) ?? one("other") ?? "").replace("#", String(count));
}

const present = /** @type {any} */ (window).PneChat;
if (present) present.mount?.();
else start();
