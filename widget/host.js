// @ts-check
/**
 * The page around the chat: in the loader's frame by postMessage with exact origins on both sides, on a clinic's own page
 * by the element's properties and events. Either can hand over a signed token and hears what the chat has to tell.
 */

/** @typedef {() => Promise<string | null> | string | null} GetToken */
/** @typedef {import("./element.js").Start} Start */

const PROTOCOL = 1;
const HELLO_MS = 1500;
const TOKEN_MS = 10000;
const LONGEST_TOKEN = 8192;

export class Host {
  /**
   * @param {HTMLElement & {getToken?: GetToken | null}} element
   * @param {Start} start
   * @param {string | null} tokenUrl
   */
  constructor(element, start, tokenUrl) {
    this.element = element;
    this.origins = start.origins;
    this.webview = start.webview;
    this.tokenUrl = tokenUrl;
    this.framed = window.parent !== window && new URLSearchParams(location.search).has("framed");
    /** @type {string | null} origin of the page around us, once it has shown itself */
    this.origin = null;
    this.signs = false;
    /** @type {Map<string, (token: string | null) => void>} */
    this.waiting = new Map();
    /** @type {(type: string, data: any) => void} */
    this.onCommand = () => {};
    this.hello = this.framed ? this.listen() : Promise.resolve();
  }

  /** @returns {Promise<void>} once the page around has greeted, or has not in time */
  listen() {
    return new Promise((resolve) => {
      setTimeout(resolve, HELLO_MS);
      window.addEventListener("message", (event) => {
        if (event.source !== window.parent || !this.trusted(event.origin) || event.data?.pne !== PROTOCOL) return;
        const { type, data } = event.data;
        if (type === "hello") {
          this.origin = event.origin;
          this.signs = Boolean(data?.signs);
          if (data?.scheme) this.onCommand("scheme", { value: data.scheme });
          if (data?.logout) this.onCommand("logout", {}); // before a session is opened
          resolve();
        }
        if (event.origin !== this.origin) return;
        if (type === "token") this.waiting.get(String(data?.id))?.(tokenIn(data));
        else this.onCommand(String(type), data);
      });
      // Says nothing but that it is there: whoever framed us must speak first, from an origin that the clinic names.
      window.parent.postMessage({ pne: PROTOCOL, type: "loaded" }, "*");
    });
  }

  /**
   * @param {string} origin
   * @returns {boolean}
   */
  trusted(origin) {
    return origin === location.origin || this.origins.includes(origin) || (this.webview && origin === "null");
  }

  /**
   * A token that the clinic has signed for the person in front of it; null where there is none.
   * @returns {Promise<string | null>}
   */
  async token() {
    await this.hello;
    try {
      if (this.framed) return this.signs ? await this.askFrame() : null;
      if (this.element.getToken) return tokenIn({ token: await this.element.getToken() });
      return this.tokenUrl ? await tokenFrom(this.tokenUrl) : null;
    } catch {
      return null;
    }
  }

  /** @returns {Promise<string | null>} */
  askFrame() {
    const id = String(Math.random());
    return new Promise((resolve) => {
      const done = (/** @type {string | null} */ token) => {
        this.waiting.delete(id);
        resolve(token);
      };
      this.waiting.set(id, done);
      setTimeout(() => done(null), TOKEN_MS);
      this.tell("need-token", { id });
    });
  }

  /**
   * Show the chat anew, in this language.
   * @param {string} locale
   */
  reopen(locale) {
    if (this.element.getAttribute("mode") === "page") {
      const query = new URLSearchParams(location.search);
      query.set("lang", locale);
      location.replace(`${location.pathname}?${query}`);
      return;
    }
    this.element.setAttribute("locale", locale);
    const place = document.createComment("");
    this.element.replaceWith(place);
    // After the microtask in which the element notices that it is gone.
    setTimeout(() => place.replaceWith(this.element));
  }

  /**
   * Tell the page around: an event of the element, or a message to the loader. Never what was said in the chat.
   * @param {string} type
   * @param {Record<string, any>} [data]
   */
  tell(type, data = {}) {
    if (!this.framed) this.element.dispatchEvent(new CustomEvent(`pne-${type}`, { detail: data, bubbles: true }));
    else if (this.origin) window.parent.postMessage({ pne: PROTOCOL, type, data }, this.origin === "null" ? "*" : this.origin);
  }
}

/**
 * @param {any} data
 * @returns {string | null}
 */
function tokenIn(data) {
  const token = data?.token;
  return typeof token === "string" && token !== "" && token.length <= LONGEST_TOKEN ? token : null;
}

/**
 * @param {string} url on the clinic's own site, which knows its patient by its own cookie
 * @returns {Promise<string | null>}
 */
async function tokenFrom(url) {
  const answer = await fetch(url, { method: "POST", credentials: "same-origin", headers: { Accept: "application/json" } });
  return answer.ok ? tokenIn(await answer.json()) : null;
}
