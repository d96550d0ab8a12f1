// @ts-check
/**
 * `<pne-chat>`: the whole chat in one element, in an open shadow root so that tools for accessibility can look inside.
 * Three ways in, one code: a full page (`mode="page"`, the words come with the page), the same page in the loader's
 * frame, or the element on a clinic's own page (the words are fetched).
 */

import { BUILD } from "./build.js";
import { Chat } from "./chat.js";
import { Host } from "./host.js";
import { formatter } from "./icu.js";
import { Looks } from "./looks.js";
import { buildShell } from "./shell.js";
import { Store } from "./store.js";

/** @typedef {import("./host.js").GetToken} GetToken */
/**
 * @typedef {{locale: string, languages: Record<string, string>, strings: Record<string, string>,
 *   clinic: {id: string, name: string, numbers: Record<string, any>, exit_url?: string, light?: string, dark?: string, logo?: string},
 *   origins: string[], webview: boolean}} Start
 */

const HOME = new URL(import.meta.url).origin;

export class PneChat extends HTMLElement {
  constructor() {
    super();
    this.root = this.attachShadow({ mode: "open" });
    /** @type {Chat | null} */
    this.chat = null;
    /** @type {GetToken | null} how a page of the clinic gets a signed token for its patient */
    this.getToken = null;
    /** @type {object | null} the opening that is under way */
    this.opening = null;
  }

  connectedCallback() {
    if (this.chat || this.opening) return;
    const turn = (this.opening = {});
    this.open(() => this.opening === turn).catch((error) => {
      if (this.opening === turn) this.root.replaceChildren(document.createElement("slot")); // the numbers that the page has put inside
      this.dispatchEvent(new CustomEvent("pne-error", { detail: { code: "not_started" } }));
      console.error("pne-chat", error instanceof Error ? error.name : "error");
    });
  }

  /** The element is taken away, not just moved: nothing is sent or received any more. */
  disconnectedCallback() {
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.chat?.stop();
      this.chat = null;
      this.opening = null;
      this.root.replaceChildren();
    });
  }

  /** @param {() => boolean} wanted false once the element was taken away in the meantime */
  async open(wanted) {
    const clinic = this.getAttribute("clinic") ?? "";
    const page = this.getAttribute("mode") === "page";
    if (!page) this.root.replaceChildren(document.createElement("slot"));
    const store = new Store(clinic);
    const start = await startOf(clinic, page, this.getAttribute("locale") ?? store.preference("locale"));
    const strings = await stringsOf(start, store.preference("locale"));
    if (!wanted()) return;
    if (!page) this.setAttribute("data-exit", start.clinic.exit_url ?? "");
    const t = formatter(strings, strings.lang);
    const looks = new Looks(this.root, this, page, store);
    looks.adopt(BUILD.light + (start.clinic.light ?? ""), BUILD.dark + (start.clinic.dark ?? ""));
    const host = new Host(this, start, this.getAttribute("token-url"));
    const parts = buildShell(this.root, { t, strings, start, home: HOME, page, closable: host.framed });
    this.lang = strings.lang;
    this.chat = new Chat({ root: this.root, parts, t, strings, start, store, looks, host, home: HOME });
    this.opening = null;
    await this.chat.run();
  }

  /** End the session on the server and forget it here. */
  async logout() {
    await this.chat?.logout();
  }

  /** @param {string} locale a language that the clinic offers; the chat is shown anew in it */
  setLocale(locale) {
    this.chat?.setLocale(locale);
  }

  /** @param {"auto" | "light" | "dark"} scheme */
  setColorScheme(scheme) {
    this.chat?.looks.offer(scheme);
  }
}

/**
 * @param {string} clinic
 * @param {boolean} page
 * @param {string | undefined} locale
 * @returns {Promise<Start>}
 */
async function startOf(clinic, page, locale) {
  const given = page ? document.getElementById("pne-start")?.textContent : "";
  if (given) return JSON.parse(given);
  const query = locale ? `?lang=${encodeURIComponent(locale)}` : "";
  const answer = await fetch(`${HOME}/v1/clinics/${encodeURIComponent(clinic)}${query}`, { credentials: "omit" });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

/**
 * The words of the language that was chosen here before, if that is another one than the page came in.
 * @param {Start} start
 * @param {string | undefined} chosen
 * @returns {Promise<Record<string, string>>}
 */
async function stringsOf(start, chosen) {
  if (!chosen || chosen === start.locale || !(chosen in start.languages)) return start.strings;
  try {
    const answer = await fetch(`${HOME}/w/${BUILD.locales[chosen]}`, { credentials: "omit" });
    return answer.ok ? await answer.json() : start.strings;
  } catch {
    return start.strings; // the chat in another language is better than none
  }
}

customElements.get("pne-chat") ?? customElements.define("pne-chat", PneChat);
