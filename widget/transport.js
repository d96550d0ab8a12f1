// @ts-check
/** Sending: the one place that talks to the server, and the outbox that never loses or doubles a message. */

import { backoff } from "./live.js";

/** @typedef {{title: string, payload: string}} Choice */
/** @typedef {{label: string, tel?: string, sms?: string, url?: string}} Call */
/** @typedef {{src: string, alt: string, caption?: string, long?: string, width?: number, height?: number}} Picture */
/** @typedef {{value: string | number, title: string}} Option */
/**
 * @typedef {{id: string, text: string, kind: "scale" | "choice" | "text", low?: string, high?: string, min?: number,
 *   max?: number, choices?: Option[]}} Item
 */
/**
 * What an event holds, by kind; `widget/events.schema.json` says which kind has what.
 * @typedef {{kind: string, bubbles?: string[], buttons?: Choice[], calls?: Call[], lead?: string, text?: string,
 *   payload?: string, state?: string, at?: string, name?: string, role?: string, version?: string, review?: string,
 *   tier?: string, category?: string, answer_id?: string, fallback_text?: string, leave?: boolean, notes?: string[],
 *   picture?: Picture, form?: string, forms?: Record<string, string[]>, title?: string, items?: Item[], cards?: Body[],
 *   step?: number, of?: number, erased?: boolean, lang?: string, reading?: string, sections?: {title: string, bubbles: string[]}[],
 *   look?: string, given?: Answers, papers?: {title: string, path: string}[], breath?: {in: number, out: number, rounds: number},
 *   videos?: {title: string, src: string, captions: string, lang?: string}[], visual?: string, label?: string, states?: Named[],
 *   regions?: Named[], texts?: Record<string, string>, caveat?: string, twin?: string[], values?: Record<string, any>}} Body
 */
/** @typedef {{id: string, title: string, text: string}} Named a state or a part of a picture, with what it says */
/**
 * @typedef {{seq: number | null, type?: string, at?: string, author: string, body: Body, client_id?: string}} ChatEvent
 */
/** @typedef {Record<string, string | number | null>} Answers */
/**
 * @typedef {{client_id: string, kind: "text" | "button" | "answer", text: string, payload?: string,
 *   reply_to?: number, answers?: Answers}} Message
 */
/**
 * @typedef {{session: string, conversation: string, expires_at?: string, level?: string, slides?: number | null,
 *   reading?: string, retention_days?: number, last_seq?: number,
 *   consent: {version: string, bubbles: string[], accept: string}}} Session
 */

const SEND_TIMEOUT_MS = 20000;
const FOREIGN_REFUSALS = 5;

/** What went wrong, as the server's problem document tells it; `status` 0 means that no answer came. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {{code?: string, title?: string, detail?: string, events?: ChatEvent[]}} [document]
   * @param {number} [retryAfter] milliseconds
   */
  constructor(status, document = {}, retryAfter = 0) {
    super(document.code ?? `status ${status}`);
    this.status = status;
    this.code = document.code ?? "";
    this.detail = document.detail ?? document.title ?? "";
    this.events = document.events ?? [];
    this.retryAfter = retryAfter;
  }

  /** @returns {boolean} true where the same request may work later */
  get passing() {
    return this.status === 0 || this.status >= 500 || [408, 425, 429].includes(this.status);
  }

  /** @returns {boolean} the server itself has refused for good; a proxy's or a hotel's page has no code */
  get final() {
    return !this.passing && this.code !== "";
  }
}

/**
 * @param {string} path
 * @param {RequestInit} options
 * @returns {Promise<Response>}
 * @throws {Problem} for every answer outside 200-299 and when no answer came
 */
async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "omit", redirect: "error", ...options });
  } catch {
    throw new Problem(0);
  }
  if (response.ok) return response;
  let document = {};
  try {
    document = await response.json();
  } catch {
    // a proxy's own error page: the status has to do
  }
  throw new Problem(response.status, document ?? {}, 1000 * Number(response.headers.get("retry-after") ?? 0) || 0);
}

/**
 * @param {string} path
 * @param {unknown} content
 * @param {string} [token]
 * @returns {Promise<any>}
 */
function post(path, content, token) {
  return call("POST", path, token, content, (response) => response.json());
}

/**
 * @param {string} method
 * @param {string} path
 * @param {string} [token]
 * @param {unknown} [content]
 * @param {(response: Response) => any} [read] what is wanted of the answer; it has to come in the same time
 * @returns {Promise<any>}
 */
async function call(method, path, token, content, read = (response) => response) {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), SEND_TIMEOUT_MS);
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const body = content === undefined ? undefined : JSON.stringify(content);
    return await read(await request(path, { method, headers, body, signal: control.signal }));
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(0);
  } finally {
    clearTimeout(timer);
  }
}

/** The server's side of one conversation. */
export class Api {
  /**
   * @param {string} home the server's origin
   * @param {string} clinic
   * @param {string} locale
   * @param {import("./store.js").Store} store
   * @param {() => Promise<string | null>} identity a token that the clinic has signed, where there is one
   */
  constructor(home, clinic, locale, store, identity) {
    this.home = home;
    this.clinic = clinic;
    this.locale = locale;
    this.store = store;
    this.identity = identity;
    this.token = "";
    this.conversation = "";
    this.signed = false;
    this.ended = false;
    /** @type {Promise<boolean> | null} */
    this.renewing = null;
  }

  /**
   * @param {string} [token] an earlier session, to go on with the same conversation
   * @returns {Promise<Session>}
   */
  async open(token) {
    const session = await this.ask(token);
    this.conversation = session.conversation;
    this.take(session);
    return session;
  }

  /**
   * @param {string} [token]
   * @returns {Promise<Session>}
   */
  async ask(token) {
    const identity = (await this.identity()) ?? undefined;
    const asked = { clinic: this.clinic, token, identity, locale: this.locale };
    return post(`${this.home}/v1/session`, asked);
  }

  /** @param {Session} session */
  take({ session, level }) {
    this.token = session;
    this.signed = level === "signed";
  }

  /** End this session on the server; whether it hears is not waited for long. */
  async logout() {
    this.ended = true;
    try {
      await call("DELETE", `${this.home}/v1/session`, this.token);
    } catch {
      // no answer: the session runs out by itself
    }
  }

  /**
   * Ask for a fresh token for the same conversation. Several callers share one request, also one who comes late: a
   * clinic's signed token is good for one request only.
   * @param {string} used the token that was refused
   * @returns {Promise<boolean>} false when it did not work; `ended` says whether for good
   */
  async renew(used) {
    if (this.ended || used !== this.token) return !this.ended;
    this.renewing ??= this.renewOnce().finally(() => (this.renewing = null));
    return this.renewing;
  }

  async renewOnce() {
    try {
      const session = await this.ask(this.token);
      if (session.conversation !== this.conversation) this.ended = true;
      if (this.ended) return false;
      this.take(session);
      this.store.change({ token: session.session });
    } catch (error) {
      if (!(error instanceof Problem) || !error.final) return false;
      this.ended = true;
    }
    return !this.ended;
  }

  /**
   * @param {Message} message
   * @returns {Promise<{seq: number}>}
   */
  send(message) {
    return post(this.path("messages"), message, this.token);
  }

  /**
   * @param {string} query
   * @param {string} accept
   * @param {AbortSignal} [signal]
   * @returns {Promise<Response>}
   */
  events(query, accept, signal) {
    const headers = { Authorization: `Bearer ${this.token}`, Accept: accept };
    return request(`${this.path("events")}?${query}`, { headers, signal });
  }

  /**
   * Events after a number, as many as come in one answer.
   * @param {number} seq
   * @returns {Promise<ChatEvent[]>}
   */
  after(seq) {
    const read = async (/** @type {Response} */ response) => (await response.json()).events;
    return call("GET", `${this.path("events")}?after=${seq}&wait=0`, this.token, undefined, read);
  }

  /**
   * Anything else about the conversation: settings, feedback, the person's own data.
   * @param {string} method
   * @param {string} what path below the conversation
   * @param {unknown} [content]
   * @returns {Promise<Response>}
   * @throws {Problem}
   */
  async about(method, what, content) {
    const used = this.token;
    try {
      return await call(method, this.path(what), used, content);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401 || !(await this.renew(used))) throw error;
      return call(method, this.path(what), this.token, content);
    }
  }

  /** @param {string} what */
  path(what) {
    return `${this.home}/v1/conversations/${encodeURIComponent(this.conversation)}/${what}`;
  }
}

/** Sends in order, one at a time, again and again with the same client id until the server has it or refuses it. */
export class Outbox {
  /**
   * @param {Api} api
   * @param {(message: Message, waits: boolean) => void} keep called when a message begins to wait and when it no longer does
   * @param {{onSent: (message: Message, seq: number) => void, onDelay: (message: Message, problem: Problem) => void,
   *          onRefused: (message: Message, problem: Problem) => void, onTry: (message: Message) => void,
   *          onEnded: () => void}} handlers
   */
  constructor(api, keep, handlers) {
    this.api = api;
    this.keep = keep;
    this.handlers = handlers;
    /** @type {Message[]} */
    this.queue = [];
    this.busy = false;
    this.failures = 0;
    this.renewed = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {Message} message */
  add(message) {
    this.queue.push(message);
    this.keep(message, true);
    if (this.queue.length === 1) this.flush();
  }

  /** Try now: a retry button, or the network is back. */
  flush() {
    clearTimeout(this.timer);
    if (!this.busy) this.drain();
  }

  /**
   * The server has the message: it said so itself, or the stream showed it before the answer came.
   * @param {string} clientId
   * @param {number} seq
   */
  confirm(clientId, seq) {
    const message = this.queue.find((waiting) => waiting.client_id === clientId);
    if (!message) return;
    this.failures = 0;
    this.renewed = false;
    this.remove(message);
    this.handlers.onSent(message, seq);
  }

  /** Nothing more is sent. */
  stop() {
    clearTimeout(this.timer);
    this.queue = [];
  }

  /** @param {Message} message */
  remove(message) {
    this.queue = this.queue.filter((waiting) => waiting !== message);
    this.keep(message, false);
  }

  async drain() {
    this.busy = true;
    while (this.queue.length && !this.api.ended) {
      const message = this.queue[0];
      const used = this.api.token;
      this.handlers.onTry(message);
      try {
        const { seq } = await this.api.send(message);
        this.confirm(message.client_id, seq);
      } catch (error) {
        if (!(await this.failed(message, /** @type {Problem} */ (error), used))) break;
      }
    }
    this.busy = false;
    if (this.api.ended) this.handlers.onEnded();
  }

  /**
   * @param {Message} message
   * @param {Problem} problem
   * @param {string} used the token it was tried with
   * @returns {Promise<boolean>} true to go on with the queue at once
   */
  async failed(message, problem, used) {
    const expired = problem.status === 401;
    const again = expired && (await this.api.renew(used)) && !this.renewed;
    this.renewed = again;
    if (again || this.api.ended || !this.queue.includes(message)) return true;
    // A refusal that is not the server's own is tried a few times, but must not hold up all that is written after it.
    if (expired || problem.passing || (!problem.final && this.failures < FOREIGN_REFUSALS)) {
      this.handlers.onDelay(message, problem);
      this.timer = setTimeout(() => this.flush(), Math.max(backoff(this.failures++), problem.retryAfter));
      return false;
    }
    this.failures = 0;
    this.remove(message);
    this.handlers.onRefused(message, problem);
    return true;
  }
}
